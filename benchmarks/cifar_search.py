"""Which small residual network, trained how: accuracy and radii under noise against cost.

    OMP_NUM_THREADS=1 python benchmarks/cifar_search.py --out results/cifar-search [--shard 0/2]
    ... cifar_search.py --out results/macer-search --method macer --draws 1000

Each candidate is trained with the method of Cohen et al. (or, after one such, with MACER) and the
recipe of preset cifar, except for the number of epochs and one change. Then test images 10, 30, 50,
... (500, never certified) are classified with `--draws` noise draws each. Cost: multiply-adds
(counted), microseconds per sample on one core with the workflow's engine (timed), and training time
(from the log). The same command resumes: finished candidates are not trained again and a killed one
continues. `--shard 0/2` and `1/2` share the candidates between two processes. search.csv and
search.png show all finished ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import yaml
from machine import best

from smoothcert import datasets, models
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.files import write_text
from smoothcert.models.activations import operations
from smoothcert.noise import Gaussian
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import default_batch
from smoothcert.training import Job
from smoothcert.training.run import train

PRESET = Path(__file__).parent.parent / "config" / "cifar.yaml"
SIGMA = 0.25
ARCHS = ("small_resnet", "small_resnet_k3", "small_resnet_w24", "small_resnet_b121",
         "small_resnet_b112", "small_resnet_b211", "small_resnet_b122")  # fmt: skip
CHANGES: tuple[dict[str, Any], ...] = (
    {"lr": 0.05},
    {"lr": 0.2},
    {"batch": 256, "lr": 0.2},
    {"flip": "random"},
    {"method": {"label_smoothing": 0.1}},
)
# Of MACER: its weight and temperature, up to the paper's 12 and 16; 0 is the mean of k copies alone
MACER: tuple[dict[str, Any], ...] = (
    {},
    {"method": {"lam": 0.0}},
    {"method": {"lam": 2.0}},
    {"method": {"lam": 4.0, "beta": 16.0}},
    {"method": {"lam": 12.0, "beta": 16.0}},
)
ALPHA = 0.001
CPU = torch.device("cpu")


class Candidate(NamedTuple):
    arch: str
    method: str = "cohen"
    change: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        """Words of what differs from the first candidate."""
        words = [self.arch, *([self.method] if self.method != "cohen" else [])]
        flat = {k: v for key, value in self.change.items() for k, v in
                (value.items() if isinstance(value, dict) else [(key, value)])}  # fmt: skip
        return "-".join([*words, *(["_".join(f"{k}{v}" for k, v in flat.items())] if flat else [])])


def candidates(method: str) -> dict[str, Candidate]:
    """By name: the networks, then recipes of the first; or the first, then those of MACER."""
    if method == "cohen":
        found = [*map(Candidate, ARCHS), *(Candidate(ARCHS[0], "cohen", c) for c in CHANGES)]
    else:
        found = [Candidate(ARCHS[0]), *(Candidate(ARCHS[0], method, c) for c in MACER)]
    return {candidate.name: candidate for candidate in found}


class Search:
    """The candidates that are finished in a folder, and how to finish another."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.folder = options, Path(options.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.candidates = candidates(options.method)
        self.recipes = yaml.safe_load(PRESET.read_text(encoding="utf-8"))["recipes"]
        self.held = datasets.load(options.dataset, "test", skip=10)
        self.rows = np.arange(1, len(self.held), 2)[: options.inputs]  # 10, 30, 50, ...
        self.right: dict[str, np.ndarray] = {}  # by candidate: the share of draws that are right

    def file(self, name: str) -> Path:
        """Its name says what the training's own record does not."""
        part = f"-{self.options.images}images" if self.options.images else ""
        return self.folder / f"{name}-{self.options.epochs}epochs{part}.safetensors"

    def train(self, candidate: Candidate) -> None:
        epochs = self.options.epochs
        recipe = self.recipes[candidate.method]["cifar10/small_resnet"]
        cycle = self.recipes["cohen"]["cifar10/small_resnet"]  # which says what all have
        share = epochs / cycle["epochs"]
        method = {**recipe.get("method", {}), **candidate.change.get("method", {})}
        if "defer" in method:
            method["defer"] = round(share * method["defer"])
        changes = {"epochs": epochs, "lr_warmup": share * cycle["lr_warmup"], **candidate.change}
        job = Job(
            training=f"{candidate.method}-fs-{SIGMA}",
            dataset=self.options.dataset,
            arch=candidate.arch,
            recipe={**recipe, **changes, **({"method": method} if method else {})},
        )
        part = None
        if self.options.images:
            part = datasets.load(self.options.dataset, "train", max=self.options.images)
        train(job, self.file(candidate.name), device=self.options.device, dataset=part)

    def measure(self, name: str) -> dict[str, Any]:
        """The row of a finished candidate."""
        model, record = models.load(self.file(name))
        engine = open_engine(model.eval(), self.held.shape, CPU)
        batch = default_batch(int(np.prod(self.held.shape)), CPU)
        x = torch.rand(batch, *self.held.shape)
        right = []
        for row in self.rows:
            stream = generator(0, "cifar-search", int(self.held.idx[row]))
            noise = torch.randn((self.options.draws, *self.held.shape), generator=stream)
            noisy = (self.held.images[row] + SIGMA * noise).split(batch)
            answers = torch.cat([engine.logits(part).argmax(1) for part in noisy]).numpy()
            right.append((answers == self.held.labels[row]).mean())
        self.right[name] = np.array(right)
        log = pd.read_csv(self.file(name).with_suffix(".log.csv"))
        return {
            "name": name,
            "trained on": record["device"],
            "dataset": record["dataset"],
            "sigma": SIGMA,
            "epochs": record["epoch"],
            "training images": self.options.images
            or datasets.info(record["dataset"]).splits["train"],
            "multiply-adds": operations(model, self.held.shape) / 2,
            "microseconds a sample": 1e6 * best(lambda: engine.logits(x)) / batch,
            "training seconds": log["seconds"].sum(),
            "inputs": len(right),
            "draws": self.options.draws,
            **_interval("accuracy", self.right[name]),
            **_interval("ACR", self.radii(name)),
        }

    def radii(self, name: str) -> np.ndarray:
        """Radii [N] that the votes for the label certify at 1 - ALPHA, 0 where they are too few."""
        draws = self.options.draws
        p_lower = clopper_pearson_lower(np.rint(self.right[name] * draws), draws, ALPHA)
        return Gaussian(SIGMA).radius(p_lower, SIGMA, int(np.prod(self.held.shape))).clip(0)

    def report(self) -> pd.DataFrame:
        """All that are finished, with paired differences from the first of them."""
        rows = [self.measure(name) for name in self.candidates if self.file(name).exists()]
        first = rows[0]["name"]
        for row in rows:
            name = row["name"]
            row |= _interval(f"minus {first}", self.right[name] - self.right[first])
            row |= _interval(f"ACR minus {first}", self.radii(name) - self.radii(first))
        frame = pd.DataFrame(rows)
        write_text(self.folder / "search.csv", frame.to_csv(index=False))
        _draw(frame, self.folder / "search.png")
        return frame


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """The mean over inputs with its 95% interval for their number."""
    mean, half = values.mean(), 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return {name: mean, f"{name}, low": mean - half, f"{name}, high": mean + half}


def _draw(frame: pd.DataFrame, path: Path) -> None:
    """A row a candidate: its accuracy minus the first one's, and what a sample costs."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained", sharey=True)
    one = frame.iloc[0]
    gap = f"minus {one['name']}"
    half = 100 * (frame[gap] - frame[f"{gap}, low"])
    axes[0].axvline(0, color="black", linewidth=0.8)
    axes[0].errorbar(100 * frame[gap], frame["name"], xerr=half, fmt="o", capsize=2)
    axes[0].set_xlabel(f"accuracy minus that of {one['name']} (points)")
    axes[1].barh(frame["name"], frame["microseconds a sample"])
    axes[1].set_xlabel("microseconds a sample, one core")
    axes[0].invert_yaxis()
    figure.suptitle(
        f"{one['dataset']}, {one['epochs']} epochs; noise of {SIGMA},"
        f" {one['inputs']} inputs, {one['draws']} draws each;"
        f" {one['name']}: {100 * one['accuracy']:.1f}%",
        fontsize=10,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", required=True, help="folder of models, search.csv and search.png")
    parser.add_argument("--method", default="cohen", choices=("cohen", "macer"))
    parser.add_argument("--dataset", default="cifar10", help="or cifar10-jpeg")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--images", type=int, help="train on the first so many (default: all)")
    parser.add_argument("--inputs", type=int, default=500, help="that are classified")
    parser.add_argument("--draws", type=int, default=20, help="of noise for each")
    parser.add_argument("--device", default="cpu", help="that trains: cpu, cuda or auto")
    parser.add_argument("--train-only", action="store_true", help="measure later, on a CPU")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these candidates")
    parser.add_argument("--shard", default="0/1", help="every k-th candidate from the i-th: i/k")
    options = parser.parse_args()
    torch.set_num_threads(1)
    i, k = map(int, options.shard.split("/"))
    search = Search(options)
    if unknown := set(options.only or ()) - set(search.candidates):
        parser.error(f"--only {' '.join(unknown)}: choose from {', '.join(search.candidates)}")
    for name, candidate in list(search.candidates.items())[i::k]:
        if options.only is None or name in options.only:
            if not search.file(name).exists():
                search.train(candidate)
            if options.train_only:
                continue
            row = search.report().set_index("name").loc[[name]]
            print(row.T.to_string(), flush=True)


if __name__ == "__main__":
    main()
