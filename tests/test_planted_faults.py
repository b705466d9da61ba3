"""Each fault that matters is planted, and the audit that is named for it reports BROKEN.

The same audit without the fault does not. Which audit catches which fault is listed in
docs/methods/audits.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from smoothcert.audits import numerics_verdicts, procedures
from smoothcert.audits.either_order import either_order
from smoothcert.audits.extremal import radii_verdict
from smoothcert.audits.falsification import claims, falsify, verdict
from smoothcert.audits.falsify_lbrs import exact_verdicts
from smoothcert.audits.numerics_verdicts import bound_verdict
from smoothcert.audits.procedures import every_path
from smoothcert.audits.reuse import record_pipeline, reuse_verdict
from smoothcert.audits.settings import FalsificationSettings
from smoothcert.audits.smooth_attack import effort
from smoothcert.budget import Fixed
from smoothcert.certificates import memory
from smoothcert.certificates.certification import certify
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.lbrs import spiral
from smoothcert.lbrs.settings import Spiral
from smoothcert.noise import Gaussian, Laplace, Noise, Uniform
from smoothcert.noise.centripetal_l2 import CentripetalL2
from smoothcert.report.verdict import BROKEN
from smoothcert.sampling import collect as collecting
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import sample
from smoothcert.sampling.sampler import Sampler
from smoothcert.scaling import problem

GRID = np.linspace(0.5, 0.99, 20)


class Plane(torch.nn.Module):
    """Two classes, divided by a plane: Cohen's certificate is exact on it."""

    def __init__(self, d: int) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(3)
        normal = torch.randn(d, generator=stream)
        self.normal = torch.nn.Parameter(normal / normal.norm())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        lead = 4 * (z.flatten(1) - 0.5) @ self.normal
        return torch.stack([-lead, lead], 1)


def around_the_plane(n: int) -> torch.Tensor:
    """Images near grey, from 0.2 to 0.4 off the plane of :class:`Plane`."""
    model = Plane(16)
    off = torch.linspace(0.2, 0.4, n).view(-1, 1, 1, 1)
    return (0.5 + off * model.normal.detach().view(1, 1, 4, 4)).clamp(0, 1)


# --- a radius formula off by 5% --------------------------------------------------------------


def with_radius(noise: type[Noise], factor: float) -> type[Noise]:
    """A subclass whose radius is ``factor`` times as large."""

    @dataclass(frozen=True)
    class Off(noise):  # type: ignore[valid-type,misc]
        def standard_radius(self, p_lower, d):  # type: ignore[no-untyped-def]
            return factor * super().standard_radius(p_lower, d)

    return Off


@pytest.mark.parametrize(
    ("noise", "d"), [(Gaussian, 16), (Laplace, 16), (Uniform, 16), (CentripetalL2, 16)]
)
def test_a_radius_5_percent_too_large_is_seen_by_the_audit_of_radii(noise, d):
    arguments = {}
    if noise is CentripetalL2:  # a coarse table is quick, and certifies less
        arguments = {"k": 4, "table": noise(1.0, k=4).build_table(d, intervals=24)}
    right, _ = radii_verdict(noise(1.0, **arguments), d, (0.9,), n=150_000)
    wrong, rows = radii_verdict(with_radius(noise, 1.05)(1.0, **arguments), d, (0.9,), n=150_000)
    assert right.verdict != BROKEN
    assert right.numbers["caught"] == 1  # and it says that it would have seen 5%
    assert wrong.verdict == BROKEN
    assert rows[0]["high"] < 0.5


def attacked(factor: float):
    """The verdict on certificates of a plane whose radii are multiplied by ``factor``."""
    noise, images = Gaussian(0.25), around_the_plane(6)
    model = Plane(16).eval()
    budget = Fixed(50_000)
    store = sample(model, images, budget, noise, labels=np.ones(6, int), look=10_000)
    table = certify(store, budget, noise)
    table.columns["radius"] = factor * table.radius
    sampler = Sampler(open_engine(model, (1, 4, 4), torch.device("cpu")), noise, 2, 4096)
    settings = FalsificationSettings(
        steps=10, copies=16, starts=("clean",), directions=2, inputs=0, screen=200, votes=100_000
    )
    found = falsify(sampler, claims(table, images, noise), settings)
    return verdict(found, "p", "s", effort(settings), ours=True), found


def test_a_radius_5_percent_too_large_is_seen_by_an_attack_on_a_tight_classifier():
    wrong, found = attacked(1.05)
    assert wrong.verdict == BROKEN
    assert wrong.numbers["wrong_radius"] >= 1  # the bounds were right, so it is the radius
    assert (found.distance < found.claims.radius).all()
    right, _ = attacked(1.0)
    assert right.verdict != BROKEN
    assert right.numbers["lost"] == 0
    assert right.numbers["least_share"] < 0.53  # as near as a search can come


def test_an_lbrs_radius_5_percent_too_large_is_seen_by_the_exact_distance():
    small = Spiral(train=100, reserved=20, test=30)
    bias = np.array([0.0, 1.0, 10.0])
    out, _ = spiral.run(small, bias, bias, exact=30)
    assert all(v.verdict != BROKEN for v in exact_verdicts(out))
    out["tight_l2"] = 1.05 * out["tight_l2"]
    found = {v.promise: v.verdict for v in exact_verdicts(out)}
    assert found["LBRS certificates (tight) hold inside their radius"] == BROKEN


def test_noise_smaller_than_its_radius_assumes_is_seen_by_the_audit_of_radii():
    @dataclass(frozen=True)
    class Small(Gaussian):
        def sample(self, shape, generator):  # type: ignore[no-untyped-def]
            return 0.9 * super().sample(shape, generator)

    assert radii_verdict(Small(1.0), 16, (0.9,), n=100_000)[0].verdict == BROKEN


# --- a reused noise stream -------------------------------------------------------------------


def pipeline(scaling: str = "fixed"):
    """The verdict on the streams of a small pipeline."""
    images = around_the_plane(2)
    model = Plane(16).eval().requires_grad_(False)
    record = record_pipeline(
        model, Gaussian(0.25), images, np.array([0, 7]), Fixed(600), scaling, n_classes=2, look=300
    )
    return reuse_verdict(record, "s")


def test_selection_noise_that_certifies_is_seen_by_the_audit_of_streams(monkeypatch):
    assert pipeline().verdict != BROKEN
    monkeypatch.setattr(collecting, "ESTIMATION", collecting.SELECTION)
    found = pipeline()
    assert found.verdict == BROKEN
    # Only the first look of an input repeats its selection votes.
    assert found.numbers["reused"] == {"certificate and certificate": 2 * 100}


def test_the_noise_of_the_search_that_certifies_is_seen_by_the_audit_of_streams(monkeypatch):
    assert pipeline("ascent-K40").verdict != BROKEN
    for module in (problem, __import__("smoothcert.scaling.ascent", fromlist=["ascent"])):
        if hasattr(module, "ASCENT"):
            monkeypatch.setattr(module, "ASCENT", "estimation")
    found = pipeline("ascent-K40")
    assert found.verdict == BROKEN
    assert "certificate and search for the scale" in found.numbers["reused"]


def test_counting_the_selection_votes_again_is_seen_by_the_audit_of_coverage():
    """What ISS does as published, at a fixed size: class and bound from the same votes."""

    @dataclass(frozen=True)
    class Reused(Fixed):
        def decide_on(self, stream):  # type: ignore[no-untyped-def]
            n = np.full(len(stream.first), self.n)
            count = stream.first + stream.count(np.arange(len(n)), n)
            return count, n + stream.n0

    budget = Reused(30, 0.05, 10)
    paths = procedures.EveryPath(10, 10, 3)
    count, n = budget.decide_on(paths)
    bound = clopper_pearson_lower(count, n, budget.alpha)
    curve = procedures._curve("reused", paths.certificates(bound > 0.5, bound), budget, GRID, True)
    assert curve.broken
    assert curve.failure[curve.worst] > 1.2
    assert not every_path("fixed", Fixed(30, 0.05, 10), 10, 3, GRID).broken


# --- an alpha counted twice ------------------------------------------------------------------


def test_two_looks_each_at_the_whole_alpha_are_seen_by_the_audit_of_coverage(monkeypatch):
    budget = procedures.Sequential(40, 0.05, 10, price=60.0, engine="spending")
    assert not every_path("spending", budget, 10, 4, GRID).broken
    from smoothcert.budget import sequential

    monkeypatch.setattr(sequential, "shares", lambda ends, last: np.ones(len(ends)))
    curve = every_path("every look at alpha", budget, 10, 4, GRID)
    assert curve.broken
    assert curve.failure[curve.worst] > 1.5


def test_a_bound_off_by_one_vote_is_seen_by_two_audits(monkeypatch):
    """Beta(k, n - k) in the place of Beta(k, n - k + 1)."""

    def wrong(count, n, alpha):  # type: ignore[no-untyped-def]
        from scipy.special import betaincinv

        k, m = np.asarray(count, float), np.asarray(n, float)
        return np.where(k > 0, betaincinv(np.maximum(k, 1), np.maximum(m - k, 1), alpha), 0.0)

    assert bound_verdict(2000).verdict != BROKEN
    monkeypatch.setattr(numerics_verdicts, "clopper_pearson_lower", wrong)
    assert bound_verdict(2000).verdict == BROKEN
    from smoothcert.budget import simulated

    monkeypatch.setattr(simulated, "clopper_pearson_lower", wrong)
    assert every_path("off by one", Fixed(30, 0.05, 10), 10, 3, GRID).broken


# --- a memory that skips trimming ------------------------------------------------------------


def test_a_memory_that_does_not_trim_is_seen_by_the_audit_of_either_order(monkeypatch):
    random = np.random.default_rng(0)
    points, attacks = random.random((30, 4)), random.random((10, 4))
    predict = np.arange(30) % 3
    given = (
        points, predict, np.full(30, 0.4), attacks, np.arange(10) % 3, np.full(10, 0.4),
        np.arange(10), "l2",
    )  # fmt: skip
    for answers in either_order(*given):
        assert answers.clashes == 0
    monkeypatch.setattr(memory, "largest_out_subset", lambda radius, stored, distance: radius + 0
                        * distance)  # fmt: skip
    assert all(answers.clashes > 0 for answers in either_order(*given))
