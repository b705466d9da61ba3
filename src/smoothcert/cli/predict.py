"""``smoothcert predict``: the smoothed classifier's answer, with abstention (Cohen, PREDICT)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from smoothcert.budget import Fixed
from smoothcert.certificates import is_correct
from smoothcert.certificates.certification import predict
from smoothcert.cli.command import model_place, place
from smoothcert.cli.sample import Sampling
from smoothcert.core.files import write_text
from smoothcert.core.settings import Count, Probability, same
from smoothcert.sampling.spec import SampleSpec, SamplingOptions
from smoothcert.votes import VoteStore


class Predict(SamplingOptions, Sampling):
    """Predict the class of each input with the smoothed classifier, or -1 to abstain.

    For each input separately, the answer is wrong with probability at most alpha. The noise is
    independent of the certificates' noise, so answers can check certificates of the same seed.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert predict --dataset digits --noise gaussian-0.25 --n 1000"
        " --model model.safetensors --out answers.tsv"
    )

    dataset: str = same(SampleSpec, "dataset")
    noise: str = same(SampleSpec, "noise")
    n: Count = Field(1000, description="votes per input")
    alpha: Probability = Field(0.001, description="probability of a wrong answer")
    model: str = model_place()
    out: Path = place(help="table to write: columns idx, label, predict, correct", metavar="TSV")

    def run(self) -> None:
        predict([[self.n, 0]], self.alpha)  # refuses an (n, alpha) that can never answer
        votes = self.out.with_suffix(".votes.npz")
        self.drawn(self._sampling(), self.model, votes)
        store = VoteStore.read(votes)
        answer = predict(store.estimation.dense(store.n_classes), self.alpha)
        lines = ["idx\tlabel\tpredict\tcorrect"]
        correct = is_correct(answer, store.label)
        for idx, label, p, c in zip(store.idx, store.label, answer, correct, strict=True):
            lines.append(f"{idx}\t{label}\t{p}\t{c}")
        write_text(self.out, "\n".join(lines) + "\n")
        print(
            f"{self.out}: {len(store)} inputs, correct {correct.mean():.1%}, abstains"
            f" {(answer == -1).mean():.1%}"
        )

    def _sampling(self) -> SampleSpec:
        """All n votes of an input in one look."""
        return SampleSpec(
            **self.only(SamplingOptions).plain(),
            dataset=self.dataset,
            noise=self.noise,
            budget=Fixed(n=self.n, alpha=self.alpha, n0=1).slug,
            look=self.n,
            purpose="prediction",
            code=self.code,
        )


COMMAND = Predict
