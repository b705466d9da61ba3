"""All verdicts on one page: static HTML without scripts or other files.

The verdict is a word, so that no reader depends on its colour.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smoothcert.report.render import render
from smoothcert.report.verdict import BROKEN, VERDICTS, VerdictFile


def page(audits: Sequence[tuple[Path, VerdictFile]], out: Path, title: str) -> str:
    """The HTML of the summary; ``audits`` are (path of the file, what it holds).

    Links to witnesses and files are relative to the folder of ``out``.
    """
    every = [v for _, audit in audits for v in audit.verdicts]
    counts = Counter(v.verdict for v in every)
    return render(
        "audits.html",
        title=title,
        audits=audits,
        total=len(every),
        counts=", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]),
        ours=sum(v.ours and v.verdict == BROKEN for v in every),
        href=lambda path: quote(Path(os.path.relpath(path, out.parent)).as_posix()),
        lines=lambda numbers: "\n".join(_lines(numbers)),
    )


def _lines(numbers: dict[str, Any]) -> Iterator[str]:
    for key, value in numbers.items():
        if isinstance(value, list) and len(value) > 12:
            value = f"{len(value)} values"
        yield f"{key}: {value:.6g}" if isinstance(value, float) else f"{key}: {value}"
