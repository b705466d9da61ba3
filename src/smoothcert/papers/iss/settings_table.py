"""ISS, Table 2: the settings of the paper's experiments, and of those that were run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smoothcert.budget import BUDGETS, Iss
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.report import names
from smoothcert.report.numbers import Row
from smoothcert.report.output import Files, Options
from smoothcert.report.reference import cells
from smoothcert.report.table import Column, Table

_COLUMNS = (
    Column("who", "where"),
    Column("dataset", "data"),
    Column("arch", "model"),
    Column("training", "training", show=names.recipe),
    Column("sigma", "σ"),
    Column("kbar", "desired samples"),
    Column("k0", "k0 / desired"),
)


def settings(files: Files, options: Options) -> Table:
    """The paper's rows, then one for each data set, architecture and training of the runs."""
    rows = [_paper(dataset) for dataset in ("imagenet", "cifar10")]
    models: dict[tuple[str, str, str], list[Run]] = {}
    for run in read_runs(files.some()):
        key = (str(run.dataset), str(run.arch), run.recipe)
        models.setdefault(key, []).append(run)
    rows += [_ours(*key, members) for key, members in models.items()]
    return Table("", _COLUMNS, rows)


def _paper(dataset: str) -> Row:
    def printed(metric: str) -> str:
        found = cells("iss", "table2", dataset=dataset, metric=metric)
        return ", ".join(cell.text or "" for cell in found)

    kbar = _thousands(int(k) for k in printed("kbar").split(", "))
    return _row(
        "paper", dataset, printed("model"), printed("training"), printed("sigma"), kbar,
        printed("k0_over_kbar"),
    )  # fmt: skip


def _ours(dataset: str, arch: str, training: str, runs: Sequence[Run]) -> Row:
    budgets = [BUDGETS.parse(run.budget) for run in runs if run.budget]
    two_stage = [budget for budget in budgets if isinstance(budget, Iss)]
    sigma = ", ".join(f"{s:g}" for s in sorted({run.sigma for run in runs if run.sigma}))
    share = ", ".join(f"{s:g}" for s in sorted({b.n0 / b.n for b in two_stage}))
    kbar = _thousands({b.n for b in two_stage or budgets})
    return _row("here", dataset, arch, training, sigma, kbar, share or None)


def _thousands(sizes: Iterable[int]) -> str:
    return ", ".join(f"{k:,}".replace(",", " ") for k in sorted(sizes))


def _row(*values: str | None) -> Row:
    return {column.key: v for column, v in zip(_COLUMNS, values, strict=True)}
