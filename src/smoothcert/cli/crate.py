"""``smoothcert crate RESULTS --out FILE.zip``: a run that describes itself, as an RO-Crate."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import place
from smoothcert.cli.overview import MadeBy
from smoothcert.report.crate import write_crate


class Crate(MadeBy):
    """A run as a Workflow Run RO-Crate: results, workflow, data sets, versions, machine, times.

    One zip file, for an archive such as Zenodo or WorkflowHub. Logs are left out.
    """

    epilog: ClassVar[str] = "example: smoothcert crate results/smoke --out smoke.crate.zip"

    workflow: Path = place(Path(), "the workflow's folder; default: this one", "DIR")
    author: str | None = place(None, "who ran it: a name, or an address such as an ORCID")
    out: Path = place(help="the crate", metavar="FILE.zip")

    def run(self) -> None:
        page = self.page()
        count = write_crate(page, self.out, self.workflow, self.words, self.author)
        print(f"{self.out}: {count} files")


COMMAND = Crate
