"""A certificate of dual smoothing as the two that it is the smaller of, each of one network.

That the class stays is a claim about the network of the input's level, that the level stays one
about the estimator; a radius too large for either breaks it. So each is attacked as any other
certificate is, at the radius of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from smoothcert.audits.base import Subject
from smoothcert.audits.subjects import Certified, certified, remade
from smoothcert.certificates import ABSTAIN, CertificateTable, make_table
from smoothcert.certificates.inputs import images_of
from smoothcert.certificates.routed import ROUTE
from smoothcert.certificates.runs import read_run
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES


def claims_of(subject: Subject, path: Path) -> Iterator[Certified]:
    """What the certificates of a table claim: the table itself, or of a routed one its parts.

    The subject's ``model`` is then the estimator, its ``levels`` the network of each level, or one
    for all. Raises SmoothcertError for files that are not those that were certified.
    """
    run = read_run(path)
    about = run.record.get(ROUTE)
    if about is None:
        yield certified(subject, path)
        return
    levels = about["levels"]
    if subject.model is None or len(subject.levels) not in (1, len(levels)):
        raise SmoothcertError(
            f"{path}: uses an estimator and {len(levels)} levels: expected --model and"
            f" --levels with 1 or {len(levels)} files, found {len(subject.levels)}"
        )
    images = images_of(run, subject.data_dir)
    for k, level in enumerate(levels):
        rows = np.flatnonzero(run.table.columns["level"] == k)
        if len(rows) == 0:
            continue
        part = CertificateTable({name: column[rows] for name, column in run.table.columns.items()})
        model = subject.levels[min(k, len(subject.levels) - 1)]
        noise = NOISES.parse(level["noise"])
        of = replace(run, table=part, noise=level["noise"], training=level["training"])
        made = remade(of, level, noise, images[rows], model, subject.device)
        yield replace(made, part=f"the class, at level {k} of dual smoothing")
    of = replace(run, table=level_table(run.table), noise=about["noise"])
    made = remade(
        of, about, NOISES.parse(about["noise"]), images, subject.model, subject.device, len(levels)
    )
    yield replace(made, part="the level of dual smoothing")


def level_table(table: CertificateTable) -> CertificateTable:
    """What routed certificates claim of the level: no other inside their radius."""
    c = table.columns
    claims = (table.predict != ABSTAIN) & (table.radius > 0)
    return make_table(
        idx=table.idx,
        label=c["level"],
        predict=np.where(claims, c["level"], ABSTAIN),
        radius=table.radius,
        p_lower=c["level_p_lower"],
        sigma=c["level_scale"],
        alpha=c["alpha"],
    )
