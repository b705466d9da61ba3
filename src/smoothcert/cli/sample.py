"""``smoothcert sample``: class counts under noise, into a vote store."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, model_place, place
from smoothcert.core.settings import Count
from smoothcert.sampling.shown import sample
from smoothcert.sampling.spec import SampleSpec


class Sampling(NetworkCommand):
    """The files and devices of every command that samples."""

    scales: Path | None = place(None, "noise scale for each input (columns idx, sigma)", "TSV")
    jobs: Count | None = place(None, "threads (default: the cores this process may use)", "N")

    def drawn(self, spec: SampleSpec, model: str, out: Path, **files: str | Path | None) -> None:
        """Sample, resume or top up, and print one line about the store."""
        store, now = sample(
            spec.only(SampleSpec),
            model,
            out,
            jobs=self.jobs,
            scales=self.scales,
            data_dir=self.data_dir,
            device=self.device,
            quiet=self.quiet,
            **files,  # type: ignore[arg-type]
        )
        print(
            f"{out}: {len(store)} inputs, {int(store.samples().sum()):,} estimation samples"
            f" ({now:,} drawn now), look {store.look}, n0 {store.n0}, seed {store.identity['seed']}"
        )


class Sample(SampleSpec, Sampling):
    """Sample a network under noise and store its class counts.

    A killed run resumes where it stopped; a larger budget tops up a store. Once you have looked at
    its certificates, use more samples only with the budget anytime (docs/methods/iss.md).
    """

    epilog: ClassVar[str] = (
        "example: smoothcert sample --dataset digits --noise gaussian-0.25 --budget fixed-1000"
        " --model model.safetensors --out votes.npz"
    )

    model: str = model_place()
    shard: str = place("0/1", "only every k-th input, starting at the i-th", "i/k")
    top_up: Path | None = place(None, "reuse the looks of this store", "NPZ")
    out: Path = place(help="vote store to write, with its record as .json", metavar="NPZ")

    def run(self) -> None:
        self.drawn(self, self.model, self.out, shard=self.shard, top_up=self.top_up)


COMMAND = Sample
