"""``smoothcert route``: the votes of dual smoothing's one classifier."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, place
from smoothcert.core.progress import bar
from smoothcert.scaling.spec import RouteSpec


class Route(RouteSpec, NetworkCommand):
    """Combine the votes of an estimator with the votes of the level that it chooses.

    ``smoothcert certify --votes`` then certifies class and level; the radius is the smaller one.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert route --router router.safetensors --noise gaussian-1.00"
        " --votes votes-0.25.npz votes-0.50.npz --out dual.npz"
    )

    router: str = place(help="estimator from smoothcert router", metavar="FILE")
    votes: tuple[Path, ...] = place(help="vote stores of its levels, in order", metavar="NPZ")
    out: Path = place(help="vote store to write, with its record as .json", metavar="NPZ")

    def run(self) -> None:
        from smoothcert.compute.devices import job_device
        from smoothcert.scaling import route

        job_device(self.device)
        with bar(self.out.name, " inputs", self.quiet) as shown:

            def progress(inputs: int, samples: int, total: int) -> None:
                shown.total = total
                shown.update(inputs)

            store = route.run(
                self.only(RouteSpec),
                self.router,
                self.votes,
                self.out,
                data_dir=self.data_dir,
                device=self.device,
                progress=progress,
            )
        level = store.extra["route_level"].tolist()
        share = ", ".join(f"{level.count(k)} of level {k}" for k in range(len(self.votes)))
        print(f"{self.out}: {len(store)} inputs, {share}")


COMMAND = Route
