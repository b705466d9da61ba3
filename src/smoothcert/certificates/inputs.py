"""The images that a certificate table is about, found again by its record."""

from __future__ import annotations

from collections.abc import Sequence

from smoothcert import datasets
from smoothcert.certificates.runs import Run
from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError


def data_of(run: Run, data_dir: str | None = None) -> datasets.Dataset:
    """The data set that a table is about.

    Raises SmoothcertError where its record does not say which data they are of, and where these
    are no longer there or others.
    """
    if run.dataset is None:
        raise SmoothcertError(f"{run.path}: neither its record nor its path names the data set")
    record = run.record
    split, skip = record.get("split") or "test", int(record.get("skip") or 1)
    name = datasets.recorded(run.dataset, record.get("votes", {}))
    data = datasets.load(name, split, data_dir, skip=skip, max=record.get("max"))
    digest = record.get("data_digest")
    if digest is not None and digest != data.digest:
        raise SmoothcertError(f"{run.path}: certified on other data named {run.dataset!r}")
    return data


def images_of(
    run: Run,
    data_dir: str | None = None,
    rows: Sequence[int] | None = None,
    data: datasets.Dataset | None = None,
) -> torch.Tensor:
    """The images [N, *shape] of a table's rows, or of some of them; ``data``: of :func:`data_of`.

    Raises SmoothcertError as :func:`data_of`, and for a row that is not among the inputs.
    """
    data = data_of(run, data_dir) if data is None else data
    where = {int(idx): i for i, idx in enumerate(data.idx)}
    chosen = run.table.idx if rows is None else run.table.idx[list(rows)]
    missing = [int(i) for i in chosen if int(i) not in where]
    if missing:
        raise SmoothcertError(f"{run.path}: idx {missing[0]} is not among {run.dataset}'s inputs")
    return torch.stack([data.images[where[int(i)]] for i in chosen])
