"""One static page: tables, figures, verdicts, audits and where it all came from.

It needs no server; its pictures lie beside it, so a copy of the folder shows it whole. It reads
well on a telephone, in print, by keyboard and by screen reader.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from smoothcert.report import comparison, parts, pictures
from smoothcert.report.claims import DIFFERENT, NOT_REPRODUCED, NOT_RUN, REPRODUCED, Evidence
from smoothcert.report.ledger import ledger
from smoothcert.report.made import Made, made
from smoothcert.report.output import Output, Section
from smoothcert.report.render import render
from smoothcert.report.verdict import BROKEN

_MEANING = {
    REPRODUCED: "on the paper's own data, architecture and settings, or where no data is needed",
    NOT_REPRODUCED: "there, and it came out otherwise",
    DIFFERENT: "the same comparison on other data, another model or other settings: nothing is"
    " claimed, the direction is shown",
    NOT_RUN: "nothing in this folder shows it",
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
        papers = dict.fromkeys(row.paper for row in rows)
        audited = self.evidence.audits
        broken = [one for _, one in audited if one.verdict == BROKEN]
        return render(
            "page.html",
            style="page.css",
            preset=self.preset,
            datasets=self.datasets,
            href=href,
            claims={paper: [row for row in rows if row.paper == paper] for paper in papers},
            claim_counts=parts.claim_counts(rows),
            claims_of=lambda of: parts.claims(of, href),
            meaning=_MEANING,
            sections=[
                self._section(section, href)
                for section in self.sections
                if section.key == "audits" or any(self.shown(section))
            ],
            audited=Counter(one.verdict for _, one in audited),
            broken=Counter(parts.promise(one) for one in broken).most_common(),
            broken_word=BROKEN,
            promise_counts=parts.promise_counts(audited),
            verdicts=parts.verdicts(audited, href),
            made=self.made,
        )

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.results)

    @cached_property
    def made(self) -> Made:
        return made(self.results)

    @property
    def datasets(self) -> list[str]:
        """Every data set of the run: of its certificates, and of numbers that have none."""
        named = dict.fromkeys(self.made.values.get("dataset", ()))
        for numbers in self.evidence.outputs.values():
            if "dataset" in numbers:
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

    def pictures(self) -> list[str]:
        """The pictures that the page shows, below the results."""
        paths = []
        for one in (one for section in self.sections for one in self.shown(section)):
            if one.output.kind == "figure":
                paths.append(one.path)
            elif self._compared(one):
                paths.append(self._heat_map(one))
        return paths

    def _section(self, section: Section, href: parts.Href) -> dict[str, Any]:
        shown = [self._shown(one, href) for one in self.shown(section)]
        report = f"reports/{section.notebook}.html" if section.notebook else ""
        return {"about": section, "report": report and href(report), "shown": shown}

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
        return [verdict for verdict in verdicts if verdict != comparison.OTHER]

    def _differences(self, one: Shown, href: parts.Href) -> tuple[str, str, int, int] | None:
        """The heat map of a table with a comparable number, for the macro ``figure``."""
        verdicts = self._compared(one)
        if not verdicts:
            return None
        words = (
            f"Ours minus the paper's. {one.title};"
            f" {verdicts.count(comparison.AGREES)} of {len(verdicts)} comparable numbers"
            " within the sampling error of both sides' inputs"
        )
        return self._picture(self._heat_map(one), words, href)
