"""The verdicts on the page: claims of the papers, and promises that the audits attacked."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.report.claims import DIFFERENT, NOT_REPRODUCED, REPRODUCED, VERDICTS
from smoothcert.report.claims import NOT_RUN as CLAIM_NOT_RUN
from smoothcert.report.html_parts import badge, grid, link, section, text
from smoothcert.report.ledger import COLUMNS
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, NOT_RUN, Verdict, read_verdicts

_TONES = {
    REPRODUCED: "good", NOT_REPRODUCED: "bad", DIFFERENT: "plain", CLAIM_NOT_RUN: "faint",
    HOLDS: "good", BROKEN: "bad", NOT_FOUND: "plain", NOT_RUN: "faint",
}  # fmt: skip
_AUDITED = (BROKEN, HOLDS, NOT_FOUND, NOT_RUN)
_MEANING = {
    REPRODUCED: "on the paper's own data, architecture and settings, or where no data is needed",
    NOT_REPRODUCED: "there, and it came out otherwise",
    DIFFERENT: "the same comparison on other data, another model or other settings: nothing is"
    " claimed, the direction is shown",
    CLAIM_NOT_RUN: "nothing in this folder shows it",
}
Line = dict[str, str]


def read_claims(results: Path) -> list[Line]:
    """The rows of tables/claims.csv; none if it was not made.

    Raises SmoothcertError for another table of that name.
    """
    path = results / "tables" / "claims.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise SmoothcertError(f"{path}:1: expected the columns {', '.join(COLUMNS)}")
        return list(reader)


def read_audits(results: Path) -> list[tuple[str, Verdict]]:
    """(file from the folder, verdict) of every file of verdicts below ``audits``."""
    paths = sorted((results / "audits").glob("**/*.json"))
    return [
        (path.relative_to(results).as_posix(), verdict)
        for path in paths
        for verdict in read_verdicts(path).verdicts
    ]


def summary(claims: list[Line], audits: list[tuple[str, Verdict]]) -> list[str]:
    """Verdicts counted, for the head of the page."""
    parts = []
    if claims:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in claims:
            counts[row["paper"]][row["verdict"]] += 1
        body = "".join(_counted(paper, by, VERDICTS) for paper, by in counts.items())
        total = Counter(row["verdict"] for row in claims)
        body += _counted("all", total, VERDICTS)
        parts.append(grid("Claims of the papers by verdict", ("paper", *VERDICTS), body, "counts"))
    if audits:
        broken = [verdict for _, verdict in audits if verdict.verdict == BROKEN]
        counted = Counter(verdict.verdict for _, verdict in audits)
        words = ", ".join(f"{counted[v]} {v}" for v in _AUDITED if counted[v])
        parts.append(f'<p>Promises audited: {words} (<a href="#audits">audits</a>).</p>')
        if broken:
            promises = Counter(verdict.promise for verdict in broken)
            listed = "".join(f"<li>{text(p)} ({n})</li>" for p, n in promises.most_common())
            parts.append(f'<div class="alarm"><p>{badge(BROKEN, "bad")}</p><ul>{listed}</ul></div>')
    return parts


def _counted(name: str, counts: Counter[str], verdicts: tuple[str, ...]) -> str:
    cells = "".join(
        f'<td class="number">{badge(str(counts[v]), _TONES[v] if counts[v] else "faint")}</td>'
        for v in verdicts
    )
    return f'<tr><th scope="row">{text(name)}</th>{cells}</tr>'


def claims_section(claims: list[Line]) -> str:
    """Every claim, a table a paper, unfolded on demand and in print."""
    if not claims:
        return section("claims", "Claims", ["<p>Not made: <code>snakemake claims</code></p>"])
    meanings = "".join(
        f"<dt>{badge(v, _TONES[v])}</dt><dd>{text(w)}</dd>" for v, w in _MEANING.items()
    )
    parts = [f"<p>{len(claims)} claims of the four papers.</p><dl>{meanings}</dl>"]
    heads = ("claim", "stated", "ours", "verdict")
    for paper in dict.fromkeys(row["paper"] for row in claims):
        own = [row for row in claims if row["paper"] == paper]
        table = grid(f"Claims of {paper}", heads, "".join(map(_claim, own)), "stacked")
        words = f"The {len(own)} claims of {paper}, with the numbers that decide them"
        parts.append(f"<h3>{text(paper)}</h3>")
        parts.append(f"<details><summary>{text(words)}</summary>{table}</details>")
    return section("claims", "Claims", parts)


def _claim(row: Line) -> str:
    evidence = row["evidence"]
    shown = f"<br>{link(evidence, evidence.rpartition('/')[2])}" if evidence else ""
    verdict = badge(row["verdict"], _TONES.get(row["verdict"], "plain"))
    return _stacked(
        f"{text(row['claim'])}<small>{text(row['section'])}</small>",
        stated=f"{text(row['stated'])}<small>in the paper itself: {text(row['papers'])}</small>",
        ours=f"{text(row['ours']) or '-'}<small>{text(row['why'])}</small>",
        verdict=f"{verdict}{shown}",
    )


def _stacked(head: str, **cells: str) -> str:
    """A row whose cells stand below one another, each with its name, on a narrow screen."""
    inner = "".join(
        f'<td role="cell" data-label="{name}">{cell}</td>' for name, cell in cells.items()
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{head}</th>{inner}</tr>'


def audit_tables(audits: list[tuple[str, Verdict]]) -> list[str]:
    """Each promise with its verdicts counted, and then every one of them, broken ones first."""
    counts: dict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    for _, verdict in audits:
        counts[verdict.ours, verdict.promise][verdict.verdict] += 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1][BROKEN], item[0]))
    body = "".join(
        _counted(f"{promise}{' (ours)' if ours else ''}", by, _AUDITED)
        for (ours, promise), by in ordered
    )
    rank = {verdict: i for i, verdict in enumerate(_AUDITED)}
    rows = "".join(
        _stacked(
            f"{text(v.promise)}<small>{text(v.subject)}</small>",
            verdict=badge(v.verdict, _TONES[v.verdict]),
            evidence=f"{text(v.evidence)}<small>{link(path)}</small>",
        )
        for path, v in sorted(audits, key=lambda item: rank[item[1].verdict])
    )
    listed = grid(
        "Every verdict of the audits", ("promise", "verdict", "evidence"), rows, "stacked"
    )
    return [
        grid("Promises by verdict", ("promise", *_AUDITED), body, "counts"),
        f"<details><summary>All {len(audits)} verdicts with their evidence</summary>{listed}"
        "</details>",
    ]
