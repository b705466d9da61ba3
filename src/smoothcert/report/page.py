"""One static page: tables, figures, verdicts, audits and where it all came from.

It needs no server and no other file but those it links to: pictures are in it. It reads well on
a telephone, in print, by keyboard and by screen reader.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from smoothcert.report import page_verdicts as verdicts
from smoothcert.report.comparison import AGREES, OTHER
from smoothcert.report.contents import AUDITS, SECTIONS, Section
from smoothcert.report.html_parts import figure, grid, link, markdown_table, section, text
from smoothcert.report.made import made


@dataclass(frozen=True)
class Page:
    """What the page is made from: a results folder, and what of it to show."""

    results: Path
    preset: str
    sections: Sequence[Section] = SECTIONS

    def html(self) -> str:
        """The whole page. Raises SmoothcertError for a file that cannot be read."""
        shown = [one for one in self.sections if self._tables(one) or self._figures(one)]
        claims, audits = verdicts.read_claims(self.results), verdicts.read_audits(self.results)
        links = [("claims", "Claims"), *((one.key, one.title) for one in shown)]
        links += [("audits", "Audits"), ("provenance", "Provenance")]
        body = [
            self._head(links, verdicts.summary(claims, audits)),
            '<main id="main" tabindex="-1">',
            verdicts.claims_section(claims),
            *(section(one.key, one.title, self._parts(one)) for one in shown),
            self._audits(audits),
            self._provenance(),
            "</main>",
        ]
        style = resources.files("smoothcert.report").joinpath("page.css").read_text("utf-8")
        return _PAGE.format(
            title=f"smoothcert: results of preset {text(self.preset)}",
            style=style,
            body="\n".join(body),
        )

    def _tables(self, one: Section) -> list[Path]:
        names = [name if "/" in name else f"tables/{name}.md" for name in one.tables]
        return [path for name in names for path in sorted(self.results.glob(name))]

    def _figures(self, one: Section) -> list[tuple[Path, str]]:
        found = []
        for name, caption in one.figures.items():
            for path in sorted((self.results / "figures").glob(f"{name}.png")):
                suffix = path.stem.removeprefix(name.rstrip("*")) if name.endswith("*") else ""
                found.append((path, f"{caption} ({suffix})" if suffix else caption))
        return found

    def _head(self, links: list[tuple[str, str]], counted: list[str]) -> str:
        entries = "".join(f'<li><a href="#{key}">{text(t)}</a></li>' for key, t in links)
        data = ", ".join(made(self.results).values.get("dataset", {})) or "no data yet"
        return (
            "<header><h1>smoothcert: certified robustness, reproduced and audited</h1>"
            f"<p>Preset <strong>{text(self.preset)}</strong>, on {text(data)}."
            " Where data, model or settings differ from a paper's, its number is not set beside"
            " ours and no verdict on it is claimed.</p>"
            f'<nav aria-label="Contents"><ul>{entries}</ul></nav>' + "".join(counted) + "</header>"
        )

    def _parts(self, one: Section) -> list[str]:
        parts = [f"<p>{text(one.claim)}</p>", *self._report(one)]
        parts += [figure(path, caption) for path, caption in self._figures(one)]
        for path in self._tables(one):
            parts += [markdown_table(path), *self._differences(path.stem)]
        return parts

    def _report(self, one: Section) -> list[str]:
        page = f"reports/{one.notebook}.html"
        if not one.notebook or not (self.results / page).exists():
            return []
        return [f"<p>{link(page, f'The whole story: report on {one.title}')}</p>"]

    def _differences(self, table: str) -> list[str]:
        """The table's differences from the paper's: a heat map where a cell is comparable."""
        path = self.results / "differences" / f"{table}.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as handle:
            found = [row["verdict"] for row in csv.DictReader(handle)]
        comparable = [verdict for verdict in found if verdict != OTHER]
        if not comparable:
            return ["<p>No number of a paper is of the same data and model.</p>"]
        words = (
            f"Differences of {table} from the paper: {comparable.count(AGREES)} of"
            f" {len(comparable)} comparable cells within the sampling error of both sides' inputs"
        )
        return [figure(path.with_suffix(".png"), words)]

    def _audits(self, found: list[tuple[str, verdicts.Verdict]]) -> str:
        if not found:
            return section("audits", "Audits", ["<p>Not made: <code>snakemake audits</code></p>"])
        lead, *rest = self._parts(AUDITS)
        summary = "audits/summary.html"
        if (self.results / summary).exists():
            rest = [f"<p>{link(summary, 'Every promise on a page of its own')}</p>", *rest]
        return section("audits", "Audits", [lead, *verdicts.audit_tables(found), *rest])

    def _provenance(self) -> str:
        found = made(self.results)
        facts = "".join(
            f'<tr><th scope="row">{text(name)}</th><td>'
            + text(", ".join(f"{v} ({n})" for v, n in counts.most_common()))
            + "</td></tr>"
            for name, counts in sorted(found.values.items())
        )
        times = "".join(
            f'<tr><th scope="row">{text(rule)}</th><td class="number">{jobs}</td>'
            f'<td class="number">{seconds:,.0f}</td></tr>'
            for rule, (jobs, seconds) in sorted(found.seconds.items())
        )
        total = sum(seconds for _, seconds in found.seconds.values())
        parts = [
            f"<p>{found.records} certificate tables; in brackets, how many of them.</p>",
            grid("What made the certificates", ("what", "values"), facts, "facts"),
        ]
        if times:
            parts += [
                f"<p>Measured jobs took {total:,.0f} s of wall-clock time in all.</p>",
                grid("Time by kind of job", ("job", "jobs", "seconds"), times, "counts"),
            ]
        return section("provenance", "Provenance", parts)


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
{body}
</body>
</html>
"""
