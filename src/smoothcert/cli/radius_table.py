"""``smoothcert radius-table NOISE --d D --out FILE``: tabulate p*(r) of a centripetal noise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from smoothcert.cli.command import Command, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Count, Natural
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal


class RadiusTable(Command):
    """Tabulate p*(r) of a centripetal noise, by quadrature or (mixed-linf) by simulation."""

    epilog: ClassVar[str] = (
        "example: smoothcert radius-table centripetal-l2_k500 --d 784 --out radii.json"
    )

    noise: str = positional(
        help="a noise, with or without its scale, such as centripetal-l2_k500",
        metavar="NOISE",
        specified=True,
    )
    d: Count = Field(description="input dimension")
    samples: Count | None = Field(None, description="for mixed-linf: number of simulated draws")
    seed: Natural | None = Field(None, description="for mixed-linf: seed of the draws")
    out: Path = place(help="file to write", metavar="JSON")

    def run(self) -> None:
        noise = parse_shape(self.noise)
        given = {"samples": self.samples, "seed": self.seed}
        settings: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if settings and noise.name != "mixed-linf":
            raise SmoothcertError(
                f"{', '.join(settings)}: for sampled radii only; those of"
                f" {noise.shape_slug} are not sampled"
            )
        start = time.monotonic()
        table = noise.build_table(self.d, **settings)
        table.save(self.out)
        print(
            f"{self.out}: {noise.shape_slug}, d = {self.d}, {len(table.radius)} radii up to"
            f" {table.radius[-1]:.4g} at scale 1, {table.record['method']},"
            f" failure probability {table.failure_probability:g}, {time.monotonic() - start:.1f} s"
        )


def parse_shape(slug: str) -> Centripetal:
    """The noise of a slug that may leave out the scale, which a table does not depend on."""
    _, dash, tail = slug.rpartition("-")
    has_scale = bool(dash) and tail.replace(".", "", 1).isdigit()
    noise = NOISES.parse(slug if has_scale else f"{slug}-1.00")
    if not isinstance(noise, Centripetal):
        raise SmoothcertError(f"noise {slug}: its radius has a closed form and needs no table")
    return noise


COMMAND = RadiusTable
