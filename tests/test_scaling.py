"""What a slug of a scaling says, and what each scaling finds on models that are known."""

import numpy as np
import pytest
import torch
from scaling_helpers import Constant, Probit, problem

from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.scaling import SCALINGS, AscentSound
from smoothcert.scaling.choice import largest
from smoothcert.scaling.objective import saturated
from smoothcert.scaling.problem import CHOICE, CLASS

SEARCHES = {
    "fixed": None,
    "ascent-K900": "ascent",
    "ascent-K100": "ascent",
    "ascent-mean-K900": "ascent",
    "ascent_n8-K900": "ascent_n8",
    "ascent-mean_n8-K900": "ascent_n8",
    "ascent_lr0.001-K900": "ascent_lr0.001",
    "ascent_clamp0.001-K900": "ascent_clamp0.001",
    "ascent_bound10.00-K900": "ascent_bound10.00",
    "ascent_sel1000-K900": "ascent_sel1000",
    "ascent_released-K900": "ascent_released",
    "ascent_n8_lr0.001_released-K1500": "ascent_n8_lr0.001_released",
    "ascent-sound-K50": "ascent-sound",
    "ascent-sound-K20": "ascent-sound",
    "ascent-sound_n8_val500-K50": "ascent-sound_n8_val500",
    "ramp-K900": "ramp",
    "ramp_clamp0.001-K100": "ramp_clamp0.001",
    "grid-n4": "grid-n4",
    "grid_K100-n10": "grid_K100-n10",
    "grid-hard-n500": "grid-hard-n500",
    "grid-hard_g5-n500": "grid-hard_g5-n500",
    "grid-one-n500": "grid-hard-n500",
    "grid-one_g5-n500": "grid-hard_g5-n500",
}


@pytest.mark.parametrize(("slug", "search"), SEARCHES.items())
def test_a_slug_is_read_back_and_names_its_search(slug: str, search: str | None) -> None:
    scaling = SCALINGS.parse(slug)
    assert scaling.slug == slug
    assert scaling.search == search


@pytest.mark.parametrize(
    "slug",
    [
        "ascent-K0", "ascent_n0-K900", "ascent_lr0.00-K900", "ascent_clamp0.50-K900",
        "ascent_bound1.00-K900", "ascent_sel0-K900", "ascent", "ascent-900", "ascent_n1-K900",
        "ascent-sound-K55", "ascent-sound_every20-K50", "ascent-sound_val0-K50", "ramp-K0",
        "ramp_lr0.00-K900", "grid-n0", "grid_K100-n101", "grid_bound0.50-n4", "grid-hard_g4-n500",
        "grid-hard_g1-n500", "grid-hard-n0", "fixed-K900", "ascend-K900",
    ],
)  # fmt: skip
def test_a_value_out_of_range_or_a_second_spelling_is_refused(slug: str) -> None:
    with pytest.raises(SmoothcertError, match=slug.split("_")[0].split("-")[0]):
        SCALINGS.parse(slug)


def test_the_grids_spend_the_evaluations_of_the_ascent_they_are_compared_with() -> None:
    ascent = SCALINGS.parse("ascent-K900").cost.evaluations
    assert ascent == 1800
    for slug in ("grid-n1", "grid-n2", "grid-n4", "grid-n10", "grid-hard-n200"):
        assert SCALINGS.parse(slug).cost.evaluations == ascent
    assert SCALINGS.parse("grid_K100-n10").cost.evaluations == 200  # appendix B


def one(slug: str, p) -> np.ndarray:  # type: ignore[no-untyped-def]
    scaling = SCALINGS.parse(slug)
    return scaling.find(p, [scaling])[0].sigma


# methods.md, 12
@pytest.mark.parametrize(
    ("noise", "clamp", "step"),
    [
        ("gaussian-0.25", "0.02", 2.0537e-4),
        ("gaussian-0.25", "0.001", 3.0902e-4),
        ("uniform-0.50", "0.02", 0.96e-4),
        ("laplace-0.25", "0.02", 3.2189e-4),
    ],
)
def test_a_confident_input_moves_by_the_clamped_quantile(
    noise: str, clamp: str, step: float
) -> None:
    option = "" if clamp == "0.02" else f"_clamp{clamp}"
    sure = problem(Constant(1000.0, 0.0, -1000.0), noise)  # softmax exactly 1 and 0, n = 1
    start = sure.sigma_0
    assert one(f"ascent{option}-K1", sure) - start == pytest.approx(step, rel=1e-4)
    ascent = one(f"ascent{option}-K60", sure)
    assert ascent - start == pytest.approx(60 * step, rel=1e-4)
    ramp = one(f"ramp{option}-K60", problem(Constant(0.0, 0.0), noise))
    assert ramp == pytest.approx(ascent, abs=1e-12)
    assert saturated(NOISES.parse(noise), float(clamp)) == pytest.approx(1e4 * step, rel=1e-4)


def test_a_flat_objective_moves_nothing() -> None:
    # Two equal classes: the radius is 0 at every scale.
    for slug in ("ascent-K20", "ascent_released-K20", "ascent-sound-K20"):
        assert (one(slug, problem(Constant(0.0, 0.0))) == 0.25).all()


def test_the_scale_stays_positive_and_does_not_run_away() -> None:
    up = SCALINGS.parse("ascent_lr0.10-K20")
    found = up.find(problem(Constant(9.0, 0.0)), [up])[0]
    assert (found.sigma == 1.0).all()
    assert found.hit_bound.all()
    down = problem(Constant(9.0, 0.0))
    down._classes[100] = torch.ones(3, dtype=torch.int64)  # c_A is the losing class
    found = up.find(down, [up])[0]
    assert (found.sigma == 0.0625).all()
    assert found.hit_bound.all()
    early = SCALINGS.parse("ascent_lr0.10-K1")
    assert not up.find(problem(Constant(9.0, 0.0)), [early])[0].hit_bound.any()


def test_the_default_bound_does_not_cut_the_longest_sweep_of_the_paper() -> None:
    longest = SCALINGS.parse("ramp-K1500")
    found = longest.find(problem(Constant(0.0, 0.0), "gaussian-0.12"), [longest])[0]
    assert not found.hit_bound.any()
    assert found.sigma[0] > 3 * 0.12


class _Kink(torch.nn.Module):
    """Finite everywhere, with a derivative that is not a number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zero = (x - x).flatten(1).sum(1).sqrt()
        return torch.stack([0.1 + zero, -zero], 1)


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    for slug in ("ascent-K5", "ascent-sound-K10"):
        assert (one(slug, problem(_Kink())) == 0.25).all()


def test_c_a_is_held_fixed_but_in_the_released_variant() -> None:
    # A steep boundary close by: under noise the other class wins nearly half of the samples, and
    # each sample is sure of its class.
    model = Probit(torch.full((4,), 1e3), -2e3)
    at = problem(model, n=1)
    at.x[:] = 0.52
    assert at.c_a().tolist() == [0]
    votes = at.votes(torch.tensor([[0.25]]), CLASS, 1000)[0, 0] / 1000
    assert 0.5 < votes[0] < 0.7
    steps = 200
    fixed = (one(f"ascent-K{steps}", at) - 0.25) / 2.0537e-4 / steps
    released = (one(f"ascent_released-K{steps}", at) - 0.25) / 2.0537e-4 / steps
    assert released == pytest.approx(1.0, rel=0.02)  # up at every sample, whatever its class
    assert fixed == pytest.approx(float(votes[0] - votes[1]), abs=0.2)  # up for c_A, else down


def test_the_sound_ascent_keeps_sigma_0_where_votes_see_no_gain() -> None:
    # The soft radius of a probit model grows with sigma for ever. The hard votes for the class
    # that is not on top at any scale certify nothing: all candidates tie.
    model = Probit(torch.ones(4), -3.0)
    at = problem(model)
    at._classes[100] = torch.zeros(3, dtype=torch.int64)
    ascent = SCALINGS.parse("ascent-sound-K50")
    assert isinstance(ascent, AscentSound)
    path, _, _ = ascent._path(at, 50)
    assert (path[-1] != 0.25).all()
    assert (one("ascent-sound-K50", at) == 0.25).all()


def test_ties_go_to_sigma_0() -> None:
    radii = np.array([[0.2, 0.5, 0.5], [0.0, 0.0, 0.0], [0.7, 0.5, 0.7], [0.1, 0.2, 0.3]])
    assert largest(radii).tolist() == [1, 0, 0, 2]
    assert largest(radii, start=2).tolist() == [2, 2, 2, 2]


def test_the_grids_find_the_best_of_their_scales() -> None:
    # All votes agree at every scale, so the largest scale certifies most.
    sure = problem(Constant(9.0, 0.0))
    assert one("grid-hard-n50", sure) == pytest.approx(0.75)
    assert one("grid-n4", sure) == pytest.approx(1.0)
    # Nothing can be certified: sigma_0 stays.
    sure._classes[100] = torch.ones(3, dtype=torch.int64)
    assert (one("grid-hard-n50", sure) == 0.25).all()


def test_controls_give_every_input_one_scale() -> None:
    model = Probit(torch.ones(4), -1.7)
    for each, shared in (("ascent-K50", "ascent-mean-K50"), ("grid-hard-n50", "grid-one-n50")):
        own, one_for_all = SCALINGS.parse(each), SCALINGS.parse(shared)
        found, common = own.find(problem(model), [own, one_for_all])
        assert len(set(found.sigma)) > 1
        assert one_for_all.pools
        assert not own.pools
        pooled = one_for_all.pooled(common, 0.25)
        assert len(set(pooled.sigma)) == 1
        if each == "ascent-K50":
            assert pooled.sigma[0] == found.sigma.mean()
        else:
            means = found.scores.mean(0)
            assert pooled.sigma[0] == own.scales(0.25)[means.argmax()]


def test_a_noise_without_a_soft_radius_is_refused() -> None:
    with pytest.raises(SmoothcertError, match="no soft radius"):
        one("ascent-K1", problem(Constant(1.0, 0.0), "gaussian-linf-0.25"))


def test_votes_of_a_network_that_gives_nan_are_refused() -> None:
    with pytest.raises(SmoothcertError, match="idx 0: the model gave NaN"):
        problem(Constant(float("nan"), 0.0)).votes(torch.full((3, 1), 0.25), CHOICE, 10)
