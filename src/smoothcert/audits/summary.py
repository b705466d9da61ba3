"""All verdicts on one page: static HTML without scripts or other files.

The verdict is a word, so that no reader depends on its colour.
"""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smoothcert.report.verdict import BROKEN, VERDICTS, Verdict, VerdictFile

_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem .45rem 0;
  border-bottom: 1px solid #ccc; }
td.verdict { white-space: nowrap; font-weight: 700; }
.broken td.verdict { color: #fff; background: #b00020; padding-left: .5rem; }
.broken { background: #fdecee; }
.holds td.verdict { color: #14602a; }
.not-found td.verdict { color: #7a4b00; }
.not-run td.verdict { color: #555; }
.ours { font-size: .85em; border: 1px solid #555; border-radius: 3px; padding: 0 .3em; }
details pre { overflow-x: auto; font-size: .8em; background: #f4f4f4; padding: .5rem; }
"""


def page(audits: Sequence[tuple[str, VerdictFile]], out: str | os.PathLike[str], title: str) -> str:
    """The HTML of the summary; ``audits`` are (path of the file, what it holds).

    Links to witnesses and files are relative to the folder of ``out``.
    """
    every = [v for _, audit in audits for v in audit.verdicts]
    counts = Counter(v.verdict for v in every)
    ours = sum(v.ours and v.verdict == BROKEN for v in every)
    said = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]) or "no verdict"
    alarm = (
        f"<p role='alert'><strong>{ours} of the project's own promises broken.</strong></p>"
        if ours
        else "<p>None of the broken promises is of a variant that this project calls sound.</p>"
    )
    body = "\n".join(_table(path, audit, Path(out).parent) for path, audit in audits)
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{html.escape(title)}</h1>\n<p>{len(every)} promises: {said}.</p>\n{alarm}\n"
        "<p>HOLDS: shown. BROKEN: a witness shows it. NOT FOUND: searched, none found; the"
        " evidence says how hard. NOT RUN: the evidence says why. "
        "<span class='ours'>ours</span>: a variant that the project calls sound.</p>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _table(path: str, audit: VerdictFile, folder: Path) -> str:
    rows = "\n".join(_row(v, Path(path).parent, folder) for v in audit.verdicts)
    link = _link(Path(path), folder, Path(path).name)
    return (
        f"<table>\n<caption>{html.escape(audit.kind)} ({link})</caption>\n<thead><tr>"
        + "".join(f"<th scope='col'>{h}</th>" for h in ("verdict", "promise", "of", "evidence"))
        + f"</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _row(verdict: Verdict, origin: Path, folder: Path) -> str:
    ours = " <span class='ours'>ours</span>" if verdict.ours else ""
    evidence = html.escape(verdict.evidence)
    if verdict.witness:
        evidence += f" {_link(origin / verdict.witness, folder, 'Witness: ' + verdict.witness)}"
    if verdict.numbers:
        evidence += (
            "<details><summary>numbers</summary><pre>"
            f"{html.escape(chr(10).join(_lines(verdict.numbers)))}</pre></details>"
        )
    return (
        f"<tr class='{verdict.verdict.lower().replace(' ', '-')}'>"
        f"<td class='verdict'>{verdict.verdict}</td>"
        f"<th scope='row'>{html.escape(verdict.promise)}{ours}</th>"
        f"<td>{html.escape(verdict.subject)}</td><td>{evidence}</td></tr>"
    )


def _link(target: Path, folder: Path, text: str) -> str:
    where = Path(os.path.relpath(target, folder)).as_posix()
    return f"<a href='{quote(where)}'>{html.escape(text)}</a>"


def _lines(numbers: dict[str, Any]) -> Iterable[str]:
    for key, value in numbers.items():
        if isinstance(value, list) and len(value) > 12:
            value = f"{len(value)} values"
        yield f"{key}: {value:.6g}" if isinstance(value, float) else f"{key}: {value}"
