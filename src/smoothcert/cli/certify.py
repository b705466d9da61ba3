"""``smoothcert certify``: votes -> certificates; with --model both steps at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.certificates import job
from smoothcert.certificates.metrics import (
    abstention_rate,
    average_certified_radius,
    certified_accuracy,
    clean_accuracy,
)
from smoothcert.certificates.runs import Run, read_run
from smoothcert.certificates.spec import CertifySpec
from smoothcert.cli.command import model_place, place
from smoothcert.cli.sample import Sampling
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Count, same
from smoothcert.report.printing import percent, percent_interval, radius, radius_interval
from smoothcert.sampling.spec import SampleSpec, SamplingOptions


class Certify(SamplingOptions, CertifySpec, Sampling):
    """Compute certificates from votes, or from a model (then the options of ``sample`` apply).

    With --votes choose the budget, and optionally another noise with the same distribution:
    Gaussian votes may be read as those of gaussian-linf, and the reverse.
    """

    epilog: ClassVar[str] = (
        "examples: smoothcert certify --votes votes.npz --budget fixed-1000 --out table.tsv\n"
        "          smoothcert certify --model model.safetensors --dataset digits"
        " --noise gaussian-0.25 --budget fixed-1000 --out table.tsv\n"
        "          smoothcert certify --model net.onnx --data photos/"
        " --noise gaussian-0.25 --budget sequential_0.02-100000 --out table.tsv"
    )

    dataset: str | None = same(SampleSpec, "dataset", None)
    look: Count = same(SampleSpec, "look")
    votes: Path | None = place(None, "read votes from this store", "NPZ")
    model: str | None = model_place(None)
    radius_table: Path | None = place(
        None, "radius table of a non-Gaussian noise; default: computed again", "JSON"
    )
    out: Path = place(help="certificate table to write, with its record as .json", metavar="TSV")

    def run(self) -> None:
        spec = self.only(CertifySpec)
        _, warning = job.run(spec, self._votes(), self.out, self.radius_table)
        print(f"{self.out}\n{summary(read_run(self.out))}")
        if warning:
            print(f"warning: {warning}", file=sys.stderr)

    def _votes(self) -> Path:
        """The vote store: the one given, else what is sampled now."""
        if (self.votes is None) == (self.model is None):
            raise SmoothcertError("--votes, --model: expected one of the two")
        sampling = set(SampleSpec.model_fields) - set(CertifySpec.model_fields) - {"purpose"}
        if self.votes is not None:
            for key in SampleSpec.model_fields:
                if key in sampling & self.model_fields_set:
                    raise SmoothcertError(
                        f"{key}: does not apply to --votes, which are already sampled; only budget"
                        " does"
                    )
            return self.votes
        assert self.model is not None
        given = {key: getattr(self, key) for key in (*sampling, "noise", "budget", "code")}
        spec = SampleSpec.check({k: v for k, v in given.items() if v is not None}, "command line")
        votes = self.out.with_suffix(".votes.npz")
        self.drawn(spec, self.model, votes)
        return votes


def summary(run: Run) -> str:
    """What was certified and how well, a line each; intervals are for the number of inputs."""
    table = run.table
    about = f"{len(table)} inputs, {table.single('noise')}, {table.single('budget')}"
    about += f", alpha {table.single('alpha')}"
    abstains = f"abstains on {percent(abstention_rate(table).value)}%"
    if (table.label < 0).any():
        return (
            f"{about}: mean radius {radius(table.radius.mean())}, {abstains}\n"
            "labels are unknown: no accuracy"
        )
    acr = average_certified_radius(table)
    accuracies = [("smoothed classifier", clean_accuracy(table))]
    if run.base_accuracy is not None:
        accuracies.insert(0, ("base classifier, without noise", run.base_accuracy))
    said = ", ".join(f"{name} {percent(x.value)}% {percent_interval(x)}" for name, x in accuracies)
    radii = [r for r in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0) if r <= table.radius.max(initial=0)]
    accuracy = certified_accuracy(table, radii)
    at = ", ".join(f"{r:g}: {percent(accuracy[i].value)}%" for i, r in enumerate(radii))
    return (
        f"{about}: {abstains}\n"
        f"accuracy: {said}\n"
        f"average certified radius: {radius(acr.value)} {radius_interval(acr)}\n"
        f"certified accuracy at {run.norm} radius: {at}"
    )


COMMAND = Certify
