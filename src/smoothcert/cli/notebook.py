"""``smoothcert notebook NOTEBOOK --results FOLDER --out FILE.html``: a notebook as a page."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place, positional
from smoothcert.core.files import write_text
from smoothcert.report.notebook import execute, page


class Notebook(Command):
    """Run a report notebook on a results folder and save it as HTML without code."""

    epilog: ClassVar[str] = (
        "example: smoothcert notebook notebooks/cohen.ipynb --results results/smoke --preset smoke"
        " --out cohen.html"
    )

    notebook: Path = positional(
        help="notebook with one cell tagged parameters", metavar="NOTEBOOK.ipynb"
    )
    results: str = place(help="results folder to report on", metavar="FOLDER")
    preset: str = place(help="name of these results", metavar="NAME")
    executed: Path | None = place(None, "also save the notebook with its outputs", "FILE.ipynb")
    out: Path = place(help="HTML page to write", metavar="FILE.html")

    def run(self) -> None:
        done = execute(self.notebook, {"preset": self.preset, "results": self.results})
        if self.executed:
            import nbformat

            write_text(self.executed, nbformat.writes(done))
        write_text(self.out, page(done))


COMMAND = Notebook
