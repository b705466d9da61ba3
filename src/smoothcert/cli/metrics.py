"""``smoothcert metrics FILE...``: what certificate tables say, one row a file."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from smoothcert.certificates import CertificateTable, metrics, read_certificates
from smoothcert.certificates.metrics import Estimate
from smoothcert.cli.command import Command, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Probability
from smoothcert.report import printing


class Metrics(Command):
    """Compute the metrics of certificate tables, one row per file.

    Reads any table in the format of Cohen's released logs, also .gz. Certified accuracies, clean
    accuracy and abstentions are in percent; the ACR is in the noise's norm, in [0,1] pixel
    units. Intervals are 95% CIs (test-set sampling).
    """

    epilog: ClassVar[str] = "example: smoothcert metrics table.tsv --radii 0,0.25,0.5 --intervals"

    files: tuple[str, ...] = positional(help="certificate tables (.tsv, .gz)", metavar="FILE")
    radii: str | None = Field(
        None,
        description="0,0.25,... or START:STOP:STEP; default: every 0.25 up to the largest radius",
    )
    strict: bool = Field(False, description="count radius > r instead of >= r")
    intervals: bool = Field(False, description="print the 95% intervals")
    envelope: bool = Field(
        False, description="also the best file at each radius, and the corresponding ACRs"
    )
    difference: bool = Field(
        False, description="also the paired difference of each file from the first"
    )
    corrected: Probability | None = Field(
        None,
        description="RHO: also accuracies minus possibly wrong certificates, with"
        " probability 1-RHO",
    )
    alpha: Probability | None = Field(None, description="for --corrected, if a file has no alpha")
    json_: bool = Field(False, description="print everything as JSON, with intervals")

    def run(self) -> None:
        tables = [read_certificates(path) for path in self.files]
        for path, table in zip(self.files, tables, strict=True):
            if len(table) == 0:
                raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
        if self.radii is None:
            radii = metrics.default_radii(tables)
        else:
            radii = metrics.parse_radii(self.radii)
        rows = [self._row(path, t, radii) for path, t in zip(self.files, tables, strict=True)]
        if self.envelope:
            rows += _envelope(tables, radii, self.strict)
        if self.difference:
            rows += [
                _difference(path, table, tables[0], radii, self.strict)
                for path, table in zip(self.files[1:], tables[1:], strict=True)
            ]
        if self.json_:
            print(json.dumps([_plain(row, radii, self.strict) for row in rows], indent=1))
        else:
            print(_aligned(rows, radii, self.intervals, self.strict))

    def _row(self, path: str, table: CertificateTable, radii: np.ndarray) -> dict[str, Any]:
        row: dict[str, Any] = {
            "file": path,
            "inputs": len(table),
            "acr": metrics.average_certified_radius(table),
            "abstain": metrics.abstention_rate(table),
            "clean": metrics.clean_accuracy(table),
            "certified": metrics.certified_accuracy(table, radii, self.strict),
        }
        if self.corrected is not None:
            try:
                row["corrected"] = metrics.corrected_accuracy(
                    table, radii, self.alpha, self.corrected, self.strict
                )
            except SmoothcertError as error:
                raise SmoothcertError(f"{path}: {error}") from None
        return row


def _envelope(
    tables: list[CertificateTable], radii: np.ndarray, strict: bool
) -> list[dict[str, Any]]:
    count = len(tables[0])
    return [
        {
            "file": "envelope (best file at each radius; ACR: area under it)",
            "inputs": count,
            "acr": metrics.envelope_area(tables),
            "certified": metrics.envelope(tables, radii, strict),
        },
        {
            "file": "mean of per-input maximum",
            "inputs": count,
            "acr": metrics.per_input_maximum(tables),
        },
    ]


def _difference(
    path: str, table: CertificateTable, first: CertificateTable, radii: np.ndarray, strict: bool
) -> dict[str, Any]:
    return {
        "file": f"{path} - first",
        "inputs": len(table),
        "acr": metrics.acr_difference(table, first),
        "certified": metrics.accuracy_difference(table, first, radii, strict),
    }


def _plain(row: dict[str, Any], radii: np.ndarray, strict: bool) -> dict[str, Any]:
    """A row as JSON: proportions as fractions of 1, undefined interval ends as null."""
    out: dict[str, Any] = {"file": row["file"], "inputs": row["inputs"], "strict": strict}
    for name in ("acr", "abstain", "clean"):
        if name in row:
            out[name] = _finite(row[name].as_dict())
    if "certified" in row:
        out["certified"] = [
            {"radius": float(r), **_finite(row["certified"][i].as_dict())}
            for i, r in enumerate(radii)
        ]
        if "corrected" in row:
            for entry, value in zip(out["certified"], row["corrected"], strict=True):
                entry["corrected"] = float(value)
    return out


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    return {k: v if math.isfinite(v) else None for k, v in numbers.items() if k != "inputs"}


def _aligned(rows: list[dict[str, Any]], radii: np.ndarray, intervals: bool, strict: bool) -> str:
    sign = ">" if strict else ">="
    header = ["file", "inputs", "ACR", "abstain", "clean", *(f"{sign}{r:g}" for r in radii)]
    lines = [header]
    for row in rows:
        line = [row["file"], str(row["inputs"]), _radius(row["acr"], intervals)]
        line += [_percent(row[k], intervals) if k in row else "" for k in ("abstain", "clean")]
        curve = row.get("certified")
        line += [_percent(curve[i], intervals) if curve else "" for i in range(len(radii))]
        lines.append(line)
        if "corrected" in row:
            values = [printing.fixed(100 * v, 2, "ROUND_FLOOR") for v in row["corrected"]]
            lines.append(["  less certificates that may be wrong", "", "", "", "", *values])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _percent(estimate: Estimate, interval: bool) -> str:
    value = printing.percent(estimate.value, 2)
    return f"{value} {printing.percent_interval(estimate, 2)}" if interval else value


def _radius(estimate: Estimate, interval: bool) -> str:
    value = printing.radius(estimate.value, 4)
    return f"{value} {printing.radius_interval(estimate, 4)}" if interval else value


COMMAND = Metrics
