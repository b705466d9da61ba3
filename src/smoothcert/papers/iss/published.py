"""What one published certificate table says, and what other budgets would have given: the rows of
its job, from which the tables and figures of published certificates are made.

A relative decline gives nearly all samples to a class of probability 1/2, and none to one of less;
which of them an abstention was is not known, so ``samples_least`` takes it for one of the latter.

Rows of ``kind`` "record" are of the table as published (and its ACR at level 0.001, from the votes
behind it); those of ``kind`` "replay" of a budget on those votes (certificates/replay.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoothcert.budget import BUDGETS, Fixed, Iss
from smoothcert.certificates import CertificateTable, metrics, read_certificates
from smoothcert.certificates.certification import certify
from smoothcert.certificates.published import import_certificates
from smoothcert.certificates.replay import Replay, record, replay_all
from smoothcert.datasets import published
from smoothcert.datasets.published import PublishedTable
from smoothcert.papers.iss.options import PublishedOptions
from smoothcert.papers.iss.replays import Recorded, compared, families, stage_one
from smoothcert.papers.iss.tables import accuracies, printed_row, tables_of
from smoothcert.report.numbers import (
    DECLINE,
    PERCENT,
    Key,
    Label,
    Metric,
    Number,
    Row,
    acr,
    gain,
    read_numbers,
    rows_of,
    samples,
    share,
)
from smoothcert.report.reference import Cell, cells

ALPHA = 0.001  # of every budget here, and stated for all the published runs
_INPUTS = 500
_PIXELS = 3072  # of an input of CIFAR-10


def measure(one: PublishedTable, file: Path, options: PublishedOptions) -> list[Row]:
    """The rows of a table that lies in ``file``."""
    table = read_certificates(file)
    store = import_certificates(file, one.sigma, one.n, one.alpha)
    # ISS certifies 500 inputs of each data set.
    papers = tables_of(one.dataset, one.arch, one.method)
    every = -(-len(table) // (min(options.inputs, _INPUTS) if papers else options.inputs))
    votes = record(store, every)
    slugs = budgets(one, votes.size, options.look)
    full, *others = replay_all(
        votes,
        [BUDGETS.parse(slug) for slug in (f"fixed-{votes.size}", *slugs)],
        repeats=options.repeats,
        seed=options.seed,
        look=options.look,
    )
    labels: dict[Key, Label] = {
        "published": one.name,
        "dataset": one.dataset,
        "arch": one.arch,
        "training": one.training,
        "noise": one.noise,
        "scaling": one.scaling,
        "sigma": one.sigma,
        "alpha": one.alpha,
        "every": every,
    }
    rows = [_record(table, {**labels, "kind": "record"})]
    if one.alpha != ALPHA:
        again = certify(store, BUDGETS.parse(f"fixed-{one.n}"))
        rows.append(_record(again, {**labels, "kind": "at level 0.001"}))
    radii = _grid(one.sigma)
    relative = [one for one in others if isinstance(one.budget, Iss) and one.budget.rd]
    unlike = replay_all(
        votes,
        [one.budget for one in relative],
        repeats=options.repeats,
        seed=options.seed,
        look=options.look,
        abstained=0.0,
    )
    least = {one.budget.slug: one for one in unlike}
    for done in (full, *others):
        row = _replay(done, full, {**labels, "kind": "replay"}, radii)
        if done.budget.slug in least:
            row["samples_least"] = samples(least[done.budget.slug].average_samples())
        rows.append(row)
    return rows


def _record(table: CertificateTable, labels: dict[Key, Label]) -> Row:
    """The table as it is: abstentions, ACR, accuracy at l2 radii, and at linf radii k/255."""
    sigma = float(labels["sigma"] or 0)
    linf = [k / 255 * _PIXELS**0.5 for k in (2, 4, 6, 8, 10, 12)]
    radii = np.array(sorted({*_grid(sigma), *(linf if labels["dataset"] == "cifar10" else ())}))
    return {
        **labels,
        "abstained": share(metrics.abstention_rate(table)),
        "acr": acr(metrics.average_certified_radius(table)),
        **accuracies(metrics.certified_accuracy(table, radii), radii, None),
    }


def _replay(
    one: Replay, full: Replay, labels: dict[Key, Label], radii: NDArray[np.float64]
) -> dict[Key, Label | Number]:
    _, difference = one.against(full)
    row: dict[Key, Label | Number] = {
        **labels,
        "budget": one.budget.slug,
        "samples": samples(one.average_samples()),
        "beyond": Number(100 * one.beyond, unit=PERCENT),
        "mad": Number(one.mad(), inputs=one.radius.shape[1], unit=DECLINE),
        "acr": acr(one.acr()),
    }
    if one is not full:
        row["difference"] = gain(difference)
    return {**row, **accuracies(one.certified_accuracy(radii), radii, None)}


def _grid(sigma: float) -> NDArray[np.float64]:
    """0, 0.25, ... up to the largest radius of 100,000 samples (3.9 scales at level 0.01)."""
    return metrics.radius_grid(0, 0.25 * int(3.92 * sigma / 0.25), 0.25)


def budgets(one: PublishedTable, size: int, look: int) -> list[str]:
    """What is replayed on every table, and the paper's own rows on its models."""
    slugs = [slug for _, group in families(size, look) for slug in group]
    slugs += compared(size, look)
    papers = tables_of(one.dataset, one.arch, one.method)
    slugs += [slug for name in papers for slug in printed_budgets(name, one.sigma)]
    slugs += [slug for *_, slug in stage_one(size, look)] if papers else []
    return [slug for slug in dict.fromkeys(slugs) if slug != f"fixed-{size}"]


def printed_budgets(table: str, sigma: float) -> list[str]:
    """The budgets of a table of the paper at a noise scale, in its order."""
    found: dict[str, None] = {}
    for cell in cells("iss", table, sigma=sigma, metric="avg_samples"):
        size = re.search(r"(?:^|; )(k|kbar)=(\d+)", cell.note)
        assert size is not None
        kind, _, bound = (cell.method or "").removeprefix("ISS-").partition("-")
        if size[1] == "k":
            found[f"fixed-{size[2]}"] = None
        else:
            found[f"iss_{kind.lower()}{bound.rpartition('-')[2]}-{size[2]}"] = None
    return list(found)


def read_rows(files: Iterable[Path], kind: str) -> Iterator[dict[Key, Label | Number]]:
    """The rows of a kind, of the jobs of several tables."""
    for file in files:
        for row in rows_of(read_numbers([file])):
            if row["kind"] == kind:
                yield {**row, "sigma": float(str(row["sigma"]))}


def read_recorded(file: Path) -> Recorded:
    """The votes of the inputs that the job of a table replayed, from the table itself.

    Raises SmoothcertError where it is not in the data directory, or is not the one of the list.
    """
    (row,) = read_rows([file], "record")
    one = published.table(str(row["published"]))
    store = import_certificates(published.fetch(one), one.sigma, one.n, one.alpha)
    axes = ("dataset", "arch", "training", "noise", "scaling", "sigma")
    return Recorded(
        record(store, int(float(str(row["every"])))),
        {axis: getattr(one, axis) for axis in axes},
        file,
    )


def papers_numbers(row: Row) -> dict[Key, Label | Number]:
    """The row, with the paper's numbers beside those that its table prints for such a model."""
    dataset, arch, training, budget = (
        str(row[k]) for k in ("dataset", "arch", "training", "budget")
    )
    paper = printed_row(dataset, arch, training, float(str(row["sigma"])), budget)
    if paper is None:
        return dict(row)
    printed = {"samples": "avg_samples", "acr": "ACR", "mad": "MAD"}
    if isinstance(BUDGETS.parse(str(row["budget"])), Fixed):
        # Its size is no result, and its decline is from the paper's own desired samples.
        printed = {"acr": "ACR"}

    def of(key: Key) -> Cell | None:
        if isinstance(key, Metric) and key.radius is not None:
            return paper.at(key.radius)
        return paper.metric(printed.get(str(key), ""))

    return {
        key: replace(one, paper=of(key)) if isinstance(one, Number) else one
        for key, one in row.items()
    }
