"""``smoothcert metrics FILE...``: what certificate tables say, one row a file.

Reads any table in the format of Cohen's released logs, also ``.gz``. Certified accuracies,
clean accuracy and abstentions are percent, the ACR is in l2 (or the noise's own norm) of [0,1]
pixels. Intervals are 95% for the number of inputs.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np

from smoothcert.certificates import CertificateTable, metrics, read_certificates
from smoothcert.certificates.metrics import Estimate
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import printing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="certificate tables (.tsv, .gz)")
    parser.add_argument(
        "--radii",
        help="0,0.25,... or START:STOP:STEP (default: every 0.25 up to the largest radius)",
    )
    parser.add_argument("--strict", action="store_true", help="radius > r instead of >= r")
    parser.add_argument("--intervals", action="store_true", help="print the 95%% intervals")
    parser.add_argument(
        "--envelope",
        action="store_true",
        help="also the best of the files per radius, and the two ACRs that go with it",
    )
    parser.add_argument(
        "--difference", action="store_true", help="also each file minus the first, paired"
    )
    parser.add_argument(
        "--corrected",
        type=float,
        metavar="RHO",
        help="also accuracies less the certificates that may be wrong, with probability 1-RHO",
    )
    parser.add_argument("--alpha", type=float, help="for --corrected, where a file has no alpha")
    parser.add_argument("--json", action="store_true", help="everything, with intervals, as JSON")


def run(args: argparse.Namespace) -> None:
    tables = [read_certificates(path) for path in args.files]
    for path, table in zip(args.files, tables, strict=True):
        if len(table) == 0:
            raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
    radii = (
        metrics.parse_radii(args.radii) if args.radii is not None else metrics.default_radii(tables)
    )
    rows = [_row(path, table, radii, args) for path, table in zip(args.files, tables, strict=True)]
    if args.envelope:
        rows += _envelope(tables, radii, args.strict)
    if args.difference:
        rows += [
            _difference(path, table, tables[0], radii, args.strict)
            for path, table in zip(args.files[1:], tables[1:], strict=True)
        ]
    if args.json:
        print(json.dumps([_plain(row, radii, args.strict) for row in rows], indent=1))
    else:
        print(_aligned(rows, radii, args.intervals, args.strict))


def _row(
    path: str, table: CertificateTable, radii: np.ndarray, args: argparse.Namespace
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": path,
        "inputs": len(table),
        "acr": metrics.average_certified_radius(table),
        "abstain": metrics.abstention_rate(table),
        "clean": metrics.clean_accuracy(table),
        "certified": metrics.certified_accuracy(table, radii, args.strict),
    }
    if args.corrected is not None:
        try:
            row["corrected"] = metrics.corrected_accuracy(
                table, radii, args.alpha, args.corrected, args.strict
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
