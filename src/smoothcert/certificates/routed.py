"""Dual smoothing: a smoothed estimator says which noise scale, and so whose votes, an input gets.

A scale found at x says nothing of the scales near x, so a certificate at it is one of another
classifier at every input. Let the estimator s answer with one of K levels, and smooth it as a
classifier is smoothed: S(x) = argmax_k P(s(x + tau e) = k). The classifier

    G(x) = argmax_c P(f_k(x + sigma_k e) = c),  k = S(x),

is one function of x, without memory; the levels may share one network f or have networks of
their own, trained at their scale. If P(s(x + tau e) = k) = p_s > 1/2 and
P(f_k(x + sigma_k e) = c) = p_c > 1/2, then S is k on the open ball of radius r_s = R(p_s, tau) and
the smoothed f_k is c on that of r_c = R(p_c, sigma_k): so G is c on the smaller ball.

No alpha is split between the two. Given the level and the class that the selection votes name,
p_s and p_c are fixed, and one of r_s, r_c is the smaller, say r_s. A certificate
min(R_s, R_c) > min(r_s, r_c) then has R_s > r_s, whatever R_c is: that has probability at most
alpha if R_s comes from a lower bound at alpha; and likewise for r_c. So the smaller of two lower
bounds at alpha is a lower bound at alpha for the smaller of two numbers (the intersection-union
principle: Berger 1982), however the two draws of noise depend on each other. The noise of
selection certifies nothing.

Sun, Mao, Vechev, "Dual Randomized Smoothing: Beyond Global Noise Variance", ICLR 2026
(arXiv 2512.01782); read: its abstract. The proof above is complete without it. R. L. Berger,
"Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.votes import VoteStore
from smoothcert.votes.store import concatenate, take

ROUTE = "route"  # the key of a store's identity that says how its levels were chosen

# What the stores of the levels, and of them the estimator's, must agree in.
_SAME = ("look", "n0", "n_classes", "engine", "precision")
_ALL = ("dataset", "data_digest", "shape")


@dataclass(frozen=True)
class Route:
    """The estimator's votes for the level of each input; arrays [N].

    ``count`` of ``n`` votes under noise of scale ``tau`` (pixels) are for ``level``, which most of
    ``n0`` others named.
    """

    level: NDArray[np.int64]
    count: NDArray[np.int64]
    n: int
    n0: int
    tau: float

    @classmethod
    def of(cls, store: VoteStore) -> Route | None:
        """That of a routed store; None for any other."""
        about = store.identity.get(ROUTE)
        if about is None:
            return None
        level, count = store.extra["route_level"], store.extra["route_count"]
        return cls(level, count, about["n"], about["n0"], NOISES.parse(about["noise"]).scale)

    @property
    def samples(self) -> int:
        """Drawn at each input."""
        return self.n0 + self.n

    def p_lower(self, alpha: float) -> NDArray[np.float64]:
        """A lower bound on the probability of the level, [N], each wrong with ``alpha`` at most."""
        return clopper_pearson_lower(self.count, self.n, alpha)

    def radius(self, p_lower: NDArray[np.float64], noise: Noise, d: int) -> NDArray[np.float64]:
        """How far around each input its level is the same, [N], in the norm of ``noise``."""
        return noise.radius(p_lower, self.tau, d)


def routed(
    route: VoteStore, levels: Sequence[VoteStore], scaling: str = "dual", level_noise: str = ""
) -> VoteStore:
    """The votes of G: of each input those of the level that the estimator names.

    ``route`` are votes of the estimator (its classes are the levels, in order), of one fixed
    number of samples; ``levels`` those of each level's network at its noise, of the same inputs
    in the same order. :func:`certify` then gives the smaller of R_s and R_c. ``scaling`` is the
    slug that the store says, ``level_noise`` its noise (default: that of the first level). Raises
    SmoothcertError for stores that do not belong together.
    """
    _check(route, levels)
    level = route.top_class()
    n = int(route.samples().max(initial=0))
    parts = [np.flatnonzero(level == k) for k in range(len(levels))]
    order = np.argsort(np.concatenate(parts), kind="stable")
    joined = take(concatenate([take(s, p) for s, p in zip(levels, parts, strict=True)]), order)
    about = [store.identity for store in levels]
    same = {k: v for k, v in about[0].items() if all(k in a and a[k] == v for a in about)}
    own = ("noise", "training", "model_digest")
    identity: dict[str, Any] = {
        **same,
        "noise": level_noise or about[0]["noise"],
        "training": about[0].get("training"),  # of the run; each level's stands below
        "scaling": scaling,
        ROUTE: {
            **{k: route.identity.get(k) for k in (*own, "seed", "look", "n0")},
            "n": n,
            "levels": [{k: a.get(k) for k in own} for a in about],
        },
    }
    extra = {"route_level": level, "route_count": route.count(level, n)}
    return replace(joined, identity=identity, rows=levels[0].rows, extra=extra)


def _check(route: VoteStore, levels: Sequence[VoteStore]) -> None:
    """Raise SmoothcertError unless the votes of the estimator and of its levels fit together."""
    if len(levels) != route.n_classes:
        raise SmoothcertError(
            f"routing: the estimator has {route.n_classes} levels; expected one vote store"
            f" for each, found {len(levels)}"
        )
    if (route.samples() != route.samples().max(initial=0)).any():
        raise SmoothcertError(
            "routing: the estimator's number of votes differs between inputs; expected one number"
        )
    family = _family(route)
    for k, store in enumerate(levels):
        name = f"routing: level {k}"
        if ROUTE in store.identity or store.identity.get("scaling", "fixed") != "fixed":
            raise SmoothcertError(f"{name}: its votes are not at one fixed noise scale")
        if _family(store) != family:
            raise SmoothcertError(
                f"{name}: votes under {store.identity['noise']}, the estimator's under"
                f" {route.identity['noise']}: expected the same kind of noise"
            )
        if not np.array_equal(store.idx, route.idx):
            raise SmoothcertError(f"{name}: its inputs differ from those of the estimator's votes")
        for other, keys in ((levels[0], _SAME), (route, _ALL)):
            for key in keys:
                ours, theirs = store.identity.get(key), other.identity.get(key)
                if ours != theirs:
                    raise SmoothcertError(f"{name}: {key}: expected {theirs!r}, found {ours!r}")


def _family(store: VoteStore) -> str:
    """The slug without scale of the noise that a store's votes are draws of."""
    return NOISES.parse(store.identity["noise"]).drawn_as.shape_slug
