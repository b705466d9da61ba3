"""ISS's tables on published certificates of its models, and what sound budgets would have saved.

The rows are those of the jobs of the published tables (published.py). ISS's Tables 1 and 4 are of
the models whose certificates Jeong and Shin published (ImageNet, Consistency); its Table 5 is of
MACER, of which only another training's certificates are public.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from smoothcert.papers.iss.published import papers_numbers, printed_budgets, read_rows
from smoothcert.papers.iss.tables import accuracy_columns, certified
from smoothcert.report import comparison, names
from smoothcert.report.claims import IN_PART, NOT_REPRODUCED, REPRODUCED
from smoothcert.report.numbers import GAIN, PERCENT, SAMPLES, Key, Label, Metric, Number, Row, frame
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

# Budgets of the project, beside those that the paper's table has
_BESIDE = (
    "fixed-100000",
    "iss-fresh_ad0.05-100000",
    "sequential_0.02-100000",
    "sequential_grid0.50-100000",
    "sequential_decide0.50-100000",
)
_BEYOND = 5.0  # percent of the votes beyond the record from which a row is no evidence
_OTHER_RUN = "another training"


def table1(files: Files, options: Options) -> Table:
    """Absolute decline."""
    return _printed(1, files.some())


def table4(files: Files, options: Options) -> Table:
    """Relative decline."""
    return _printed(4, files.some())


def table5(files: Files, options: Options) -> Table:
    """The second model."""
    return _printed(5, files.some())


def _printed(number: int, files: Iterable[Path]) -> Table:
    """The paper's rows and those beside them, for each noise scale."""
    rows: list[Row] = []
    for file in files:
        found = {str(row["budget"]): row for row in read_rows([file], "replay")}
        sigma = float(str(next(iter(found.values()))["sigma"]))
        wanted = [*printed_budgets(f"table{number}", sigma), *_BESIDE]
        rows += [
            _judged(papers_numbers(found[slug]), own=number != 5) for slug in dict.fromkeys(wanted)
        ]
    radii = np.array(
        sorted(
            {
                key.radius
                for row in rows
                for key, one in row.items()
                if isinstance(key, Metric)
                and key.radius is not None
                and isinstance(one, Number)
                and one.paper is not None
            }
        )
    )
    shown = {*map(certified, radii)}
    rows = [
        {k: v for k, v in row.items() if not isinstance(k, Metric) or k in shown} for row in rows
    ]
    columns = (
        Column("training", "training", show=names.training),
        Column("budget", "budget", show=names.budget),
        Column("samples", "samples", measured=True),
        *((Column("samples_least", "samples, at least", measured=True),) if number == 4 else ()),
        Column("mad", "MAD"),
        Column("difference", "ACR difference", measured=True),
        Column("acr", "ACR", measured=True),
        *accuracy_columns(radii, strict=False),
        Column("verdict", "the paper's numbers"),
    )
    return Table("", columns, rows, _notes(number, rows))


def _notes(number: int, rows: list[Row]) -> tuple[str, ...]:
    beyond = any(row["verdict"] == "beyond the record" for row in rows)
    return (
        "The model is another training run of the paper's method (by Jeong et al. 2023): a"
        " difference may come from training, so there is no verdict."
        if number == 5
        else "The models that the paper certifies: Jeong and Shin published one row per input for"
        " them, from which we recover the votes.",
        "The 500 validation images that the paper certifies (every 100th)."
        if number != 5
        else "500 test images, as many as the paper certifies (here every 20th).",
        "A replay draws these votes again without replacement: no new certificate. The certified"
        " class counts as selected. Votes of abstentions were not published; they cost as many"
        " samples as a class of probability 1/2"
        + (
            ", which a relative decline gives nearly all samples; the lower bound assumes a smaller"
            " probability, which gets none."
            if number == 4
            else "."
        ),
        "After a slash: the paper's number. Reproduced: all within both sides' sampling error"
        " (inputs treated as independent, though they are the same).",
        *(
            (
                f"Beyond the record: more than {_BEYOND:g}% of the votes exceed the 100,000"
                " published ones and are drawn from their proportions; shown, not judged.",
            )
            if beyond
            else ()
        ),
        "ACR difference: paired, relative to 100,000 samples for every input. ISS as published"
        " reuses its first votes, so it has no proof; fresh and sequential budgets are sound.",
    )


def _thin(rows: Iterable[Row]) -> bool:
    return any(str(row["every"]) != "1" for row in rows)


def _judged(row: dict[Key, Label | Number], own: bool) -> dict[Key, Label | Number]:
    """With the labels ``verdict`` and ``papers_own``: whether it is of the paper's own model, and
    its samples are those of the paper's procedure (of a relative decline they hang on the votes of
    abstentions, which were not published)."""
    verdicts = {cell.metric: cell.verdict for cell in comparison.differences(frame("", [row]))}
    bounded = "samples_least" in row
    if bounded and _between(row):
        verdicts[Metric("samples")] = comparison.AGREES
    met, missed = (
        list(verdicts.values()).count(word) for word in (comparison.AGREES, comparison.DIFFERS)
    )
    beyond = row["beyond"]
    assert isinstance(beyond, Number)
    said = ""
    if met + missed:
        if beyond.value > _BEYOND:
            said = "beyond the record"
        elif not own:
            said = f"{_OTHER_RUN}: {met} of {met + missed} agree"
        elif not missed:
            said = REPRODUCED + (" (samples between bounds)" if bounded else "")
        else:
            said = f"{IN_PART}: {met} of {met + missed}" if met else NOT_REPRODUCED
    own = own and bool(met + missed) and beyond.value <= _BEYOND and not bounded
    return {**row, "verdict": said, "papers_own": own, "votes": "published"}


def _between(row: Row) -> bool:
    """Whether the paper's samples lie between ours with cheap and with dear abstentions."""
    most, least = row["samples"], row.get("samples_least")
    if not isinstance(most, Number) or not isinstance(least, Number) or most.paper is None:
        return False
    return least.value <= (most.paper.value or 0.0) <= most.value


# --- what sound budgets would have saved -----------------------------------------------------

_FULL, _ISS = "fixed-100000", "iss_ad0.05-100000"
SERIES = {
    "fixed": "fixed",
    "iss": "ISS as published (no proof)",
    "fresh": "ISS, fresh votes",
    "sequential": "sequential",
}


def savings(files: Files, options: Options) -> Table:
    """One row a published table: samples of each kind of budget at ISS's decline of the ACR."""
    columns = (
        Column("dataset", "data"),
        Column("training", "training", show=names.training),
        Column("loss", "ACR given up"),
        *(Column(key, f"{title}: samples") for key, title in SERIES.items()),
        Column("saved_fixed", "sequential against fixed (%)"),
        Column("saved_iss", "against ISS as published (%)"),
        Column("saved_fresh", "against ISS, fresh (%)"),
    )
    notes = (
        "Each kind at the mean ACR decline of ISS at U = 0.05 (at most 100,000 samples, level"
        " 0.001), interpolated between replays of neighbouring bounds, prices and sizes.",
        "Saved: fraction of samples that sequential sampling does not draw.",
        "Tables of 10,000 inputs: every 20th input."
        if _thin(read_rows(files.some(), "record"))
        else "All inputs of each table.",
    )
    return Table("", columns, savings_rows(files.some()), notes)


def savings_rows(files: Iterable[Path]) -> list[Row]:
    """By data set and training, in the order of the noise."""
    rows = [_saving(list(read_rows([file], "replay"))) for file in files]
    return sorted(rows, key=lambda r: (str(r["dataset"]), str(r["training"])))


def _saving(rows: list[dict[Key, Label | Number]]) -> Row:
    by = {str(row["budget"]): row for row in rows}
    full = _value(by[_FULL], "acr")
    loss = full - _value(by[_ISS], "acr")

    def at(prefix: str) -> float:
        """Samples of a family at the same loss, between its members (log of samples)."""
        points = sorted(
            (full - _value(row, "acr"), _value(row, "samples"))
            for slug, row in by.items()
            if slug.startswith(prefix)
            and (prefix == "fixed-" or slug.endswith("-100000"))
            and _value(row, "beyond") <= _BEYOND
        )
        losses, drawn = (np.array(column) for column in zip(*points, strict=True))
        return float(np.exp(np.interp(loss, losses, np.log(drawn))))

    samples = {
        "fixed": at("fixed-"),
        "iss": _value(by[_ISS], "samples"),
        "fresh": at("iss-fresh_ad"),
        "sequential": at("sequential_0"),
    }
    labels = ("published", "dataset", "arch", "training", "noise", "sigma", "every")
    acr = by[_FULL]["acr"]
    inputs = acr.inputs if isinstance(acr, Number) else None
    return {
        **{key: by[_FULL][key] for key in labels},
        "loss": Number(loss, inputs=inputs, unit=GAIN),
        **{key: Number(value, inputs=inputs, unit=SAMPLES) for key, value in samples.items()},
        **{
            f"saved_{key}": Number(
                100 * (1 - samples["sequential"] / samples[key]), inputs=inputs, unit=PERCENT
            )
            for key in ("fixed", "iss", "fresh")
        },
    }


def _value(row: Row, key: str) -> float:
    one = row[key]
    assert isinstance(one, Number)
    return one.value
