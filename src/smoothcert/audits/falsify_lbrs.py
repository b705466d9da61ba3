"""Attacks on the certificates of locally biased smoothing, which is deterministic.

Nothing is sampled, so no failure probability excuses anything: one input of the open ball with
another prediction breaks a certificate. Linear base classifiers allow more than a search: the
exact distance to the nearest input of another prediction stands beside each radius.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smoothcert.audits.norm_ball import length
from smoothcert.audits.settings import FalsificationSettings
from smoothcert.audits.subset import evenly
from smoothcert.certificates import CertificateTable
from smoothcert.compute.geometry import DUAL, check, project, steepest, vertices
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.attack import Target
from smoothcert.lbrs.classifier import LBRS, Network
from smoothcert.lbrs.image import load
from smoothcert.lbrs.oracle import Oracle
from smoothcert.lbrs.settings import Recipe, Task
from smoothcert.lbrs.train import fit
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, NOT_RUN, Verdict

_INSIDE = 1 - 1e-9  # of the radius; everything here is float64


@dataclass(frozen=True)
class Attacked:
    """What became of M certificates: the points [M, *shape] float64 and which are witnesses."""

    idx: NDArray[np.int64]
    radius: NDArray[np.float64]
    broken: NDArray[np.bool_]
    point: NDArray[np.float64]
    distance: NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """The classifier of one table of certificates, made again from the table's record."""

    net: nn.Module
    points: Tensor
    labels: Tensor
    bias: float
    head: Any
    norm: str
    x: Tensor  # [N, *shape] float64, in the order of the table

    @property
    def target(self) -> Target:
        """As an attack sees it."""
        return Target(self.net, self.points, self.labels, self.bias, self.head, self.norm)

    def predict(self, x: Tensor) -> NDArray[np.int64]:
        """The classifier itself, -1 or +1: [N] int64."""
        oracle = Oracle(self.points.flatten(1).numpy(), self.labels.long().numpy())
        return LBRS(Network(self.net, self.head), oracle, self.norm).predict(x.numpy(), self.bias)


def rebuild(record: Mapping[str, Any], table: CertificateTable) -> Model:
    """Train the base network again (the same bits on one machine) and find the table's images.

    ``record`` is the sidecar of a table of ``smoothcert lbrs certify``. Raises SmoothcertError
    if it is not, or if the rebuilt task does not hold the table's inputs.
    """
    for key in ("specification", "norm", "form", "bias"):
        if key not in record:
            raise SmoothcertError(f"LBRS: the record of the certificates lacks {key!r}")
    spec = record["specification"]
    task = Task.check(spec.get("task", {}), "LBRS: task")
    recipe = Recipe.check(spec.get("recipe", {}), "LBRS: recipe")
    data = load(task)
    if not np.array_equal(data.test_idx, table.idx):
        raise SmoothcertError("LBRS: the task's test images differ from the table's")
    labels = torch.as_tensor(data.train_label, dtype=torch.float32)
    net = fit(recipe, data.train, labels, task.seed).double()
    points, point_labels = data.pools[0]
    return Model(
        net, points.double(), torch.as_tensor(point_labels).double(), float(record["bias"]),
        spec.get("head", "logit"), record["norm"], data.test.double(),
    )  # fmt: skip


def falsify(
    model: Model, table: CertificateTable, settings: FalsificationSettings, factor: float = 1.0
) -> Attacked:
    """Search the certificates' open balls, some of them, for inputs of another prediction.

    Projected ascent through g_mu, second derivatives and the switch of the oracle included, from
    the input, from random vertices, and from where each reserved point of the other label gains
    most on the nearest one of the input's own. Every iterate is judged by the classifier itself.
    Radii beyond the size of the image space are cut to it. ``factor`` > 1 searches larger balls,
    about which nothing is promised: what the search can find. Raises SmoothcertError if the model
    does not predict what the table says.
    """
    side = 2 * table.predict - 1
    if not np.array_equal(model.predict(model.x), side):
        raise SmoothcertError("LBRS: the rebuilt network's predictions differ from the table's")
    rows = evenly(np.flatnonzero(table.radius > 0), settings.max)
    x, y = model.x[rows], torch.as_tensor(side[rows]).double()
    d = x[0].numel()
    widest = {"l1": float(d), "l2": float(np.sqrt(d)), "linf": 1.0}[check(model.norm)]
    radius = torch.as_tensor(np.minimum(factor * table.radius[rows], widest)) * _INSIDE
    point, broken = x.clone(), torch.zeros(len(x), dtype=torch.bool)
    target = model.target
    begins = [
        x,
        *_random(x, radius, model.norm, settings.directions, settings.seed),
        *_towards(target, x, y, radius),
    ]
    for begin in begins:
        _run(target, x, y, radius, begin, settings.steps, point, broken)
    found = torch.as_tensor(model.predict(point) != side[rows])
    if bool((broken & ~found).any()):
        raise SmoothcertError("LBRS: the attack's classifier and the certified one disagree")
    distance = length(point - x, model.norm).numpy()
    if (distance[found.numpy()] >= factor * table.radius[rows][found.numpy()]).any():
        raise SmoothcertError("LBRS: a witness lies outside its ball")
    return Attacked(table.idx[rows], table.radius[rows], found.numpy(), point.numpy(), distance)


def _random(x: Tensor, radius: Tensor, norm: str, most: int, seed: int) -> list[Tensor]:
    """Random vertices of the balls: one start of ascent, and single points to look at."""
    each = [-1] + [1] * (x.dim() - 1)
    stream = generator(seed, "falsification-lbrs")
    steps = [vertices(tuple(x.shape), norm, stream).double() for _ in range(most)]
    return [x + radius.view(each) * step for step in steps]


def _towards(target: Target, x: Tensor, y: Tensor, radius: Tensor) -> list[Tensor]:
    """For each reserved point of the other label, x moved so that it gains most on the own."""
    d2 = (x.flatten(1)[:, None] - target.points.flatten(1)).square().sum(-1)
    same = target.labels == y[:, None]
    if not bool((same.any(1) & (~same).any(1)).all()):
        return []
    own = d2.masked_fill(~same, torch.inf).argmin(1)
    order = d2.masked_fill(same, torch.inf).argsort(1)
    each = [-1] + [1] * (x.dim() - 1)
    out = []
    for rank in range(int((~same).sum(1).min())):
        gap = target.points[order[:, rank]] - target.points[own]
        out.append(x + radius.view(each) * steepest(gap, target.norm))
    return out


def _run(
    target: Target, x: Tensor, y: Tensor, radius: Tensor, begin: Tensor, steps: int,
    point: Tensor, broken: Tensor,
) -> None:  # fmt: skip
    """One ascent; fills ``point`` and ``broken`` in place."""
    each = [-1] + [1] * (x.dim() - 1)
    pairs = target.points[target.labels > 0][:, None] - target.points[target.labels < 0]
    gap = length(pairs.flatten(0, 1), DUAL[target.norm]).mean()
    # The lead of one label over the other moves by at most twice this within a ball.
    width = (radius.mean() * gap).clamp_min(1e-6)
    judge = target.objective(y, width)
    now = begin.detach()
    for step in range(steps + 1):
        now = now.requires_grad_()
        loss, wrong = judge(now)
        fresh = wrong & ~broken
        point[fresh] = now.detach()[fresh]
        broken |= wrong
        if step == steps:
            return
        (gradient,) = torch.autograd.grad(loss.sum(), now)
        pace = (2.5 * radius / steps).view(each)
        moved = now.detach() + pace * steepest(gradient, target.norm, 0.05) - x
        now = x + project(moved, radius, target.norm)


def verdict(attacked: Attacked, beyond: Attacked, subject: str, form: str, steps: int) -> Verdict:
    """BROKEN for a single witness; ``beyond`` is the same search in balls of twice the radius."""
    promise = f"LBRS certificates ({form}) hold inside their radius"
    ours = form == "tight"
    m, broken, more = len(attacked.idx), int(attacked.broken.sum()), int(beyond.broken.sum())
    if m == 0:
        return Verdict(promise, subject, NOT_RUN, "no certificate has a positive radius", ours)
    numbers = {
        "certificates": m, "flipped": broken, "expected": 0.0, "allowed": 0, "at_twice": more,
    }  # fmt: skip
    evidence = (
        f"the prediction of {broken} of {m} inputs changes inside the radius (0 may), of {more}"
        f" inside twice the radius; ascent of {steps} steps through the biased classifier from the"
        " input, random vertices and towards every reserved point"
    )
    return Verdict(
        promise,
        subject,
        BROKEN if broken else NOT_FOUND,
        evidence,
        ours,
        numbers,
        procedure=f"LBRS ({form})",
    )


def exact_verdicts(out: Mapping[str, NDArray]) -> list[Verdict]:
    """Radii against exact distances, from the arrays of ``smoothcert lbrs spiral``.

    No search: for the linear base classifier the nearest input of another prediction is known.
    """
    if "exact_l2" not in out:
        return []
    exact, verdicts = out["exact_l2"], []
    rows = np.searchsorted(out["bias"], out["shown"])
    for form in ("published", "tight"):
        if f"{form}_l2" not in out:
            continue
        radius = out[f"{form}_l2"][rows][:, : exact.shape[1]]
        over = radius > exact * (1 + 1e-9)
        certified = radius > 0
        ratio = np.divide(radius, exact, out=np.zeros_like(radius), where=np.isfinite(exact))
        evidence = (
            f"{int(over.sum())} of {int(certified.sum())} radii exceed the exact distance to the"
            f" nearest input with another prediction; the largest is {ratio.max():.4f} of it"
        )
        verdicts.append(
            Verdict(
                f"LBRS certificates ({form}) hold inside their radius",
                f"spiral, linear SVM, l2, biases {', '.join(f'{b:g}' for b in out['shown'])}",
                BROKEN if over.any() else HOLDS, evidence, form == "tight",
                {"certificates": int(certified.sum()), "flipped": int(over.sum()),
                 "largest_ratio": float(ratio.max()), "expected": 0.0, "allowed": 0},
                procedure=f"LBRS ({form})",
            )
        )  # fmt: skip
    return verdicts
