"""``smoothcert unpack VOTES.tar.xz --out DIR``: a shipped run as a folder of results."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place, positional
from smoothcert.core.archive import unpack


class Unpack(Command):
    """Unpack the votes of a shipped run, and everything else that took long, as a results folder.

    Every file is verified before the folder appears. Snakemake makes tables, figures and page
    from it; it neither samples nor trains there.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert unpack docs/results/smoke/votes.tar.xz --out results/smoke-shipped"
    )

    archive: Path = positional(help="of smoothcert ship", metavar="VOTES.tar.xz")
    out: Path = place(help="a new folder below results/", metavar="DIR")

    def run(self) -> None:
        manifest = unpack(self.archive, self.out)
        words = [word for word in manifest["snakemake"] if not word.startswith("name=")]
        words.insert(words.index("--config") + 1, f"name={self.out.name}")
        print(
            f"{self.out}: {len(manifest['files'])} files; its tables: snakemake {shlex.join(words)}"
        )


COMMAND = Unpack
