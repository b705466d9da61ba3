"""Witnesses: pairs (x1, x2) that break a certificate, confirmed, kept and checked again.

A witness counts as broken if
- x2 is an image of [0,1] and lies in the open certified ball of x1, in float64;
- x1 is certified again, with fresh votes at its recorded scale, for the same class with a
  radius that still reaches x2 (so the certificate was not one of the alpha that are wrong);
- for most of the seeds of the search for the scale, x2 at its own scale is certified for
  another class, each by fresh votes at the same alpha and n.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from smoothcert.audits.pair_bounds import ORDERS
from smoothcert.certificates import ABSTAIN
from smoothcert.errors import SmoothcertError
from smoothcert.files import atomic
from smoothcert.streams import stream_seed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from smoothcert.audits.deployed import Balls, Deployed
    from smoothcert.audits.pair_bounds import Floats, Ints
    from smoothcert.budget import Budget

    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Witnesses:
    """W pairs, S seeds of the search for the scale; images are [W, *shape] float32.

    ``*_1`` is the certificate under attack; ``again_*`` x1 certified again at ``sigma_1``;
    ``*_2`` [W, S] what x2 is certified as at its own scale, for each of ``seeds``; ``frozen`` [W]
    what x2 is certified as at the scale of x1, where the certificate does hold.
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
        gap = (self.x2.astype(np.float64) - self.x1.astype(np.float64)).reshape(len(self), -1)
        return np.asarray(np.linalg.norm(gap, ord=ORDERS[norm], axis=1))

    @property
    def other(self) -> np.ndarray:
        """[W, S] where x2 is certified for another class."""
        return (self.predict_2 != ABSTAIN) & (self.predict_2 != self.predict_1[:, None])

    def broken(self, norm: str) -> np.ndarray:
        """[W] which count, as the module says."""
        distance = self.distance(norm)
        box = ((self.x2 >= 0) & (self.x2 <= 1)).reshape(len(self), -1).all(1)
        again = (self.again_predict == self.predict_1) & (self.again_radius > distance)
        most = 2 * self.other.sum(1) > self.other.shape[1]
        return np.asarray(box & (distance < self.radius_1) & again & most)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as .npz, atomically; ``about`` as JSON in it."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "about"}
        with atomic(path) as temporary:
            np.savez_compressed(temporary, about=json.dumps(self.about, sort_keys=True), **arrays)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Witnesses:
        """Read what :meth:`write` wrote; SmoothcertError for any other file."""
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                arrays = {f.name: file[f.name] for f in fields(cls)}
            return cls(**{**arrays, "about": json.loads(str(arrays["about"]))})
        except FileNotFoundError:
            raise SmoothcertError(f"{path}: no such file of witnesses") from None
        except (OSError, KeyError, ValueError) as error:
            raise SmoothcertError(f"{path}: no file of witnesses: {error}") from None


def confirm(
    deployed: Deployed,
    balls: Balls,
    x2: torch.Tensor,
    tactic: np.ndarray,
    budget: Budget,
    *,
    seed: int,
    seeds: int = 5,
    own_seed: int | None = None,
    about: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Witnesses:
    """Certify each x2 [W, *shape] for the balls [W] as the deployed classifier would.

    ``seeds`` searches for its scale, named by ``seed`` and never used before; the first is
    ``own_seed``, that of the certificates, if given. What can no longer reach a majority is not
    certified further: it keeps an abstention with radius 0 for the rest.
    """
    names = [stream_seed(seed, "audit-confirm", k) for k in range(seeds)]
    if own_seed is not None:
        names[0] = own_seed
    w, label, norm = len(balls), balls.label, deployed.noise.norm
    votes = stream_seed(seed, "audit-confirm-votes")
    again = deployed.certificates(balls.x, balls.sigma, balls.idx, label, budget, votes)
    frozen = deployed.certificates(x2, balls.sigma, balls.idx, label, budget, votes ^ 1)
    sigma = np.zeros((w, seeds))
    radius = np.zeros((w, seeds))
    predict, count = np.full((w, seeds), ABSTAIN), np.zeros((w, seeds), np.int64)
    gap = (x2.double() - balls.x.double()).cpu().numpy().reshape(w, -1)
    reached = np.linalg.norm(gap, ord=ORDERS[norm], axis=1) < again.radius
    possible = reached & (again.predict == balls.predict)
    for k in range(seeds):
        other = ((predict != ABSTAIN) & (predict != balls.predict[:, None])).sum(1)
        rows = np.flatnonzero(possible & (2 * (other + seeds - k) > seeds))
        if len(rows) == 0:
            break
        idx = balls.idx[rows]
        sigma[rows, k] = deployed.scales(x2[rows], idx, names[k])
        table = deployed.certificates(
            x2[rows], sigma[rows, k], idx, label[rows], budget, stream_seed(votes, "seed", k)
        )
        predict[rows, k], radius[rows, k] = table.predict, table.radius
        count[rows, k] = table.columns["count"]
        if progress:
            progress(k + 1, seeds)
    return Witnesses(
        x1=balls.x.cpu().numpy(), x2=x2.cpu().numpy(), idx=balls.idx, label=label,
        predict_1=balls.predict, radius_1=balls.radius, sigma_1=balls.sigma,
        p_lower_1=balls.p_lower, again_predict=again.predict, again_radius=again.radius,
        seeds=np.tile(np.array(names, np.uint64), (w, 1)), sigma_2=sigma, predict_2=predict,
        radius_2=radius, count_2=count, frozen=frozen.predict, tactic=np.asarray(tactic, str),
        about=about or {},
    )  # fmt: skip
