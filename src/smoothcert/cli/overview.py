"""``smoothcert overview``: the papers' numbers beside ours, claims, the page of all results."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report.by_data import write_by_data
from smoothcert.report.comparison import differences, write_differences
from smoothcert.report.findings import findings
from smoothcert.report.heat_map import heat_map
from smoothcert.report.ledger import count, ledger, write_ledger
from smoothcert.report.numbers import read_numbers, write_numbers
from smoothcert.report.page import Page
from smoothcert.report.side_by_side import read_runs, write_side_by_side
from smoothcert.report.style import save
from smoothcert.report.summary import summary
from smoothcert.workflow import catalogue

KINDS = {
    "compare": "compare a table with the paper's: BASE.csv and a heat map",
    "claims": "judge every claim of the papers: BASE.csv and BASE.md",
    "ledger": "claims of several runs side by side: BASE.csv, BASE.md, a figure, a page",
    "page": "show a results folder as one static page",
    "summary": "summarize a results folder on one screen",
}


class Compare(Command):
    """Compare a table with the paper's: differences as BASE.csv and a heat map."""

    epilog: ClassVar[str] = (
        "example: smoothcert overview compare results/smoke/numbers/ddrs_table1.csv --out table1"
    )

    numbers: Path = positional(help="numbers of a table", metavar="NUMBERS.csv")
    out: Path = place(help="writes BASE.csv, .pdf, .png", metavar="BASE")

    def run(self) -> None:
        numbers = read_numbers([self.numbers])
        if numbers.empty:
            raise SmoothcertError(f"{self.numbers}: holds no numbers")
        cells = differences(numbers)
        write_differences(self.out.with_name(f"{self.out.name}.csv"), cells)
        known = {one.name: one.title for one in catalogue.outputs()}
        title = f"Ours minus the paper's. {known.get(cells[0].table, cells[0].table)}"
        for path in save(heat_map(cells, title), self.out, title):
            print(path)


class Claims(Command):
    """Judge every claim of the papers: BASE.csv and BASE.md; by data set in BASE_by_data.csv, and
    the audits' promises in promises.csv."""

    epilog: ClassVar[str] = "example: smoothcert overview claims results/smoke --out claims"

    results: Path = positional(help="a folder such as results/smoke", metavar="RESULTS")
    out: Path = place(help="writes BASE.csv and BASE.md", metavar="BASE")

    def run(self) -> None:
        rows = ledger(self.results)
        paths = [*write_ledger(self.out, rows), *write_by_data(self.results, self.out)]
        for paper, verdicts in count(rows).items():
            print(f"{paper}: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()))
        for path in paths:
            print(path)


class SideBySide(Command):
    """The claims of several runs side by side, a column a data set, and a page about them."""

    epilog: ClassVar[str] = (
        "example: smoothcert overview ledger docs/results/*/ --out docs/results/ledger --page"
        " docs/results/README.md --words docs/results/words.md"
    )

    results: tuple[Path, ...] = positional(
        help="folders of results, or shipped ones, with their claims by data set", metavar="RESULTS"
    )
    out: Path = place(help="writes BASE.csv, .md, .png, .pdf", metavar="BASE")
    page: Path | None = place(None, "two pages in Markdown on what holds, with figures", "FILE.md")
    words: Path | None = place(None, "what we conclude, in Markdown, for the top of --page", "FILE")

    def run(self) -> None:
        if self.words is not None and self.page is None:
            raise SmoothcertError("--words: stands at the top of --page; give that too")
        rows = read_runs(self.results)
        words = None if self.words is None else self.words.read_text(encoding="utf-8")
        for path in write_side_by_side(self.out, rows):
            print(path)
        if self.page is not None:
            write_text(self.page, findings(rows, self.results, self.out, self.page.parent, words))
            print(self.page)


class OfResults(Command):
    """A command that shows a folder of results."""

    results: Path = positional(help="a folder such as results/smoke", metavar="RESULTS")
    preset: str | None = place(None, help="name of the results; default: the folder's")

    def page(self) -> Page:
        """Raises SmoothcertError where the folder is none."""
        if not self.results.is_dir():
            raise SmoothcertError(f"{self.results}: not a results folder")
        preset = self.preset or self.results.resolve().name
        return Page(self.results, preset, catalogue.SECTIONS)


class MadeBy(OfResults):
    """A command that says what made a results folder."""

    made_by: str | None = place(
        None, "snakemake arguments that made it; default: the preset", "WORDS"
    )

    @property
    def words(self) -> str:
        return self.made_by or f"--config preset={self.page().preset}"


class ThePage(OfResults):
    """Show a results folder as one static page, with its numbers as results.csv.

    The page links to figures and tables in the folder.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert overview page results/smoke --out results/smoke/index.html"
    )

    out: Path = place(
        help="page to write; results.csv goes in the same folder", metavar="FILE.html"
    )

    def run(self) -> None:
        page = self.page()
        write_text(self.out, page.html(folder=self.out.parent))
        write_numbers(self.out.with_name("results.csv"), page.evidence.numbers)
        print(self.out)


class Summary(OfResults):
    """Summarize a results folder on one screen: jobs, main table, verdicts, page."""

    epilog: ClassVar[str] = "example: smoothcert overview summary results/smoke"

    def run(self) -> None:
        print(summary(self.page(), ("ddrs_appendix", "cohen_table")))


def command(kind: str) -> type[Command]:
    """The command of a word of KINDS."""
    kinds: dict[str, type[Command]] = {
        "compare": Compare,
        "claims": Claims,
        "ledger": SideBySide,
        "page": ThePage,
        "summary": Summary,
    }
    return kinds[kind]
