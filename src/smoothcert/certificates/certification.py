"""Votes -> certificates; and, for a model at hand, images -> votes -> certificates.

Needs no torch: the thousands of small jobs of a full run start at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget import Budget
from smoothcert.budget.adaptive import Adaptive, Outcome
from smoothcert.certificates import ABSTAIN, CertificateTable, make_table
from smoothcert.certificates.routed import Route
from smoothcert.core.confidence import check_alpha, tie_p_value
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import check_part
from smoothcert.noise import NOISES, Noise
from smoothcert.votes import VoteStore


def certify(
    store: VoteStore, budget: Budget, noise: Noise | None = None, seconds: ArrayLike = 0.0
) -> CertificateTable:
    """The certificates of a vote store under a budget.

    With probability at least 1 - alpha over the noise, for each input by itself: the
    smoothed classifier x -> argmax_c P(f(x + scale * noise) = c) is constant, equal to
    ``predict``, on the open ball of ``radius`` (in the noise's norm) around the input. An
    abstention (``predict`` -1, radius 0) promises nothing. Of a routed store (routed.py) the same
    holds with the scale and the network that the smoothed estimator names at each x.

    The number of samples must not have been chosen after a look at certificates of fewer: then
    it can fail with nearly twice alpha, unless the budget is ``anytime`` (docs/methods/iss.md).

    ``noise`` defaults to the store's own; another must be one of the same draws. ``seconds`` [N]
    is the time of all the store's samples; the time column gets the share of those that the
    budget draws. A fixed budget needs the n0 it names; an adaptive one takes the selection votes
    there are, and ISS fills its first stage up from the estimation samples. Raises SmoothcertError
    for a noise of other draws, another n0, votes of a single class, or where the store has fewer
    samples than the budget needs.
    """
    check_part(budget, Budget)
    noise = read_as(store, noise)
    if store.n_classes < 2 and "published" not in store.identity:
        raise SmoothcertError(
            f"votes for {store.n_classes} class: expected at least two, from a network with one"
            " output per class"
        )
    every = store.identity.get("copies") == "all"
    if budget.exhaustive != every:
        kinds = ["random noisy copies", "all noisy copies, each once"]
        raise SmoothcertError(
            f"budget {budget.slug}: needs votes on {kinds[not every]}; these are on {kinds[every]}"
        )
    if budget.paired != ("votes_of" in store.identity):
        what = "votes with pairs" if budget.paired else "votes of the certified classifier alone"
        raise SmoothcertError(f"budget {budget.slug}: needs {what} (smoothcert.sampling.pairs)")
    own = isinstance(budget, Adaptive) or "published" in store.identity
    if store.n0 and budget.n0 != store.n0 and not own:
        raise SmoothcertError(
            f"budget {budget.slug}: n0 {budget.n0}; the store has {store.n0} selection samples"
        )
    route = Route.of(store)
    bounds = budget.beside(noise).bounds(store, noise, store.d)
    drawn = bounds.samples if isinstance(bounds, Outcome) else store.n0 + bounds.n
    stored = store.n0 + store.samples()
    radius = noise.radius(bounds.p_lower, store.scale, store.d, bounds.p_upper)
    both = {} if bounds.p_upper is None else {"p_upper": bounds.p_upper}
    level: dict[str, Any] = {}
    if route is not None:
        p_level = route.p_lower(budget.beside(noise).alpha)
        radius = np.minimum(radius, route.radius(p_level, noise, store.d))
        level = {"level": route.level, "level_p_lower": p_level, "level_scale": route.tau}
        drawn, stored = drawn + route.samples, stored + route.samples
    share = np.minimum(drawn / np.maximum(stored, 1), 1.0)
    return make_table(
        idx=store.idx,
        label=store.label,
        predict=np.where(radius > 0, bounds.predict, ABSTAIN),
        radius=radius,
        time=np.asarray(seconds, np.float64) * share,
        p_lower=bounds.p_lower,
        **both,
        count=bounds.count,
        n=bounds.n,
        n0=store.n0,
        samples=drawn,
        alpha=budget.alpha,
        sigma=store.scale,
        noise=noise.slug,
        norm=noise.norm,
        budget=budget.slug,
        scaling=store.identity.get("scaling", "fixed"),
        **_engine(store),
        **level,
    )


def _engine(store: VoteStore) -> dict[str, str]:
    engine, precision = (store.identity.get(key) for key in ("engine", "precision"))
    return {"engine": f"{engine} in {precision}"} if engine and precision else {}


def read_as(store: VoteStore, noise: Noise | None = None) -> Noise:
    """The noise that certifies the votes, by default their own.

    Raises SmoothcertError if the votes are not draws of it: its radii would be wrong for them.
    """
    drawn = NOISES.parse(store.identity["noise"])
    if noise is None:
        return drawn
    check_part(noise, Noise)
    # By slug: a noise may hold a radius table as well, which changes no draw.
    if noise.drawn_as.slug != drawn.drawn_as.slug:
        raise SmoothcertError(
            f"noise {noise.slug}: the votes were drawn with {drawn.slug}, another distribution"
        )
    return noise


def predict(counts: ArrayLike, alpha: float) -> NDArray[np.int64]:
    """Cohen's PREDICT: the class with most votes, or -1 where the top two may be tied.

    ``counts`` [N, C], C >= 2, are votes of n samples. With probability at least 1 - alpha the
    answer is -1 or the class the smoothed classifier returns (Cohen et al. 2019, Proposition 2):
    a two-sided exact binomial test of the top two counts against 1/2. Raises SmoothcertError
    for an (n, alpha) that can never answer, with the smallest n that can.

    Votes of :func:`smoothcert.sample` with ``purpose="prediction"`` make it independent of
    certificates with the same seed.
    """
    check_alpha(alpha)
    counts = _counts(counts)
    n = int(counts.sum(1).max(initial=0))
    least = int(np.ceil(np.log2(2 / alpha) - 1e-12))
    if n < least:
        raise SmoothcertError(
            f"n {n} can never predict at alpha {alpha:g}: expected at least {least} samples"
        )
    second, most = np.sort(counts, 1)[:, -2:].T
    return np.where(tie_p_value(most, second) <= alpha, counts.argmax(1), ABSTAIN)


def _counts(counts: ArrayLike) -> NDArray[np.int64]:
    """Votes [N, C] as whole numbers; SmoothcertError for anything else."""
    try:
        given = np.asarray(counts)
        whole = given.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise SmoothcertError(f"votes: expected whole numbers [N, C]: {error}") from None
    if whole.ndim != 2 or whole.shape[1] < 2:
        raise SmoothcertError(
            f"votes: expected [N, C] of at least two classes, found shape {whole.shape}"
        )
    if (whole != given).any() or (whole < 0).any():
        raise SmoothcertError("votes: expected whole numbers >= 0")
    return whole
