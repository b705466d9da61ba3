"""The one driver: runs an audit, writes what it found, says whether a promise of ours is broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from smoothcert.audits.base import Audit, S, Subject
from smoothcert.audits.catalogue import Kind
from smoothcert.audits.rows import write_rows
from smoothcert.core import provenance
from smoothcert.core.files import atomic
from smoothcert.report.verdict import write_verdicts


def perform(
    kind: Kind, audit: Audit[S], subject: Subject, settings: S, out: Path, code: str | None = None
) -> int:
    """Run ``audit`` and write ``out``.json (verdicts), .tsv or .csv (rows) and .npz (arrays).

    1 where a promise that is this project's own is broken, else 0. ``code`` is the fingerprint
    that the workflow gives, for the record.
    """
    subject = replace(subject, out=out)
    result = audit.run(subject, settings)
    base = out.with_suffix("") if out.suffix == ".json" else out
    for ending in kind.endings:
        path = base.with_name(f"{base.name}.{ending}")
        if ending == "npz":
            with atomic(path) as temporary:
                np.savez_compressed(temporary, **dict(result.arrays or {}))  # type: ignore[arg-type]
        elif result.rows is not None:
            write_rows(path, result.rows)
    verdicts = [
        replace(v, witness=f"{base.name}{v.witness}") if v.witness else v for v in result.verdicts
    ]
    for verdict in verdicts:
        print(verdict)
    record = {
        "specification": {**settings.plain(), "code": code},
        "files": [str(f) for f in (*subject.votes, *subject.tables)],
        **result.record,
        "made": provenance.record(subject.device),
    }
    return write_verdicts(base.with_name(f"{base.name}.json"), kind.name, verdicts, record)
