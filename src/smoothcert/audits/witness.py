"""Witnesses: pairs (x1, x2) that break a certificate, confirmed, kept and checked again.

A witness counts as broken if
- x2 is an image of [0,1] and lies in the open certified ball of x1, in float64;
- x1 is certified again, from four times as many fresh votes at its recorded scale, for the
  same class with a radius that reaches x2 (so the certificate was not one of the alpha that
  are wrong; more votes make up for the luck in the first radius);
- the deployed classifier predicts another class at x2 with confidence 1 - alpha (Cohen's
  PREDICT on fresh votes at x2's own scale), for the very seed with which the scales of the
  certificates were searched, and for most of all the seeds tried.
Where x2 is even certified for the other class (a majority of votes, a radius of its own) for
most seeds, two certificates contradict each other; this is counted apart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoothcert.audits.deployed import Balls, Deployed
from smoothcert.audits.norm_ball import length
from smoothcert.audits.pair_bounds import Floats, Ints
from smoothcert.budget.fixed import Fixed
from smoothcert.certificates import ABSTAIN
from smoothcert.compute.streams import stream_seed
from smoothcert.core.errors import SmoothcertError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Witnesses:
    """W pairs, S seeds of the search for the scale; images are [W, *shape] float32.

    ``*_1`` is the certificate under attack; ``again_*`` x1 certified again at ``sigma_1``;
    ``predict_2`` [W, S] is the answer at x2 at its own scale for each of ``seeds`` (-1: not
    certain), ``radius_2`` of its certificate (0: none), ``count_2`` the votes for the class of
    that; ``frozen`` [W] the answer at x2 at the scale of x1, where the certificate does hold.
    """

    x1: np.ndarray
    x2: np.ndarray
    idx: Ints
    label: Ints
    predict_1: Ints
    radius_1: Floats
    sigma_1: Floats
    p_lower_1: Floats
    again_predict: Ints
    again_radius: Floats
    seeds: np.ndarray  # [W, S] uint64
    sigma_2: Floats
    predict_2: Ints
    radius_2: Floats
    count_2: Ints
    frozen: Ints
    tactic: np.ndarray
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.idx)

    def __getitem__(self, rows: Any) -> Witnesses:
        parts = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "about"}
        return replace(self, **parts)

    def distance(self, norm: str) -> Floats:
        """||x2 - x1|| [W], in float64."""
        gap = self.x2.astype(np.float64) - self.x1.astype(np.float64)
        return length(torch.from_numpy(gap), norm).numpy()

    @property
    def other(self) -> np.ndarray:
        """[W, S] where x2 is answered with another class."""
        return (self.predict_2 != ABSTAIN) & (self.predict_2 != self.predict_1[:, None])

    def broken(self, norm: str) -> np.ndarray:
        """[W] which count, as the module says."""
        distance = self.distance(norm)
        box = ((self.x2 >= 0) & (self.x2 <= 1)).all(tuple(range(1, self.x2.ndim)))
        again = (self.again_predict == self.predict_1) & (self.again_radius > distance)
        most = self.other[:, 0] & (2 * self.other.sum(1) > self.other.shape[1])
        return np.asarray(box & (distance < self.radius_1) & again & most)

    def contradicting(self, norm: str) -> np.ndarray:
        """[W] broken, and x2 is certified for another class with a radius, for most seeds."""
        certified = self.other & (self.radius_2 > 0)
        return self.broken(norm) & (2 * certified.sum(1) > certified.shape[1])

    def arrays(self) -> dict[str, Any]:
        """What :meth:`read` reads from an .npz file; ``about`` is JSON."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "about"}
        return {"about": json.dumps(self.about, sort_keys=True), **arrays}

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Witnesses:
        """The witnesses of an .npz file; SmoothcertError for any other file."""
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                arrays = {f.name: file[f.name] for f in fields(cls)}
            return cls(**{**arrays, "about": json.loads(str(arrays["about"]))})
        except FileNotFoundError:
            raise SmoothcertError(f"{path}: no such witness file") from None
        except (OSError, KeyError, ValueError) as error:
            raise SmoothcertError(f"{path}: not a witness file: {error}") from None


def confirm(
    deployed: Deployed,
    balls: Balls,
    x2: torch.Tensor,
    tactic: np.ndarray,
    budget: Fixed,
    *,
    seed: int,
    seeds: int = 5,
    own_seed: int = 0,
    about: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Witnesses:
    """Answer each x2 [W, *shape], of the balls [W], as the deployed classifier would.

    Its scale is searched ``seeds`` times: with ``own_seed``, that of the certificates, and with
    others that are named by ``seed`` and were never used before. What can no longer count as
    broken is not asked further: it keeps abstentions with radius 0 for the rest.
    """
    names = [stream_seed(seed, "audit-confirm", k) for k in range(seeds)]
    names[0] = own_seed
    w, label, norm = len(balls), balls.label, deployed.noise.norm
    votes = stream_seed(seed, "audit-confirm-votes")
    larger = replace(budget, n=4 * budget.n)
    again, _ = deployed.certify(balls.x, balls.sigma, balls.idx, label, larger, votes)
    _, frozen = deployed.certify(x2, balls.sigma, balls.idx, label, budget, votes ^ 1)
    sigma, radius = np.zeros((w, seeds)), np.zeros((w, seeds))
    answer, count = np.full((w, seeds), ABSTAIN), np.zeros((w, seeds), np.int64)
    distance = length(x2.double() - balls.x.double(), norm).cpu().numpy()
    possible = np.asarray((distance < again.radius) & (again.predict == balls.predict))
    for k in range(seeds):
        other = (answer != ABSTAIN) & (answer != balls.predict[:, None])
        possible &= 2 * (other.sum(1) + seeds - k) > seeds
        if k:
            possible &= other[:, 0]
        rows = np.flatnonzero(possible)
        if len(rows) == 0:
            break
        idx = balls.idx[rows]
        sigma[rows, k] = deployed.scales(x2[rows], idx, names[k])
        table, answer[rows, k] = deployed.certify(
            x2[rows], sigma[rows, k], idx, label[rows], budget, stream_seed(votes, "seed", k)
        )
        radius[rows, k] = np.where(table.predict == answer[rows, k], table.radius, 0.0)
        count[rows, k] = table.columns["count"]
        if progress:
            progress(k + 1, seeds)
    return Witnesses(
        x1=balls.x.cpu().numpy(), x2=x2.cpu().numpy(), idx=balls.idx, label=label,
        predict_1=balls.predict, radius_1=balls.radius, sigma_1=balls.sigma,
        p_lower_1=balls.p_lower, again_predict=again.predict, again_radius=again.radius,
        seeds=np.tile(np.array(names, np.uint64), (w, 1)), sigma_2=sigma, predict_2=answer,
        radius_2=radius, count_2=count, frozen=frozen, tactic=np.asarray(tactic, str),
        about=about or {},
    )  # fmt: skip


def again(
    deployed: Deployed, old: Witnesses, budget: Fixed, seed: int, seeds: int = 5
) -> Witnesses:
    """The same pairs confirmed anew: fresh votes, and seeds that are not those of ``old``."""
    balls = Balls(
        torch.from_numpy(old.x1), old.idx, old.label, old.predict_1, old.radius_1, old.sigma_1,
        old.p_lower_1,
    )  # fmt: skip
    x2, own = torch.from_numpy(old.x2), int(old.seeds[0, 0]) if len(old) else 0
    return confirm(
        deployed, balls, x2, old.tactic, budget,
        seed=seed, seeds=seeds, own_seed=own, about=old.about,
    )  # fmt: skip
