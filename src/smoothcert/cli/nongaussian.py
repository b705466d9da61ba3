"""``smoothcert nongaussian KIND``: what the non-Gaussian noises are without a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place
from smoothcert.papers.nongaussian.study.ablation import ablation
from smoothcert.papers.nongaussian.study.results import write_points
from smoothcert.papers.nongaussian.study.settings import AblationSettings, ToySettings
from smoothcert.papers.nongaussian.study.toy import toy

KINDS = {
    "ablation": "certified radius against k at equal noise energy",
    "toy": "accuracy and robustness of a ball in five dimensions (figure 3)",
}


class Ablation(Command, AblationSettings):
    """Certified radius against k at equal noise energy, relative to k = 0: one row per point."""

    epilog: ClassVar[str] = "example: smoothcert nongaussian ablation --out ablation.csv"

    out: Path = place(help="file to write", metavar="FILE.csv")

    def run(self) -> None:
        points = ablation(self.d, self.shares, self.p, self.seed, self.numbers)
        write_points(self.out, points)
        print(f"{self.out}: {len(points)} points")


class Toy(Command, ToySettings):
    """Accuracy and robustness of a ball in five dimensions (Zhang et al., figure 3)."""

    epilog: ClassVar[str] = "example: smoothcert nongaussian toy --k 0 1 4 --out toy.csv"

    out: Path = place(help="file to write", metavar="FILE.csv")

    def run(self) -> None:
        points = toy(self.attacks, self.accuracies, self.k, self.seed)
        write_points(self.out, points)
        print(f"{self.out}: {len(points)} points")


def command(kind: str) -> type[Command]:
    """The command of a kind."""
    return Ablation if kind == "ablation" else Toy
