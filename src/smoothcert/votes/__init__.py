"""Votes: class counts under noise by input and look, kept in a store; torch is not needed."""

from smoothcert.votes.store import Counts, VoteStore, gather, take

__all__ = ["Counts", "VoteStore", "gather", "take"]
