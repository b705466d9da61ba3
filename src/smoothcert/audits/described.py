"""What rows of audits are of, in words that people read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.certificates.runs import AXES
from smoothcert.report import names
from smoothcert.report.verdict import read_verdicts


def described(labels: Mapping[Any, Any], axes: tuple[str, ...] = AXES) -> str:
    """``{"training": "cohen-fs-0.25", ...}`` -> "digits; tiny_cnn; Cohen, σ = 0.25; ..."."""
    known = [(axis, labels.get(axis)) for axis in axes]
    return "; ".join(names.label(axis, value) for axis, value in known if isinstance(value, str))


def about(rows: Path) -> dict[str, str]:
    """The run that a file of rows is about: from the verdicts beside it."""
    record = read_verdicts(f"{str(rows).removesuffix(rows.suffix)}.json").record.get("about", {})
    return {axis: record[axis] for axis in AXES if record.get(axis)}
