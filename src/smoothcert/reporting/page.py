"""One static page: tables, figures, verdicts, audits and where it all came from.

It needs no server and no other file but the notebooks it links to: pictures are in it. It reads
well on a telephone, in print, by keyboard and by screen reader.
"""

from __future__ import annotations

import base64
import csv
import html
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import mistune

from smoothcert.errors import SmoothcertError
from smoothcert.reporting.comparison import AGREES, OTHER
from smoothcert.reporting.contents import SECTIONS
from smoothcert.reporting.provenance import made

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from smoothcert.reporting.contents import Section

_MARKDOWN = mistune.create_markdown(plugins=["table"])
# Words of a verdict, and how they are coloured; the word itself always stands there too.
_TONES = {
    "reproduced": "good",
    "holds": "good",
    "not reproduced": "bad",
    "broken": "bad",
    "fails": "bad",
}


@dataclass(frozen=True)
class Page:
    """What the page is made from: a results folder, and what of it to show."""

    results: Path
    preset: str
    sections: Sequence[Section] = SECTIONS

    def html(self) -> str:
        """The whole page. Raises SmoothcertError for a file that cannot be read."""
        shown = [section for section in self.sections if self._exists(section)]
        links = [(section.key, section.title) for section in shown]
        links += [("claims", "Claims"), ("audits", "Audits"), ("provenance", "Provenance")]
        body = [
            self._head(links),
            *(self._section(section) for section in shown),
            self._claims(),
            self._audits(),
            self._provenance(),
        ]
        style = resources.files("smoothcert.reporting").joinpath("page.css").read_text("utf-8")
        return _PAGE.format(
            title=f"smoothcert: results of preset {html.escape(self.preset)}",
            style=style,
            body="\n".join(body),
        )

    def _exists(self, section: Section) -> bool:
        return bool(self._tables(section) or self._figures(section))

    def _tables(self, section: Section) -> list[Path]:
        paths = [self.results / "tables" / f"{name}.md" for name in section.tables]
        return [path for path in paths if path.exists()]

    def _figures(self, section: Section) -> list[tuple[Path, str]]:
        found = []
        for name, caption in section.figures.items():
            paths = sorted((self.results / "figures").glob(f"{name}.png"))
            suffixes = [p.stem.removeprefix(name.rstrip("*")) for p in paths]
            found += [
                (path, f"{caption} ({suffix})" if name.endswith("*") else caption)
                for path, suffix in zip(paths, suffixes, strict=True)
            ]
        return found

    def _head(self, links: list[tuple[str, str]]) -> str:
        entries = "".join(f'<li><a href="#{key}">{html.escape(t)}</a></li>' for key, t in links)
        data = ", ".join(made(self.results).values.get("dataset", {})) or "no data yet"
        return (
            f"<h1>smoothcert: certified robustness, reproduced and audited</h1>"
            f"<p>Preset <strong>{html.escape(self.preset)}</strong>, on {html.escape(data)}."
            " Where data or model differ from a paper's, its number is not set beside ours and no"
            " verdict on it is claimed.</p>"
            f'<nav aria-label="Contents"><ul>{entries}</ul></nav>'
        )

    def _section(self, section: Section) -> str:
        parts = [f"<p>{html.escape(section.claim)}</p>"]
        notebook = self.results / "reports" / f"{section.notebook}.html"
        if section.notebook and notebook.exists():
            parts.append(
                f'<p><a href="reports/{section.notebook}.html">The whole story: report of'
                f" {html.escape(section.title)}</a></p>"
            )
        parts += [_figure(path, caption) for path, caption in self._figures(section)]
        for path in self._tables(section):
            parts += [_table(path), *self._differences(path.stem)]
        return _wrap(section.key, section.title, parts)

    def _differences(self, table: str) -> list[str]:
        """The table's differences from the paper's: a heat map where a cell is comparable."""
        path = self.results / "differences" / f"{table}.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as handle:
            verdicts = [row["verdict"] for row in csv.DictReader(handle)]
        comparable = [verdict for verdict in verdicts if verdict != OTHER]
        if not comparable:
            return ["<p>No number of a paper is of the same data and model.</p>"]
        words = (
            f"Differences from the paper: {comparable.count(AGREES)} of {len(comparable)} comparable"
            " cells within the sampling error of the inputs of both sides"
        )
        return [_figure(path.with_suffix(".png"), words)]

    def _claims(self) -> str:
        path = self.results / "tables" / "claims.csv"
        if not path.exists():
            return _wrap("claims", "Claims", ["<p>Not made: <code>snakemake claims</code></p>"])
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
        tally = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        lead = f"<p>{len(rows)} claims of the four papers: {html.escape(tally)}.</p>"
        heads = ("paper", "section", "claim", "stated", "ours", "verdict", "evidence")
        body = "".join(_row([row[h] for h in heads], verdict=5, link=6) for row in rows)
        return _wrap("claims", "Claims", [lead, _grid("Claims of the papers", heads, body)])

    def _audits(self) -> str:
        rows = []
        for path in sorted((self.results / "audits").glob("*.json")):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise SmoothcertError(f"{path}: no JSON: {error}") from None
            names = ("promise", "subject", "verdict", "evidence")
            rows += [[v[name] for name in names] for v in found.get("verdicts", [])]
        if not rows:
            return _wrap("audits", "Audits", ["<p>Not made: <code>snakemake audits</code></p>"])
        heads = ("promise", "subject", "verdict", "evidence")
        body = "".join(_row(row, verdict=2) for row in rows)
        lead = (
            "<p>Each promise of a certificate, and whether an attempt to break it succeeded. A"
            " broken promise of a paper is a result.</p>"
        )
        return _wrap("audits", "Audits", [lead, _grid("Verdicts of the audits", heads, body)])

    def _provenance(self) -> str:
        found = made(self.results)
        facts = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>'
            + html.escape(", ".join(f"{v} ({n})" for v, n in counts.most_common()))
            + "</td></tr>"
            for name, counts in sorted(found.values.items())
        )
        times = "".join(
            f'<tr><th scope="row">{html.escape(rule)}</th><td class="number">{jobs}</td>'
            f'<td class="number">{seconds:,.0f}</td></tr>'
            for rule, (jobs, seconds) in sorted(found.seconds.items())
        )
        total = sum(seconds for _, seconds in found.seconds.values())
        return _wrap(
            "provenance",
            "Provenance",
            [
                f"<p>{found.records} certificate tables; in brackets, how many of them.</p>",
                _grid("What made the certificates", ("what", "values"), facts),
                f"<p>Measured jobs took {total:,.0f} s of wall-clock time in all.</p>",
                _grid("Time by kind of job", ("job", "jobs", "seconds"), times),
            ],
        )


def _wrap(key: str, title: str, parts: Sequence[str]) -> str:
    inner = "\n".join(parts)
    return (
        f'<section id="{key}" aria-labelledby="{key}-title">'
        f'<h2 id="{key}-title">{html.escape(title)}</h2>\n{inner}</section>'
    )


def _figure(path: Path, caption: str) -> str:
    png = path.read_bytes()
    data = base64.b64encode(png).decode()
    width = int.from_bytes(png[16:20], "big") // 2  # drawn at twice the size of a screen's pixels
    words = html.escape(caption, quote=True)
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{words}" width="{width}" loading="lazy">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _table(path: Path) -> str:
    """A table as tables/write.py wrote it: heading, table, notes."""
    text = _MARKDOWN(path.read_text(encoding="utf-8"))
    assert isinstance(text, str)
    text = text.replace("<th", '<th scope="col"').replace('<th scope="col"ead', "<thead")
    title, _, rest = text.partition("</h3>")
    grid, end, notes = rest.partition("</table>")
    name = html.escape(path.stem, quote=True)
    return (
        f'{title}</h3><div class="wide" role="region" aria-label="{name}" tabindex="0">'
        f"{grid}{end}</div><details><summary>Notes</summary>{notes}</details>"
    )


def _grid(label: str, heads: Sequence[str], body: str) -> str:
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads)
    return (
        f'<div class="wide" role="region" aria-label="{html.escape(label, quote=True)}"'
        f' tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(values: Sequence[str], verdict: int, link: int | None = None) -> str:
    cells = []
    for i, value in enumerate(values):
        text = html.escape(value)
        if i == verdict:
            tone = _TONES.get(value.lower(), "plain")
            cells.append(f'<td><span class="verdict {tone}">{text}</span></td>')
        elif i == link and value:
            cells.append(f'<td><a href="{html.escape(value, quote=True)}">{text}</a></td>')
        else:
            cells.append(f"<td>{text}</td>")
    return f"<tr>{''.join(cells)}</tr>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<main id="main">
{body}
</main>
</body>
</html>
"""
