"""Attempts to break certificates: a module an audit, each ending in verdicts (verdict.py)."""
