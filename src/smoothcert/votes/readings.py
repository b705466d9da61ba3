"""When votes were first read: who reads them again after more were drawn is told what that costs.

A bound fails with probability at most alpha for a number of samples that was fixed before they
were looked at. Whoever certifies, looks, draws more because of it and certifies again has two
chances to be wrong, together nearly 2 alpha (docs/methods/iss.md, topping up). Several numbers of
samples read from one store that was drawn for the largest of them are harmless, each by itself.

So the first reading of a store leaves a small file beside it: how many samples each input had
then. It goes by the names of the noise, not by the file of votes, since drawing again with the
same seed gives the same votes again. Sampling takes it over into the record of a new store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.votes.store import VoteStore

# By draw (a digest of what names the noise and the network), by idx: samples when first read.
Readings = dict[str, dict[str, int]]

KEY = "first_read_at"  # in the record of a store that was topped up or gathered

_NAMES = ("seed", "purpose", "noise", "scaling", "precision", "model_digest", "data_digest")


def readings_path(votes: Path) -> Path:
    """Where the readings of a vote store lie: the same name with ``.readings.json``."""
    return votes.with_suffix(".readings.json")


def read_readings(votes: Path, record: Mapping[str, Any]) -> Readings:
    """All earlier readings, of the file beside the votes and of the votes' ``record``.

    Raises SmoothcertError for a file that is something else.
    """
    path = readings_path(votes)
    try:
        beside = json.loads(path.read_text(encoding="utf-8"))
        return merged([beside, record.get(KEY, {})])
    except FileNotFoundError:
        return merged([record.get(KEY, {})])
    except (ValueError, TypeError, AttributeError) as error:
        raise SmoothcertError(f"{path}: not the readings of a vote store: {error}") from None


def merged(several: list[Readings]) -> Readings:
    """The first reading of each input."""
    out: Readings = {}
    for readings in several:
        for draw, samples in readings.items():
            into = out.setdefault(draw, {})
            for idx, n in samples.items():
                into[idx] = min(int(n), into.get(idx, int(n)))
    return out


def first_read_at(readings: Readings, store: VoteStore) -> NDArray[np.int64]:
    """Estimation samples that each input of ``store`` had when it was first read, [N]; those
    that it has now, where it was not."""
    samples = readings.get(_draw(store.identity), {})
    now = store.samples()
    return np.array([samples.get(str(i), n) for i, n in zip(store.idx, now, strict=True)], np.int64)


def note_reading(votes: Path, store: VoteStore, before: Readings) -> None:
    """Keep beside the votes that ``store`` was read, unless ``before`` says so already.

    Where nothing may be written beside the votes, nothing is kept.
    """
    samples = zip(store.idx.tolist(), store.samples().tolist(), strict=True)
    after = merged([before, {_draw(store.identity): {str(i): n for i, n in samples}}])
    if after != before:
        with suppress(OSError):
            write_text(readings_path(votes), json.dumps(after, sort_keys=True) + "\n")


def _draw(identity: Mapping[str, Any]) -> str:
    names = {name: identity.get(name) for name in _NAMES}
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:16]
