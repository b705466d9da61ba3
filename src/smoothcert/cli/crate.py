"""``smoothcert crate RESULTS --out FILE.zip``: a run that describes itself, as an RO-Crate."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import place
from smoothcert.cli.overview import OfResults
from smoothcert.report.crate import write_crate


class Crate(OfResults):
    """A run as a Workflow Run RO-Crate: results, workflow, data sets, versions, machine, times.

    One zip file, for an archive such as Zenodo or WorkflowHub. Logs are left out.
    """

    epilog: ClassVar[str] = "example: smoothcert crate results/smoke --out smoke.crate.zip"

    made_by: str | None = place(None, "what of snakemake made it; default: the preset", "WORDS")
    workflow: Path = place(Path(), "the workflow's folder; default: this one", "DIR")
    author: str | None = place(None, "who ran it: a name, or an address such as an ORCID")
    out: Path = place(help="the crate", metavar="FILE.zip")

    def run(self) -> None:
        page = self.page()
        made_by = self.made_by or f"--config preset={page.preset}"
        count = write_crate(page, self.out, self.workflow, made_by, self.author)
        print(f"{self.out}: {count} files")


COMMAND = Crate
