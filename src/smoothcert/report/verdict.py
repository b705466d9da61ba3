"""What an audit concludes: one verdict a promise, as JSON, with what made it.

An audit that finds a break has succeeded: it says BROKEN, shows the witness and ends with
status 0. Only where a variant that this project calls sound is broken (``ours``) does the
command fail, after its file is written.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text

HOLDS, BROKEN, NOT_FOUND, NOT_RUN = "HOLDS", "BROKEN", "NOT FOUND", "NOT RUN"
VERDICTS = (HOLDS, BROKEN, NOT_FOUND, NOT_RUN)
FORMAT = 1  # of the file


@dataclass(frozen=True)
class Verdict:
    """A promise and what became of it.

    ``verdict`` is HOLDS (shown, exactly or at the stated confidence), BROKEN (``evidence`` and
    ``witness`` show it), NOT FOUND (searched and none found: ``evidence`` says how hard the
    search was) or NOT RUN (why not). ``subject`` is what was audited (data set, training,
    certificates). ``ours``: the promise is of a variant that this project calls sound.
    ``procedure`` is what makes the certificates or predictions that are promised (ISS as
    published), where the promise is one of a procedure.
    ``numbers`` is what the evidence rests on, JSON values; ``witness`` a file, relative to the
    verdict's own folder, by which anyone can check a break again.
    """

    promise: str
    subject: str
    verdict: str
    evidence: str
    ours: bool = False
    numbers: dict[str, Any] = field(default_factory=dict)
    witness: str | None = None
    procedure: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise SmoothcertError(
                f"verdict {self.verdict!r}: expected one of {', '.join(VERDICTS)}"
            )

    def __str__(self) -> str:
        text = f"{self.verdict:9}  {self.promise} [{self.subject}]: {self.evidence}"
        return text + (f" (witness: {self.witness})" if self.witness else "")


@dataclass(frozen=True)
class VerdictFile:
    """A file of verdicts: the kind of audit, its verdicts in order, and the record beside them."""

    kind: str
    verdicts: tuple[Verdict, ...]
    record: dict[str, Any]


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 where a promise of ours is broken, else 0: a broken promise of a paper is a result."""
    return int(any(v.ours and v.verdict == BROKEN for v in verdicts))


def write_verdicts(
    path: str | os.PathLike[str], kind: str, verdicts: Sequence[Verdict], record: dict[str, Any]
) -> int:
    """Write the file of one audit atomically; returns :func:`exit_code`.

    ``record`` says what made it (``provenance.record()`` and the specification). Numbers that
    are not finite are written as null.
    """
    whole = {
        "format": FORMAT,
        "kind": kind,
        "verdicts": [_plain(asdict(v)) for v in verdicts],
        "record": _plain(record),
    }
    write_text(path, json.dumps(whole, indent=1, allow_nan=False) + "\n")
    return exit_code(verdicts)


def read_verdicts(path: str | os.PathLike[str]) -> VerdictFile:
    """Read what :func:`write_verdicts` wrote; SmoothcertError names the file and what is wrong."""
    try:
        whole = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such verdict file") from None
    except (ValueError, OSError) as error:
        raise SmoothcertError(f"{path}: not a verdict file: {error}") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise SmoothcertError(f"{path}: not a verdict file of format {FORMAT}")
    known = {f.name for f in fields(Verdict)}
    needed = known - {"procedure"}
    verdicts = []
    for number, row in enumerate(whole.get("verdicts", []), 1):
        if not isinstance(row, dict) or not needed <= set(row) <= known:
            raise SmoothcertError(f"{path}: verdict {number}: expected {', '.join(sorted(known))}")
        try:
            verdicts.append(Verdict(**row))
        except SmoothcertError as error:
            raise SmoothcertError(f"{path}: verdict {number}: {error}") from None
    return VerdictFile(str(whole.get("kind", "")), tuple(verdicts), dict(whole.get("record") or {}))


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
