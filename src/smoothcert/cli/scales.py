"""``smoothcert scales``: the noise scale of each input, by the scalings of one search."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, model_place, place
from smoothcert.core.progress import bar
from smoothcert.scaling.spec import ScalesSpec


class Scales(ScalesSpec, NetworkCommand):
    """Find the noise scale for each input, with noise independent of certification.

    A killed search resumes where it stopped.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert scales --dataset digits --noise gaussian-0.25"
        " --scalings ascent-K100 ascent-K900 --model model.safetensors --out scales.tsv"
    )

    model: str = model_place()
    out: Path = place(help="file to write: one row per input and scaling", metavar="TSV")

    def run(self) -> None:
        from smoothcert.compute.devices import job_device
        from smoothcert.scaling import job

        job_device(self.device)
        with bar(self.out.name, " passes", self.quiet, unit_scale=True) as shown:

            def progress(passes: int, total: int) -> None:
                shown.total = total
                shown.update(passes)

            table = job.run(
                self.only(ScalesSpec),
                self.model,
                self.out,
                data_dir=self.data_dir,
                device=self.device,
                progress=progress,
            )
        for slug in self.scalings:
            print(f"{self.out}: {slug}: {job.summary(table, slug)}")


COMMAND = Scales
