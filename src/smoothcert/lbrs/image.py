"""The paper's image experiments (section 5.2, appendix B; figures 3 to 6), with fair attacks.

One class against the rest, balanced; N reserved points; a small convolutional network. Every
accuracy is one row: which classifier, which attack, of which radius, under which draw of the
reserved points. ``Task`` holds what the paper leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smoothcert import datasets
from smoothcert.compute.streams import generator, numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.attack import Target, adaptive, smoothed, transfer
from smoothcert.lbrs.classifier import Network, binary_logit, effective_bias
from smoothcert.lbrs.oracle import Oracle
from smoothcert.lbrs.settings import HEADS, Head, Recipe, Sweep, Task
from smoothcert.lbrs.train import fit
from smoothcert.models.attacks import AttackNorm

VOTES = ("logit", "tanh", "hard")  # what normal smoothing averages


@dataclass(frozen=True)
class Data:
    """Images [n, C, H, W] float32 and labels -1, +1; ``pools`` are the draws of reserved points."""

    train: torch.Tensor
    train_label: NDArray
    test: torch.Tensor
    test_label: NDArray
    test_idx: NDArray
    pools: list[tuple[torch.Tensor, NDArray]]

    def oracle(self, draw: int) -> Oracle:
        points, labels = self.pools[draw]
        return Oracle(points.flatten(1).numpy(), labels)


def load(task: Task) -> Data:
    """The balanced binary task; SmoothcertError for an unknown class or too few images."""
    train, test = datasets.load(task.dataset, "train"), datasets.load(task.dataset, "test")
    positive = class_number(task, train.classes)
    rng = numpy_generator(task.seed, "lbrs-images")
    half = task.reserved // 2
    rows = _balanced(train.labels, positive, task.train + half * task.draws, rng)
    if rows.shape[1] <= half * task.draws:
        raise SmoothcertError(
            f"{task.dataset}: class {task.positive} has {rows.shape[1]} images; expected more "
            f"than {half * task.draws}, which {task.draws} draws of {task.reserved} points reserve"
        )
    pools = []
    for draw in range(task.draws):
        chosen = rows[:, draw * half : (draw + 1) * half]
        pools.append(_take(train, chosen))
    images, labels = _take(train, rows[:, task.draws * half :])
    kept = _balanced(test.labels, positive, task.test, rng)
    kept = np.sort(kept, axis=1)
    test_images, test_labels = _take(test, kept)
    return Data(images, labels, test_images, test_labels, test.idx[kept.ravel()], pools)


def class_number(task: Task, classes: tuple[str, ...]) -> int:
    """The number of the positive class, given by name or number."""
    names = [str(c) for c in classes]
    if task.positive in names:
        return names.index(task.positive)
    if task.positive.isdigit() and int(task.positive) < len(names):
        return int(task.positive)
    raise SmoothcertError(
        f"{task.dataset}: class {task.positive!r}: unknown; expected one of {', '.join(names)}"
    )


def _balanced(labels: NDArray, positive: int, most: int, rng: np.random.Generator) -> NDArray:
    """Rows of the other classes and of the positive one, equally many: [2, n]."""
    sides = [rng.permutation(np.flatnonzero((labels == positive) == own)) for own in (False, True)]
    n = min(most, *map(len, sides))
    return np.stack([side[:n] for side in sides])


def _take(data: datasets.Dataset, rows: NDArray) -> tuple[torch.Tensor, NDArray]:
    """Images and labels -1, +1 of rows [2, n]."""
    return data.images[rows.ravel()], np.repeat([-1, 1], rows.shape[1])


def run(task: Task, recipe: Recipe, sweep: Sweep, device: str = "cpu") -> list[dict[str, Any]]:
    """Train a base network and measure every classifier: rows with the keys results.COLUMNS."""
    data = load(task)
    net = fit(recipe, data.train, _tensor(data.train_label), task.seed, device)
    return Measurement(task, sweep, data, net, device).rows()


def _tensor(labels: NDArray) -> torch.Tensor:
    return torch.as_tensor(labels, dtype=torch.float32)


class Measurement:
    """All accuracies of one trained network."""

    def __init__(
        self, task: Task, sweep: Sweep, data: Data, net: nn.Module, device: str = "cpu"
    ) -> None:
        self.task, self.sweep, self.data, self.net, self.device = task, sweep, data, net, device
        self.label = data.test_label
        self.base = Network(net)

    def rows(self) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        sweep = self.sweep
        norm: AttackNorm
        for norm in ("l2", "linf"):
            if norm not in sweep.radii:
                continue
            for radius in sorted({0.0, *sweep.sweep_radii.get(norm, ()), *sweep.radii[norm]}):
                out += self.transferred(norm, radius)
            for radius in sweep.adaptive_radii.get(norm, ()):
                out += self.adaptive(norm, radius)
        return out

    def _row(self, correct: NDArray, **key: Any) -> dict[str, Any]:
        blank = {"draw": "", "head": "", "parameter": ""}
        counts = {"inputs": len(correct), "correct": int(correct.sum())}
        return {"seed": self.task.seed, **blank, **key, **counts}

    def attacked(self, norm: AttackNorm, radius: float) -> torch.Tensor:
        """The test images after PGD on the base network, in the order of the test set."""
        x, y = self.data.test, _tensor(self.label)
        parts = [
            transfer(self.net, a.to(self.device), b.to(self.device), radius, norm, self.sweep.steps)
            for a, b in zip(x.split(500), y.split(500), strict=True)
        ]
        return torch.cat(parts).cpu()

    def transferred(self, norm: AttackNorm, radius: float) -> list[dict[str, Any]]:
        """Every classifier on the images that were made against the base network."""
        x = self.attacked(norm, radius)
        z, slope = self.base.logit_and_slope(x, norm)
        key = {"norm": norm, "radius": radius, "attack": "transfer"}
        out = [self._row(_sign(z) == self.label, method="cnn", **key)]
        whole = radius in self.sweep.sweep_radii.get(norm, ())
        biases = self.sweep.bias if whole else (self.sweep.fixed.bias,)
        for draw in range(self.task.draws):
            answer = self.data.oracle(draw)(x.flatten(1).numpy())
            out.append(self._row(answer == self.label, method="1nn", draw=draw, **key))
            for head in HEADS:
                for bias in biases:
                    predict = _sign(z + answer * effective_bias(bias, slope, head))
                    own = {"method": "lbrs", "draw": draw, "head": head, "parameter": bias}
                    out.append(self._row(predict == self.label, **own, **key))
        for sigma in self.sweep.sigma if whole else (self.sweep.fixed.sigma,):
            for vote, votes in self.noisy(x, sigma).items():
                own = {"method": "ns", "head": vote, "parameter": sigma}
                out.append(self._row(_sign(votes) == self.label, **own, **key))
        return out

    def noisy(self, x: torch.Tensor, sigma: float) -> dict[str, NDArray]:
        """Mean over noise of the logit, of tanh(logit / 2), and of the sign: [n] each.

        One stream a sigma: an attacked image meets the noise that the clean one met.
        """
        samples = self.sweep.samples if sigma > 0 else 1
        totals = torch.zeros(3, len(x), dtype=torch.float64)
        stream = generator(self.task.seed, "lbrs-ns", round(1e6 * sigma), device=self.device)
        x = x.to(self.device)
        for _ in range(samples):
            for rows in torch.arange(len(x)).split(500):
                noise = torch.randn(x[rows].shape, generator=stream, device=self.device)
                with torch.no_grad():
                    z = binary_logit(self.net(x[rows] + sigma * noise)).double()
                totals[:, rows] += torch.stack([z, torch.tanh(z / 2), z.sign()]).cpu()
        return dict(zip(VOTES, (totals / samples).numpy(), strict=True))

    def adaptive(self, norm: AttackNorm, radius: float) -> list[dict[str, Any]]:
        """The attacks that know the classifier, each the worst of itself and the transfer."""
        pick = self._subset()
        x, label = self.data.test[pick].to(self.device), self.label[pick]
        y = _tensor(label).to(self.device)
        key = {"norm": norm, "radius": radius, "attack": "adaptive"}
        moved = transfer(self.net, x, y, radius, norm, self.sweep.steps)
        z, _ = self.base.logit_and_slope(moved.cpu(), norm)
        clean, _ = self.base.logit_and_slope(x.cpu(), norm)
        cnn = (_sign(z) == label) & (_sign(clean) == label)
        out = [self._row(cnn, method="cnn", **key)]
        targets: list[tuple[str, Head, float]] = [("1nn", "logit", float("inf"))]
        for head, biases in self.sweep.adaptive_bias.items():
            targets += [("lbrs", head, bias) for bias in biases]
        for draw in range(min(self.sweep.adaptive_draws, self.task.draws)):
            points, labels = self.data.pools[draw]
            for method, head, bias in targets:
                parts = points.to(self.device), _tensor(labels).to(self.device)
                target = Target(self.net, *parts, bias, head, norm)
                broken = adaptive(target, x, y, radius, self.sweep.steps, [moved])
                own: dict[str, Any] = {"method": method, "draw": draw}
                if method == "lbrs":
                    own |= {"head": head, "parameter": bias}
                out.append(self._row(~broken.cpu().numpy(), **own, **key))
        sigma = self.sweep.fixed.sigma
        stream = generator(self.task.seed, "lbrs-eot", round(1e6 * radius), device=self.device)
        eot = smoothed(
            self.net, x, y, radius, norm, self.sweep.steps, sigma, "tanh", self.sweep.copies, stream
        )
        held = [_sign(self.noisy(v, sigma)["tanh"]) == label for v in (eot, moved, x)]
        own = {"method": "ns", "head": "tanh", "parameter": sigma}
        out.append(self._row(np.logical_and.reduce(held), **own, **key))
        return out

    def _subset(self) -> NDArray:
        """Positions of the first inputs of each label, equally many."""
        half = max(1, self.sweep.adaptive_inputs // 2)
        return np.concatenate([np.flatnonzero(self.label == s)[:half] for s in (-1, 1)])


def _sign(values: NDArray) -> NDArray:
    return np.where(values >= 0, 1, -1)
