"""One static page: a summary in words, then sections that open: claims, tables, figures, audits.

It needs no server; its pictures lie beside it, so a copy of the folder shows it whole. It reads
well on a telephone, in print, by keyboard and by screen reader, and without its script.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from smoothcert.report import comparison, parts, pictures, verdict
from smoothcert.report.claims import DIFFERENT, NOT_REPRODUCED, NOT_RUN, REPRODUCED, Evidence
from smoothcert.report.ledger import Row, ledger
from smoothcert.report.made import Made, made
from smoothcert.report.outcome import outcome
from smoothcert.report.output import Output, Section
from smoothcert.report.reference import PAPERS
from smoothcert.report.render import render
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND

_MEANING = {
    REPRODUCED: "confirmed on the paper's own data, network and settings, or without data if the"
    " claim needs none",
    NOT_REPRODUCED: "contradicted under the same conditions",
    DIFFERENT: "compared on other data, another network or other settings: shows a direction,"
    " allows no conclusion",
    NOT_RUN: "no result in this folder tests it",
}
_PROMISES = {
    BROKEN: "disproved by a witness",
    HOLDS: "proved exactly or at the stated confidence",
    NOT_FOUND: "no break found; the evidence states how hard we searched",
    verdict.NOT_RUN: "the evidence states why",
}


@dataclass(frozen=True)
class Shown:
    """A table or figure that is there: its file below the results and its title."""

    path: str
    title: str
    output: Output


@dataclass(frozen=True)
class Page:
    """What the page is made from: a results folder, and the sections of the catalogue.

    In the section ``audits`` the outputs stand below the verdicts.
    """

    results: Path
    preset: str
    sections: Sequence[Section]

    def html(self, files: Path | None = None, folder: Path | None = None) -> str:
        """The page as it stands in ``folder``, with links to what is there of ``files``.

        Both are the results folder by default; a shipped copy has less in it.
        Raises SmoothcertError for a file that cannot be read.
        """
        root = files or self.results

        def href(path: str) -> str:
            there = root / path
            return Path(os.path.relpath(there, folder or root)).as_posix() if there.exists() else ""

        rows = ledger(self.results)
        audited = self.evidence.audits
        anchors = {PAPERS[s.paper][1]: s.key for s in self.sections if s.paper is not None}
        return render(
            "page.html",
            style="page.css",
            preset=self.preset,
            outcome=outcome(rows, audited, self.made, self.datasets, self.published),
            claim_counts=parts.claim_counts(rows, anchors),
            meaning=_MEANING,
            sections=[
                self._section(section, [r for r in rows if r.claim.paper == section.paper], href)
                for section in self.sections
            ],
            promise_meaning=_PROMISES,
            promise_counts=parts.promise_counts(audited),
            verdicts=parts.verdicts(audited, href),
            made=self.made,
        )

    @cached_property
    def published(self) -> int:
        """How many published certificate tables were replayed."""
        return len(list((self.results / "published-certificates").glob("*.csv")))

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.results)

    @cached_property
    def made(self) -> Made:
        return made(self.results)

    @property
    def datasets(self) -> list[str]:
        """Every data set of the run: of its certificates, and of numbers that have none.

        Those of published certificates were not there.
        """
        named = dict.fromkeys(self.made.values.get("dataset", ()))
        published = {
            name
            for section in self.sections
            for output in section.outputs
            if any(need.kind == "published" for need in output.needs)
            for name in (output.name, f"{output.name}_{output.kind}")
        }
        for output, numbers in self.evidence.outputs.items():
            if "dataset" in numbers and output not in published:
                named |= dict.fromkeys(numbers.dataset.dropna().unique())
        return list(named)

    def shown(self, section: Section) -> Iterator[Shown]:
        """The outputs of a section that were made, those of a variant by its name."""
        for output in section.outputs:
            folder, suffix = ("tables", "html") if output.kind == "table" else ("figures", "png")
            name = f"{folder}/{output.name}.{suffix}"
            before, _, after = name.partition("{variant}")
            for path in sorted(self.results.glob(name.replace("{variant}", "*"))) * output.page:
                file = path.relative_to(self.results).as_posix()
                variant = file.removeprefix(before).removesuffix(after)
                yield Shown(file, output.title.replace("{variant}", variant), output)

    def left_out(self, section: Section) -> list[Output]:
        """The outputs of a section that were not made, for want of published certificates."""
        made = {one.output for one in self.shown(section)}
        return [
            output
            for output in section.outputs
            if output not in made and any(need.kind == "published" for need in output.needs)
        ]

    def pictures(self) -> list[str]:
        """The pictures that the page shows, below the results."""
        paths = []
        for one in (one for section in self.sections for one in self.shown(section)):
            if one.output.kind == "figure":
                paths.append(one.path)
            elif self._compared(one):
                paths.append(self._heat_map(one))
        return paths

    def _section(self, section: Section, rows: list[Row], href: parts.Href) -> dict[str, Any]:
        shown = [self._shown(one, href) for one in self.shown(section)]
        figures = sum(one["figure"] is not None for one in shown)
        report = f"reports/{section.notebook}.html" if section.notebook else ""
        return {
            "about": section,
            "report": report and href(report),
            "claims": parts.claims(rows, href) if rows else "",
            "count": {
                "claim": len(rows),
                "promise": len(self.evidence.audits) if section.key == "audits" else 0,
                "table": len(shown) - figures,
                "figure": figures,
            },
            "shown": shown,
            "left_out": [output.title for output in self.left_out(section)],
        }

    def _shown(self, one: Shown, href: parts.Href) -> dict[str, Any]:
        path = self.results / one.path
        if one.output.kind == "figure":
            return {"figure": self._picture(one.path, one.title, href)}
        table = Markup(path.read_text(encoding="utf-8"))
        differences = self._differences(one, href)
        return {
            "figure": None,
            "title": one.title,
            "table": table,
            "compared": one.output.compared,
            "differences": differences,
        }

    def _picture(self, path: str, title: str, href: parts.Href) -> tuple[str, str, int, int]:
        """The arguments of the macro ``figure``."""
        return href(path), title, *pictures.size(self.results / path)

    @staticmethod
    def _heat_map(one: Shown) -> str:
        return f"differences/{one.output.name}.png"

    def _compared(self, one: Shown) -> list[str]:
        """The verdicts on a table's differences from the paper's, where its heat map is there."""
        numbers = self.evidence.of(one.output.name)
        if not one.output.compared or not (self.results / self._heat_map(one)).exists():
            return []
        verdicts = [cell.verdict for cell in comparison.differences(numbers)]
        return [word for word in verdicts if word != comparison.OTHER]

    def _differences(self, one: Shown, href: parts.Href) -> tuple[str, str, int, int] | None:
        """The heat map of a table with a comparable number, for the macro ``figure``."""
        verdicts = self._compared(one)
        if not verdicts:
            return None
        words = (
            f"Ours minus the paper's. {one.title};"
            f" {verdicts.count(comparison.AGREES)} of {len(verdicts)} comparable numbers"
            " within the sampling error of both sides"
        )
        return self._picture(self._heat_map(one), words, href)
