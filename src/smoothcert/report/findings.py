"""Two pages on what holds in the papers, what does not, and how we know: from results alone.

The prose stands in templates/findings.md; every number in it is counted here, from the claims of
several runs side by side and from the tables of their folders.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoothcert.compute.lazy import pandas as pd
from smoothcert.report import side_by_side
from smoothcert.report.by_data import PROMISES, SEVERAL, read_by_data
from smoothcert.report.claims import DIRECTIONS, LEVEL, ORIGINS, read_claims
from smoothcert.report.numbers import GAIN, SPREAD, Number
from smoothcert.report.printing import interval, parts
from smoothcert.report.reference import PAPERS
from smoothcert.report.render import render
from smoothcert.report.verdict import BROKEN
from smoothcert.report.verdict import VERDICTS as AUDITED

# What the text shows of each paper: checks as in claims.csv
SHOWN = (
    'gain("Cohen-DS", "Cohen")', 'gain("Cohen-DS", "Cohen", at=0.5)',
    'gain("SmoothAdv-DS", "SmoothAdv")', 'gain("SmoothAdv-DS", "SmoothAdv", at=0.5)',
    'gain("MACER-DS", "MACER")', 'gain("MACER-DS", "MACER", at=0.5)',
    'gain("Yang-DS", "Yang", at=0.5)', "speed_up(0.05)", "above_fixed()",
    "lbrs_abstract()", 'lbrs_rows("tends_to_1nn")', 'lbrs_rows("gains_more_in_linf", task="first")',
    "zhang_above(1)", "zhang_above(2)", "zhang_above(3)",
)  # fmt: skip
ISS_PUBLISHED = "at most alpha (ISS, as published)"  # the promise of its failure probability
# By their names below a folder of results; of each, that of the first folder that has it
FIGURES = ("ddrs_controls", "ddrs_seeds", "iss_coverage")


def findings(
    rows: pd.DataFrame,
    folders: Sequence[Path],
    ledger: Path,
    beside: Path,
    words: str | None = None,
) -> str:
    """The pages in Markdown, with links from the folder ``beside``.

    ``rows``: of side_by_side.read_runs for ``folders``; ``ledger``: the base of its files;
    ``words``: what someone concludes, for the top. Raises SmoothcertError for a folder whose tables
    cannot be read.
    """

    def link(path: Path) -> str:
        return Path(os.path.relpath(path, beside)).as_posix()

    promises = {folder.name: read_by_data(folder, PROMISES) for folder in folders}
    audited = pd.concat(promises.values())
    broken = audited[audited.verdict == BROKEN]
    shown = rows[rows.check.isin(SHOWN)]
    gains = rows[rows.origin != ""]
    gains = gains[
        ~gains.assign(of=gains.check.map(side_by_side.comparison)).duplicated(["of", "on"])
    ]
    figures = {
        name: link(found[0])
        for name in FIGURES
        if (found := [p for f in folders if (p := f / f"figures/{name}.png").exists()])
    }
    return render(
        "findings.md",
        runs={folder.name: link(folder) for folder in folders},
        data=_data(rows),
        at_a_glance=_crossed(rows, "direction", [d for d in DIRECTIONS if d != LEVEL]),
        origins=_crossed(gains, "origin", ORIGINS),
        shown={name: side_by_side.table(part) for name, part in shown.groupby("paper")},
        names={key: title for key, (_, title) in PAPERS.items()},
        own_tables=_own_tables(),
        seeds=[one for folder in folders for one in _seeds(folder)],
        promises={name: _counts(table.verdict, AUDITED) for name, table in promises.items()},
        broken=_each(broken[broken.whose == ""].promise),
        iss_published=" and ".join(
            sorted(set(audited[audited.promise.str.contains(ISS_PUBLISHED, regex=False)].verdict))
        ),
        ours_broken=int((broken.whose != "").sum()),
        ours=int((audited.whose != "").sum()),
        ledger=link(ledger),
        rule=side_by_side.NOTES[-1],
        figures=figures,
        words=words,
    )


def _data(rows: pd.DataFrame) -> str:
    return ", ".join(sorted(name for name in rows.data.unique() if name != SEVERAL))


def _crossed(rows: pd.DataFrame, column: str, order: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """A row a paper and data set, by paper: how many rows have each value of a column."""
    made: list[dict[str, Any]] = []
    by_paper = rows.sort_values("paper", kind="stable")
    for (paper, on), part in by_paper.groupby(["paper", "on"], sort=False):
        counts = Counter(part[column])
        made.append({"paper": paper, "on": on, "all": len(part), **{o: counts[o] for o in order}})
    return made


def _counts(values: Iterable[str], order: Sequence[str]) -> str:
    """``12 HOLDS, 3 BROKEN``."""
    counts = Counter(values)
    return ", ".join(f"{counts[name]} {name}" for name in order if counts[name])


def _each(values: Iterable[str]) -> list[tuple[str, int]]:
    return Counter(values).most_common()


def _own_tables() -> list[tuple[str, str]]:
    """What became of each paper's claims against its own tables."""
    return [
        (title, _counts((c.papers for c in read_claims() if c.paper == key), _PAPERS_WORDS))
        for key, (_, title) in PAPERS.items()
    ]


_PAPERS_WORDS = ("agrees", "partly", "disagrees", "not checkable from the papers")


def _seeds(folder: Path) -> list[dict[str, str]]:
    """The comparisons of ACR by seed of training, where the run has them."""
    path = folder / "tables/ddrs_seeds.csv"
    if not path.exists():
        return []
    table = pd.read_csv(path)
    of_acr = table[table.measure == "ACR"].to_dict("records")
    return [
        {
            "data": one["dataset"],
            "comparison": one["comparison"],
            "mean": parts(Number(one["mean_seeds"], unit=GAIN))[0],
            "inputs": interval(
                Number(0, one["mean_inputs_low"], one["mean_inputs_high"], unit=GAIN)
            ),
            "seeds": interval(Number(0, one["mean_seeds_low"], one["mean_seeds_high"], unit=GAIN)),
            "spread": parts(Number(one["spread"], unit=SPREAD))[0],
            "verdict": one["verdict"],
        }
        for one in of_acr
    ]
