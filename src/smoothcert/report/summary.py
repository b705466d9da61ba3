"""The closing screen of a run: what was made, one table, verdicts counted, where the page is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.report import names
from smoothcert.report.claims import VERDICTS, Evidence
from smoothcert.report.ledger import ledger
from smoothcert.report.numbers import Metric, Number, Row, rows_of
from smoothcert.report.outcome import outcome
from smoothcert.report.page import Page
from smoothcert.report.printing import number, parts
from smoothcert.report.verdict import VERDICTS as AUDITED

_MOST = 10  # rows of the table
_COLUMNS = 4  # accuracies
_MADE = {
    "network": "models/**/model.safetensors",
    "vote store": "**/votes/**/votes.npz",
    "certificate table": "**/certificates/**/*.tsv",
    "table": "tables/*.csv",
    "figure": "figures/*.png",
    "report": "reports/*.html",
}


def summary(page: Page, tables: Sequence[str]) -> str:
    """At most a screen about a folder of results.

    Its table is of the first of ``tables`` (names of outputs) that was made: fixed noise scales
    and, where there are any, the inputs' own, of the plain training runs.
    Raises SmoothcertError for a file that cannot be read.
    """
    rows = ledger(page.results) if page.evidence.outputs else []
    run = outcome(rows, page.evidence.audits, page.made, page.datasets, page.published)
    lines = [f"Preset {page.preset}, on {', '.join(run.data) or 'no data yet'}"]
    lines.append(f"  made      {_made(page.results)}")
    if page.made.total:
        lines.append(f"  took      {run.time} of measured job time, several jobs in parallel")
    for name in tables:
        if chosen := _chosen(page.evidence, name):
            lines += ["", *_table(chosen), ""]
            break
    if rows:
        lines.append(f"  claims    {_counts(run.claims, VERDICTS)}")
    if run.promises:
        ours = sum(times for _, times in run.ours)
        lines.append(
            f"  promises  {_counts(run.promises, AUDITED)}; sound variants broken: {ours or 'none'}"
        )
    index = page.results / "index.html"
    missing = "not made yet; run snakemake"
    lines.append(f"  page      {index.resolve() if index.exists() else missing}")
    return "\n".join(lines)


def _made(results: Path) -> str:
    counts = {name: sum(1 for _ in results.glob(where)) for name, where in _MADE.items()}
    said = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n]
    return ", ".join(said) or "nothing yet"


def _counts(counts: Counter[str], order: Sequence[str]) -> str:
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict])


def _chosen(evidence: Evidence, output: str) -> list[Row]:
    """The rows of plain training runs, each at its largest fixed budget of both kinds of scales."""
    by_training: dict[str, list[Row]] = {}
    for row in rows_of(evidence.of(output)):
        if _plain(row) and str(row.get("budget", "")).startswith("fixed-"):
            by_training.setdefault(str(row["training"]), []).append(row)
    chosen: list[Row] = []
    for rows in by_training.values():
        fixed, own = ([row for row in rows if _own(row) == wanted] for wanted in (False, True))
        both = {row["budget"] for row in fixed} & {row["budget"] for row in own}
        most = max(both or {row["budget"] for row in fixed}, key=_size, default=None)
        kept = [[row for row in kind if row["budget"] == most] for kind in (fixed, own)]
        chosen += [*kept[0][:1], *sorted(kept[1], key=_steps)[-1:]]
    return chosen


def _plain(row: Row) -> bool:
    """Whether it is of a training at one Gaussian scale, certified at this scale or from it."""
    try:
        training = Training.parse(str(row.get("training")))
    except SmoothcertError:
        return False
    usual = (training.schedule, training.variant, training.noise) == ("fs", "", "gaussian")
    scaling = str(row.get("scaling", "fixed")).partition("-")[0].partition("_")[0]
    alone = "mean" not in str(row.get("scaling")) and "sound" not in str(row.get("scaling"))
    return (
        usual
        and row.get("noise", training.noise_slug) == training.noise_slug
        and scaling in ("fixed", "ascent")
        and alone
    )


def _own(row: Row) -> bool:
    return row.get("scaling", "fixed") != "fixed"


def _size(slug: Any) -> int:
    return int(str(slug).rpartition("-")[2])


def _steps(row: Row) -> int:
    return int(str(row.get("scaling")).rpartition("-K")[2])


def _table(rows: Sequence[Row]) -> Iterator[str]:
    """What README shows: the average certified radius and certified accuracies of each row."""
    shown = rows[:_MOST]
    radii = [
        key
        for key in dict.fromkeys(key for row in shown for key in row)
        if isinstance(key, Metric) and key.radius is not None
        if any(isinstance(one := row.get(key), Number) and one.value > 0 for row in shown)
    ]
    radii = radii[:: -(-len(radii) // _COLUMNS) or 1]
    cells = [
        ["trained with", "certified at", "ACR [95%]"]
        + [f"≥ {number(key.radius or 0.0)}" for key in radii]
    ]
    for row in shown:
        acr = row["acr"]
        cells.append(
            [
                names.training(str(row["training"])),
                names.scaling(str(row["scaling"])) if _own(row) else "one scale for all",
                " ".join(parts(acr)[:2]) if isinstance(acr, Number) else "",
                *(
                    parts(one)[0] if isinstance(one := row.get(key), Number) else ""
                    for key in radii
                ),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = [
            f"{cell:<{width}}" if i < 3 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield f"  {'  '.join(padded).rstrip()}"
    if len(rows) > len(shown):
        yield f"  and {len(rows) - len(shown)} more, on the page"
    yield "  ACR: average certified radius, in pixels of [0,1]; ≥ r: % correct and certified at r"
