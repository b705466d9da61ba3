"""What a search promises: its own noise, one run for a sweep, no trace left on its inputs."""

import numpy as np
import pytest
import torch
from core_helpers import trained_digits_model
from scaling_helpers import Constant, Probit, problem, searching

from smoothcert import datasets, models
from smoothcert.budget import BUDGETS
from smoothcert.compute import streams
from smoothcert.noise import NOISES
from smoothcert.sampling import collect
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import sample
from smoothcert.scaling import SCALINGS, AscentSound
from smoothcert.scaling import problem as problems
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.problem import CHOICE, OBJECTIVE, PURPOSES, Problem

ALL = (
    "ascent-K3", "ascent_n8_released-K3", "ascent-sound-K10", "grid_K4-n2", "grid-hard-n20",
    "ramp-K3", "ascent-mean-K3", "grid-one-n20", "fixed",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    path = trained_digits_model(tmp_path_factory.mktemp("model") / "model.safetensors")
    return models.load(path)[0]


def digits(model: torch.nn.Module, rows: slice, noise: str = "gaussian-0.25") -> Problem:
    data = datasets.load("digits", "test")
    idx = data.idx[rows].tolist()
    engine = searching(model, data.shape, "auto")
    return Problem(engine, NOISES.parse(noise), data.images[rows], idx, seed=7)  # type: ignore[arg-type]


def found(slug: str, at: Problem):  # type: ignore[no-untyped-def]
    scaling = SCALINGS.parse(slug)
    return scaling.find(at, [scaling])[0]


def test_no_noise_of_a_search_certifies(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[str, set[tuple]] = {"search": set(), "certify": set()}

    def listening(to: str):  # type: ignore[no-untyped-def]
        def generator(seed: int, purpose: str, *ids: int, device: object = "cpu"):  # type: ignore[no-untyped-def]
            used[to].add((seed, purpose, *ids))
            return streams.generator(seed, purpose, *ids, device=device)  # type: ignore[arg-type]

        return generator

    monkeypatch.setattr(problems, "generator", listening("search"))
    monkeypatch.setattr(collect, "generator", listening("certify"))
    at = digits(model, slice(0, 2))
    seen = set()
    for slug in ALL:
        sigma = found(slug, at).sigma
        at.soft_radii(torch.from_numpy(sigma)[:, None], at.c_a(), 0.02, OBJECTIVE, 10)
        budget = BUDGETS.parse("fixed-100")
        sample(model, at.x, budget, at.noise, scales=sigma, seed=7)
        seen |= {purpose for _, purpose, *_ in used["search"]}
    assert seen == set(PURPOSES)
    assert len(used["certify"]) == 4  # two inputs, a selection and an estimation look each
    assert not used["search"] & used["certify"]
    assert len(set(PURPOSES)) == len(PURPOSES)


def test_draws_for_different_purposes_inputs_and_blocks_differ() -> None:
    at = problem(Constant(1.0, 0.0), d=50)
    draws = [at.draw(i, purpose, 4, b) for i in (0, 1) for purpose in PURPOSES for b in (0, 1)]
    certifying = [
        at.noise.sample((4, 50), streams.generator(0, purpose, i, 0))
        for purpose in ("selection", "estimation", "ascent")
        for i in (0, 1)
    ]
    flat = torch.stack(draws + certifying).flatten(1)
    close = torch.corrcoef(flat).abs() - torch.eye(len(flat))
    assert close.max() < 0.5  # 200 numbers each: independent ones correlate by less than 0.35


@pytest.mark.parametrize(
    ("first", "second"),
    [("ascent-K60", "ascent-K110"), ("ascent_n8-K20", "ascent_n8-K30"),
     ("ascent-sound_n8_val100-K10", "ascent-sound_n8_val100-K30"),
     ("grid-hard-n50", "grid-one-n50")],
)  # fmt: skip
def test_one_run_gives_what_separate_runs_give(
    model: torch.nn.Module, first: str, second: str
) -> None:
    rows = slice(0, 12)
    wanted = [SCALINGS.parse(second), SCALINGS.parse(first)]
    together = wanted[0].find(digits(model, rows), wanted)
    for slug, one in zip((second, first), together, strict=True):
        alone = found(slug, digits(model, rows))
        assert (one.sigma == alone.sigma).all()
        assert (one.hit_bound == alone.hit_bound).all()
    assert (together[0].sigma != together[1].sigma).any() == (first != "grid-hard-n50")
    assert together[0].seconds >= together[1].seconds


@pytest.mark.parametrize(
    "slug", ["ascent-K60", "ascent_n8-K20", "ascent-sound_n8_val100-K20", "grid_K50-n4"]
)
def test_a_scale_does_not_depend_on_the_other_inputs_of_the_batch(
    model: torch.nn.Module, slug: str
) -> None:
    whole = found(slug, digits(model, slice(0, 9))).sigma
    part = found(slug, digits(model, slice(3, 7))).sigma
    assert whole[3:7] == pytest.approx(part, abs=1e-7)


def test_a_search_leaves_model_and_images_as_they_were(model: torch.nn.Module) -> None:
    before = [p.clone() for p in model.parameters()]
    for slug in ALL:
        at = digits(model, slice(0, 2))
        x = at.x.clone()
        result = found(slug, at)
        assert result.sigma.dtype == np.float64
        assert torch.equal(at.x, x)
        assert not model.training
        assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_search_runs_in_eval_mode() -> None:
    # In train mode batch normalization would couple the inputs and move its statistics.
    net = models.build("resnet20", 4, (3, 32, 32)).train()
    at = Problem(
        searching(net, (3, 32, 32)), NOISES.parse("gaussian-0.25"), torch.rand(2, 3, 32, 32), [0, 1]
    )
    statistics = {k: v.clone() for k, v in net.named_buffers()}
    assert found("ascent-K2", at).sigma.shape == (2,)
    assert all(torch.equal(v, statistics[k]) for k, v in net.named_buffers())


def objectives(at: Problem, *sigmas: np.ndarray) -> list[float]:
    """The mean objective at sigma_0 and at each of ``sigmas`` [B], from fresh samples."""
    scales = np.stack([np.full(len(at), at.sigma_0), *sigmas], 1)
    return at.soft_radii(torch.from_numpy(scales), at.c_a(), 0.001, OBJECTIVE, 200).mean(0).tolist()


@pytest.mark.parametrize("noise", ["gaussian-0.25", "uniform-0.50", "laplace-0.10"])
def test_the_objective_rises_along_the_path_of_the_sound_ascent(
    model: torch.nn.Module, noise: str
) -> None:
    at = digits(model, slice(0, 24), noise)
    ascent = SCALINGS.parse("ascent-sound_n8-K50")
    assert isinstance(ascent, AscentSound)
    path, _, _ = ascent._path(at, 50)
    start, middle, end = objectives(at, path[2], path[5])
    assert start < middle < end


@pytest.mark.parametrize("noise", ["gaussian-0.25", "uniform-0.50"])
def test_the_objective_rises_with_the_steps_of_the_published_ascent(
    model: torch.nn.Module, noise: str
) -> None:
    # Not with Laplace noise: with n = 1 the gradient is that of a mean, clamped margin.
    at = digits(model, slice(0, 24), noise)
    wanted = [SCALINGS.parse(slug) for slug in ("ascent_lr0.001-K50", "ascent_lr0.001-K100")]
    start, middle, end = objectives(at, *(f.sigma for f in wanted[0].find(at, wanted)))
    assert start < middle < end


def test_the_sound_ascent_does_not_lower_certified_radii(model: torch.nn.Module) -> None:
    at = digits(model, slice(0, 24))
    sound = found("ascent-sound_n8-K50", at).sigma
    ramp = found("ramp_lr0.01-K50", at).sigma
    radii = {}
    for name, sigma in {"sigma_0": np.full(24, 0.25), "sound": sound, "ramp": ramp}.items():
        store = sample(model, at.x, BUDGETS.parse("fixed-1000"), at.noise, scales=sigma, seed=1)
        bounds = BUDGETS.parse("fixed-1000").bounds(store, at.noise, 64)
        certified = at.noise.radius(bounds.p_lower, sigma, 64)
        radii[name] = np.where(bounds.predict >= 0, certified, 0.0)
    assert radii["sound"].mean() > radii["sigma_0"].mean()
    # a few votes more or less move a radius by some hundredths
    assert (radii["sound"] - radii["sigma_0"]).min() > -0.06
    assert (radii["ramp"] - radii["sigma_0"]).min() < -0.06


def test_the_noise_of_a_search_has_the_scale_of_the_input() -> None:
    # Votes for the first class: the share of noise below a threshold, at each scale.
    at = problem(Probit(torch.tensor([-1e6, 0.0, 0.0, 0.0]), 0.0), n=1)
    at.x[:] = -0.25
    votes = at.votes(torch.tensor([[0.125, 0.25, 0.5]]), CHOICE, 4000)[0, :, 0] / 4000
    assert votes.numpy() == pytest.approx([0.97725, 0.84134, 0.69146], abs=0.03)


def test_large_images_share_a_pass_and_meet_the_same_noise() -> None:
    """A block of a 224x224 image holds one draw: 3 inputs of 20 votes are 60 passes, or 1."""

    class Counting(torch.nn.Module):
        passes = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.passes += 1
            mean = x.flatten(1)[:, :4].mean(1)
            return torch.stack([mean, 0.5 - mean], 1)

    def at(together: int) -> Problem:
        x = torch.full((3, 3, 224, 224), 0.27)
        engine = SearchEngine(open_engine(Counting(), x.shape[1:], x.device, "torch"), False)
        return Problem(
            engine, NOISES.parse("gaussian-0.25"), x, [5, 6, 7], together=together
        )  # fmt: skip

    alone, shared = at(0), at(64)
    scales = torch.full((3, 1), 0.25)
    assert torch.equal(alone.votes(scales, CHOICE, 20), shared.votes(scales, CHOICE, 20))
    assert (alone.engine.model.passes, shared.engine.model.passes) == (60, 1)
    radii = [
        p.soft_radii(scales, torch.zeros(3).long(), 0.01, OBJECTIVE, 5) for p in (alone, shared)
    ]
    assert torch.allclose(*radii)
