"""All noisy copies instead of random ones: votes, certificates, and what must not be mixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothcert import certify, sample
from smoothcert.audits.falsification import claims, falsify, verdict
from smoothcert.audits.honesty import together
from smoothcert.audits.settings import FalsificationSettings
from smoothcert.budget import BUDGETS, Exhaustive, Fixed
from smoothcert.certificates import metrics
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Gaussian, Splitting
from smoothcert.report.verdict import BROKEN, NOT_FOUND
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler

NOISE = Splitting(1.0, 8)


class Net(torch.nn.Module):
    """Three classes of random directions."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
        self.weight = torch.nn.Parameter(weight)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (z.flatten(1) - 0.4) @ self.weight.T


def images(n: int) -> torch.Tensor:
    return torch.randint(9, (n, 1, 2, 3), generator=torch.Generator().manual_seed(0)).float() / 8


def by_hand(model: torch.nn.Module, x: torch.Tensor) -> np.ndarray:
    copies = NOISE.noisy_by(x.expand(16, *x.shape), 1.0, torch.arange(16))
    return np.bincount(model(copies).argmax(1).numpy(), minlength=3)


def test_every_copy_votes_once_and_the_certificate_is_exact():
    model, x = Net().eval(), images(40)
    store = sample(model, x, Exhaustive(16), NOISE, engine="torch", seed=3)
    votes = np.stack([by_hand(model, image) for image in x])
    assert (store.estimation.dense(3) == votes).all()
    assert store.n0 == 0
    again = sample(model, x, Exhaustive(16), NOISE, engine="torch", seed=4, look=5)
    assert (again.estimation.dense(3) == votes).all()  # no seed and no look has a say
    table = certify(store, Exhaustive(16))
    lead = np.sort(votes, 1)[:, -1] - np.sort(votes, 1)[:, -2]
    assert table.radius == pytest.approx(lead / 16)
    assert (table.predict == np.where(lead > 0, votes.argmax(1), -1)).all()
    assert table.single("alpha") == 0
    assert table.single("samples") == 16
    # An attack by all neighbours of a grid step and two: within the radius nothing changes.
    for i in np.flatnonzero(table.radius > 1 / 8):
        steps = torch.cat([torch.eye(6), -torch.eye(6)]).view(12, 1, 2, 3) / 8
        near = x[i] + steps
        assert {int(by_hand(model, y).argmax()) for y in near} == {int(table.predict[i])}


def test_random_copies_and_all_of_them_are_not_taken_for_each_other():
    model, x = Net().eval(), images(3)
    every = sample(model, x, Exhaustive(16), NOISE, engine="torch")
    some = sample(model, x, Fixed(16, n0=10), NOISE, engine="torch")
    with pytest.raises(SmoothcertError, match=r"fixed.*random noisy copies; these are on all"):
        certify(every, Fixed(16, n0=10))
    with pytest.raises(SmoothcertError, match=r"exhaustive-16: needs votes on all"):
        certify(some, Exhaustive(16))


@pytest.mark.parametrize(
    ("budget", "noise", "said"),
    [
        ("exhaustive-15", NOISE, "splitting_q8 has 16 noisy copies at scale 1$"),
        ("exhaustive-16", Gaussian(0.5), "gaussian has infinitely many noisy copies"),
    ],
)
def test_another_number_of_copies_ends_in_one_line(budget, noise, said):
    with pytest.raises(SmoothcertError, match=said):
        sample(Net().eval(), images(2), BUDGETS.parse(budget), noise, engine="torch")


def test_random_shifts_certify_with_alpha():
    """The bound from random shifts lies below the exact probability, but for alpha."""
    model, x = Net().eval(), images(40)
    exact = certify(sample(model, x, Exhaustive(16), NOISE, engine="torch"), Exhaustive(16))
    store = sample(model, x, Fixed(2000), NOISE, engine="torch")
    sampled = certify(store, Fixed(2000))
    both = (sampled.predict >= 0) & (sampled.predict == exact.predict)
    assert both.sum() > 10
    assert (sampled.columns["p_lower"][both] <= exact.columns["p_lower"][both]).all()


def test_noise_on_a_grid_is_sampled_and_certified_like_gaussian_noise():
    model, x = Net().eval(), images(20)
    grid = NOISES.parse("gaussian-grid_q256-0.25")
    budget = Fixed(4000)
    stores = [
        sample(model, x, budget, n, engine="torch", look=4000) for n in (grid, Gaussian(0.25))
    ]
    first, second = (store.estimation.dense(3) / 4000 for store in stores)
    assert first == pytest.approx(second, abs=0.05)
    assert certify(stores[0], budget).radius.max() > 0.2
    with pytest.raises(SmoothcertError, match=r"^image idx 0: expected multiples of 1/255"):
        sample(model, x, Fixed(4000), NOISES.parse("gaussian-grid-0.25"), engine="torch")


def test_a_table_without_sampling_error_holds_as_a_whole():
    model, labels = Net().eval(), np.arange(20) % 3
    store = sample(model, images(20), Exhaustive(16), NOISE, labels=labels, engine="torch")
    family = together(store, Exhaustive(16))
    assert (family.joint.radius == family.plain.radius).all()
    assert (family.any_wrong, family.quantile) == (0.0, 0)
    labelled = certify(store, Exhaustive(16))
    radii = np.array([0.0, 0.25])
    plain = metrics.certified_accuracy(labelled, radii).value
    assert (metrics.corrected_accuracy(labelled, radii) == plain).all()


# --- attacks ----------------------------------------------------------------------------------


def attacked(more: float):
    """The verdict on certificates of splitting noise whose radii are larger by ``more``."""
    model, x = Net().eval(), images(30)
    table = certify(sample(model, x, Exhaustive(16), NOISE, engine="torch"), Exhaustive(16))
    table.columns["radius"] = np.where(table.predict >= 0, table.radius + more, 0.0)
    sampler = Sampler(open_engine(model, (1, 2, 3), torch.device("cpu"), "torch"), NOISE, 3, 64)
    settings = FalsificationSettings(steps=6, copies=16, directions=12, inputs=2)
    found = falsify(sampler, claims(table, x, NOISE), settings)
    return verdict(found, "p", "s", "", ours=True), found


def test_an_attack_on_all_noisy_copies_is_exact_and_stays_on_the_grid():
    right, found = attacked(0.0)
    assert right.verdict == NOT_FOUND
    assert found.n == 16
    steps = found.point.double() * 8
    assert (steps - steps.round()).abs().max() < 1e-4
    assert found.distance.max() >= 0.5  # several grid steps were tried
    for i in range(0, len(found.claims), 7):
        votes = by_hand(Net().eval(), found.point[i])
        assert found.count[i] == votes[found.claims.predict[i]]


def test_a_splitting_radius_that_is_too_large_is_seen_by_the_attack():
    wrong, found = attacked(3 / 8)
    assert wrong.verdict == BROKEN
    assert set(found.cause[found.lost]) == {"radius"}
