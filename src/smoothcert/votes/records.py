"""Vote stores on disk with their records: times and surroundings, kept out of the votes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.votes import VoteStore, gather
from smoothcert.votes.readings import KEY, merged, read_readings

BASE = "base"  # in a record: of the base classifier on clean inputs, how many are right


def record_path(store: Path) -> Path:
    """Where the record of a vote store lies: the same name with ``.json``."""
    return store.with_suffix(".json")


def read_record(store: Path) -> dict[str, Any]:
    """The record of a vote store; empty if there is none. SmoothcertError if it is no JSON."""
    path = record_path(store)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SmoothcertError(f"{path}: not the record of a vote store: {error}") from None


def seconds_of(record: dict[str, Any], store: VoteStore) -> NDArray[np.float64]:
    """Seconds of sampling for each input of the store, [N]; 0 where unrecorded."""
    seconds = record.get("seconds", {})
    return np.array([seconds.get(str(idx), 0.0) for idx in store.idx])


def write_record(store: Path, record: dict[str, Any]) -> None:
    """Write the record of a vote store, atomically."""
    write_text(record_path(store), json.dumps(record, indent=1, sort_keys=True) + "\n")


def base_of(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What shards say together of the base classifier on their clean inputs."""
    parts = [record[BASE] for record in records if BASE in record]
    if not parts:
        return {}
    right = [part["correct"] for part in parts]
    correct = None if None in right else sum(right)
    return {BASE: {"inputs": sum(part["inputs"] for part in parts), "correct": correct}}


def gather_files(shards: Sequence[Path], out: Path) -> VoteStore:
    """Join shard stores, and their records, into ``out``; raises as :func:`votes.gather`."""
    store = gather([VoteStore.read(path) for path in shards], [str(p) for p in shards])
    records = [r for r in map(read_record, shards) if r]
    read_before = merged([read_readings(s, read_record(s)) for s in shards])
    if records:
        record = {
            **records[0],
            "wall_seconds": round(sum(r["wall_seconds"] for r in records), 3),
            "seconds": {idx: s for r in records for idx, s in r["seconds"].items()},
            **base_of(records),
        }
        if read_before:
            record[KEY] = read_before
        write_record(out, record)
    store.write(out)
    return store
