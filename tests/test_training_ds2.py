"""Data-dependent scales: the ascent's gradient, what bounds it, branching and resuming."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from torch import nn
from training_helpers import killed_and_resumed

from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build, load, load_side_tensors, save
from smoothcert.noise import Gaussian, Laplace, Noise, Uniform
from smoothcert.noise.soft_radius import soft_radius, soft_radius_ascent_step, soft_radius_gradient
from smoothcert.training import Batch, DataDependent, Job
from smoothcert.training.run import train
from smoothcert.training.scales import DataDependentScale

SHAPE = (1, 8, 8)
NOISES = [Gaussian(0.25), Uniform(0.25), Laplace(0.25)]
RADII = {  # standard radius of (p_A, p_B), written out
    "gaussian": lambda a, b: (ndtri(a) - ndtri(b)) / 2,
    "uniform": lambda a, b: a - b,
    "laplace": lambda a, b: -math.log(1 - a + b),
}


def network():
    return build("tiny_cnn", 4, SHAPE, seed=1).double()


def inputs(size=5):
    return torch.rand(size, *SHAPE, generator=generator(1, "test"), dtype=torch.float64)


# The soft radius and its gradient


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("n", [1, 6])
def test_the_derivative_by_the_scale_agrees_with_finite_differences(noise, fixed, n):
    model, x = network(), inputs()
    scale = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    eps = noise.sample((5 * n, *SHAPE), generator(2, "test")).double()
    c_a = torch.tensor([0, 1, 2, 3, 0]) if fixed else None

    def radius_by_hand(s):
        out = []
        for i in range(5):
            with torch.no_grad():
                p = model(x[i] + s[i] * eps[n * i : n * (i + 1)]).softmax(1).mean(0).numpy()
            a = p.argmax() if c_a is None else int(c_a[i])
            b = np.delete(p, a).max()
            out.append(s[i].item() * RADII[noise.name](p[a], b))
        return np.array(out)

    radius, gradient = soft_radius_gradient(model, x, scale, eps, noise, 0.001, c_a)
    assert np.allclose(radius.numpy(), radius_by_hand(scale), atol=1e-12)
    h = 1e-7
    numeric = (radius_by_hand(scale + h) - radius_by_hand(scale - h)) / (2 * h)
    assert np.allclose(gradient.numpy(), numeric, rtol=1e-4, atol=1e-6)
    assert all(p.grad is None for p in model.parameters())


def test_probabilities_at_the_clamp_give_the_formula_there_and_no_gradient_through_the_noise():
    """Every step of an image that the network is sure of is step_size * z(0.98)."""

    class Sure(nn.Module):
        def forward(self, x):
            score = 50 * x.flatten(1).sum(1)
            return torch.stack([score, -score], 1)

    x = torch.full((3, *SHAPE), 0.9)
    scale = torch.tensor([0.12, 0.25, 0.5])
    stream = generator(3, "test")
    bounds = (0.01, 2.0)
    moved = soft_radius_ascent_step(Sure(), x, scale, Gaussian(0.25), stream, bounds=bounds)
    assert (moved - scale).tolist() == pytest.approx([2.0537e-4] * 3, rel=1e-3)


def test_the_pair_of_classes_is_the_top_two_or_the_fixed_one_and_its_best_rival():
    p = torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]], dtype=torch.float64)
    scale = torch.tensor([1.0, 2.0], dtype=torch.float64)
    top = soft_radius(p, scale, Uniform(1.0), 0.02)
    assert top.tolist() == pytest.approx([0.2, 0.4])
    fixed = soft_radius(p, scale, Uniform(1.0), 0.02, torch.tensor([0, 1]))
    assert fixed.tolist() == pytest.approx([-0.3, 0.4])


def test_the_clamp_holds_and_a_noise_without_a_formula_is_refused():
    p = torch.tensor([[1.0, 0.0]])
    radius = soft_radius(p, torch.ones(1), Gaussian(1.0), 0.02)
    assert radius.item() == pytest.approx(ndtri(0.98), rel=1e-5)

    class Cauchy(Noise):
        name = "cauchy"

        def sample(self, shape, generator):
            raise NotImplementedError

        standard_radius = standard_p = sample

    with pytest.raises(SmoothcertError, match="noise cauchy: no soft radius to ascend"):
        soft_radius(p, torch.ones(1), Cauchy(1.0), 0.02)


def test_an_ascent_step_is_plain_and_leaves_its_arguments_and_the_model_alone():
    model = build("resnet20", 4, (3, 32, 32)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = torch.rand(4, 3, 32, 32)
    scale = torch.tensor([0.1, 0.2, 0.3, 0.4])
    kept = scale.clone()
    settings = {"n": 2, "step_size": 1e-2, "bounds": (0.01, 2.0)}
    noise = Gaussian(0.25)
    moved = soft_radius_ascent_step(model, x, scale, noise, generator(1, "test"), **settings)
    eps = noise.sample((8, 3, 32, 32), generator(1, "test"))
    model.eval()  # the step itself is made in eval mode
    _, gradient = soft_radius_gradient(model, x, scale, eps, noise, 0.02)
    model.train()
    assert torch.equal(moved, scale + 1e-2 * gradient)
    assert torch.equal(scale, kept)
    assert not moved.requires_grad
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


# What bounds a scale


class Constant(nn.Module):
    """Answers class 0, whatever the noise: its soft radius grows with the scale for ever."""

    def forward(self, x):
        return torch.stack([x.flatten(1).sum(1) * 0 + 9, x.flatten(1).sum(1) * 0], 1)


class Fragile(nn.Module):
    """The less sure the larger the noise, so much that the soft radius falls with the scale."""

    def forward(self, x):
        away = (x - 0.5).flatten(1).norm(dim=1)
        return torch.stack([away**-2, torch.zeros_like(away)], 1)


class Broken(nn.Module):
    """The second input's logits are not finite."""

    def forward(self, x):
        score = x.flatten(1).sum(1) * torch.tensor([1.0, math.nan, 1.0])
        return torch.stack([score, -score], 1)


def visited(model, visits, nominal=0.25, size=3, **options):
    scales = DataDependentScale(DataDependent(**options), nominal, 10, torch.device("cpu"))
    x = torch.full((size, *SHAPE), 0.5)
    idx = torch.tensor([7, 2, 5])[:size]
    for i in range(visits):
        y = torch.zeros(size, dtype=torch.long)
        batch = Batch(x, y, idx, torch.empty(0), Gaussian(nominal), 1, (i, 0))
        out = scales.visit(model, batch)
        assert torch.equal(out, scales.scale[idx])
    return scales


def test_a_scale_that_runs_away_stops_at_the_upper_bound():
    scales = visited(Constant(), 40, step_size=0.02)
    assert scales.scale[[7, 2, 5]].tolist() == pytest.approx([0.75] * 3)


def test_a_scale_stays_away_from_zero_at_the_lower_bound():
    scales = visited(Fragile(), 40, step_size=0.05, n=4)
    assert scales.scale[[7, 2, 5]].tolist() == pytest.approx([0.25 / 3] * 3)
    assert visited(Fragile(), 40, step_size=0.05, low=0.9).scale.min() == pytest.approx(0.225)


def test_a_gradient_that_is_not_finite_moves_nothing():
    scales = visited(Broken(), 3, step_size=0.01)
    assert scales.scale[2] == 0.25
    assert scales.scale[[7, 5]].min() > 0.25


def test_scales_of_inputs_that_were_not_visited_stay_and_the_statistics_see_all():
    scales = visited(Constant(), 40, step_size=0.02)
    assert scales.scale[[0, 1, 3, 4, 6, 8, 9]].tolist() == [0.25] * 7
    statistics = scales.statistics()
    assert statistics["scale_min"] == statistics["scale_q50"] == 0.25
    assert statistics["scale_max"] == pytest.approx(0.75)
    assert statistics["scale_mean"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n: expected at least 1, found 0"),
        ({"steps": 0}, "steps: expected at least 1, found 0"),
        ({"step_size": 0.0}, "step_size: expected more than 0, found 0"),
        ({"clamp": 0.5}, "clamp: expected less than 0.5, found 0.5"),
        ({"low": 0.0}, "low: expected more than 0, found 0"),
        ({"high": 0.9}, "high: expected at least 1, found 0.9"),
    ],
)
def test_options_out_of_range_are_refused_by_their_name(options, message):
    with pytest.raises(SmoothcertError, match=message):
        DataDependent.check(options, "ds2")


# Runs


RECIPE = {"epochs": 4, "batch": 128, "lr": 0.05, "schedule": "cosine"}
METHOD = {
    "cohen": {},
    "smoothadv": {"radius": 0.25},
    "macer": {"k": 4, "lam": 3.0, "beta": 4.0},
    "consistency": {"lam": 2.0},
}


def job(training, parent=None, **changes):
    method = METHOD[training.split("-")[0]]
    recipe = RECIPE | {"method": method} | changes
    origin = str(parent) if parent else None
    return Job(training=training, dataset="digits", arch="tiny_cnn", recipe=recipe, parent=origin)


def trained(specification, out):
    return train(specification, out, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def parents(tmp_path_factory):
    """For each method: a fixed-scale model of 2 of 4 epochs' snapshot, and the whole run."""
    folder = tmp_path_factory.mktemp("parents")
    for method in METHOD:
        trained(job(f"{method}-fs-0.25", snapshots=[2]), folder / f"{method}.safetensors")
    return folder


@pytest.mark.parametrize("method", METHOD)
def test_all_trainings_survive_sigkill_to_the_bit_scales_included(tmp_path, parents, method):
    for training, parent in [
        (f"{method}-fs-0.25", None),
        (f"{method}-ds2-0.25", parents / f"{method}.safetensors"),
    ]:
        settings = {"epochs": 5, "batch": 64}
        if parent:
            settings["ds2"] = {"step_size": 1e-2}
        specification = job(training, parent, **settings)
        whole = trained(specification, tmp_path / f"{training}-whole.safetensors")
        killed = killed_and_resumed(specification, tmp_path / f"{training}-killed.safetensors")
        assert killed["digest"] == whole["digest"]
        both = [load_side_tensors(p) for p in sorted(tmp_path.glob(f"{training}-*.safetensors"))]
        assert len(both) == 2
        if parent:
            assert torch.equal(both[0]["scale"], both[1]["scale"])
            assert both[0]["scale"].shape == (1297,)
            assert both[0]["scale"].std() > 0
            assert both[0]["scale"].min() >= 0.25 / 3
            assert both[0]["scale"].max() <= 0.75
        else:
            assert both == [{}, {}]


def test_a_run_branched_from_a_snapshot_goes_on_as_its_parent_did(tmp_path, parents):
    """With a fixed scale on both sides of the branch, the result is the parent's own."""
    branch = job("cohen-fs_ft-0.25", parents / "cohen.epoch-2.safetensors")
    record = trained(branch, tmp_path / "m.safetensors")
    assert record["digest"] == load(parents / "cohen.safetensors")[1]["digest"]
    assert record["parent"]["branched_at_epoch"] == 2
    assert record["parent"]["training"] == "cohen-fs-0.25"
    assert len((tmp_path / "m.log.csv").read_text().splitlines()) == 1 + 4


@pytest.mark.parametrize("method", METHOD)
def test_ds2_branches_where_the_fixed_scale_ended_and_then_moves_the_scales(
    tmp_path, parents, method
):
    specification = job(f"{method}-ds2-0.25", parents / f"{method}.epoch-2.safetensors")
    record = trained(specification, tmp_path / "m.safetensors")
    assert record["epoch"] == 4
    assert record["final"]["scale_max"] > 0.25
    scale = load_side_tensors(tmp_path / "m.safetensors")["scale"]
    # two visits of one step: at most 2 * 1e-4 * z(0.98) upward where the network is sure
    assert 0 < (scale - 0.25).abs().max() < 0.05


def test_ds2_fine_tunes_a_finished_model_from_its_first_epoch(tmp_path, parents):
    specification = job("cohen-ds2-0.25", parents / "cohen.safetensors", epochs=1, lr=1e-6)
    record = trained(specification, tmp_path / "m.safetensors")
    assert record["epoch"] == 1
    parent, tuned = (
        load(p)[0] for p in (parents / "cohen.safetensors", tmp_path / "m.safetensors")
    )
    for a, b in zip(parent.parameters(), tuned.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_the_number_of_ascent_samples_is_part_of_the_name(tmp_path, parents):
    base = parents / "macer.safetensors"
    records = [
        trained(job(f"macer-ds2{v}-0.25", base, epochs=1), tmp_path / f"m{v}.safetensors")
        for v in ("", "_n8")
    ]
    assert [r["recipe"]["ds2"]["n"] for r in records] == [1, 8]
    assert records[0]["digest"] != records[1]["digest"]


@pytest.mark.parametrize("noise", ["uniform", "laplace"])
def test_the_l1_noises_train_with_fixed_and_with_data_dependent_scales(tmp_path, noise):
    parent = tmp_path / "fs.safetensors"
    fixed = trained(job(f"cohen-fs-{noise}-0.50"), parent)
    record = trained(job(f"cohen-ds2-{noise}-0.50", parent, epochs=1), tmp_path / "m.safetensors")
    assert fixed["final"]["noisy_accuracy"] > 0.5
    assert record["final"]["scale_max"] > 0.5


# What is refused


def test_a_data_dependent_run_without_a_parent_is_refused(tmp_path):
    with pytest.raises(SmoothcertError, match=r"needs a parent, .* of cohen-fs-0\.25 to start"):
        trained(job("cohen-ds2-0.25"), tmp_path / "m.safetensors")


def test_a_missing_parent_says_what_to_fetch(tmp_path):
    with pytest.raises(SmoothcertError, match=r"not found; make it .*--training macer-fs-0\.25"):
        trained(job("macer-ds2-0.25", tmp_path / "no.safetensors"), tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("training", "changes", "message"),
    [
        ("macer-ds2-0.25", {}, "training 'cohen-fs-0.25', expected 'macer-fs-0.25'"),
        ("cohen-ds2-0.50", {}, "training 'cohen-fs-0.25', expected 'cohen-fs-0.50'"),
        (
            "cohen-ds2-uniform-0.25",
            {},
            "training 'cohen-fs-0.25', expected 'cohen-fs-uniform-0.25'",
        ),
        ("cohen-ds2-0.25", {"normalization": "none"}, "its normalization has mean"),
        ("cohen-ds2-0.25", {"ds2": {"k": 1}}, "ds2.k: unknown key; expected one of n, steps"),
        ("cohen-ds2-0.25", {"ds2": {"n": 0}}, "recipe: ds2.n: expected at least 1, found 0"),
        ("cohen-ds2-0.00", {}, "need a positive scale to start from"),
        ("macer-fs-uniform-0.25", {}, "macer needs gaussian noise"),
        ("macer-fs-0.00", {}, "macer needs gaussian noise of positive scale"),
        ("macer-fs-0.25", {"method": {"k": 0}}, "recipe: method.k: expected at least 1, found 0"),
        ("macer-fs-0.25", {"method": {"lam": -1}}, "method.lam: expected at least 0, found -1"),
        ("smoothadv-fs-0.25", {"method": {}}, "recipe: method.radius: missing"),
        ("cohen-ds2_m3-0.25", {}, "unknown variant _m3; known: _nNUMBER"),
        ("cohen-ds2_n0-0.25", {}, "unknown variant _n0"),
    ],
)
def test_wrong_settings_and_parents_end_in_one_clear_line(
    tmp_path, parents, training, changes, message
):
    parent = parents / "cohen.safetensors"
    with pytest.raises(SmoothcertError, match=message) as error:
        trained(job(training, parent, **changes), tmp_path / "m.safetensors")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_parent_of_another_architecture_or_data_set_is_refused(tmp_path):
    for arch, shape, key in [("small_cnn", (1, 28, 28), "arch"), ("tiny_cnn", SHAPE, "dataset")]:
        record = {"training": "cohen-fs-0.25", "dataset": "mnist"}
        save(build(arch, 10, shape), tmp_path / "p.safetensors", record)
        with pytest.raises(SmoothcertError, match=rf"{key} '\w+', expected"):
            trained(job("cohen-ds2-0.25", tmp_path / "p.safetensors"), tmp_path / "m.safetensors")


def test_a_parent_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "p.safetensors").write_bytes(b"some text that is no checkpoint")
    with pytest.raises(SmoothcertError, match="not a complete checkpoint"):
        trained(job("cohen-ds2-0.25", tmp_path / "p.safetensors"), tmp_path / "m.safetensors")


def test_a_snapshot_later_than_the_recipes_end_is_refused(tmp_path, parents):
    specification = job("cohen-ds2-0.25", parents / "cohen.epoch-2.safetensors", epochs=2)
    with pytest.raises(SmoothcertError, match="after epoch 2, but the recipe ends after 2"):
        trained(specification, tmp_path / "m.safetensors")


def test_an_imported_model_may_be_a_parent_though_it_does_not_say_how_it_was_trained(
    tmp_path, parents
):
    model, _ = load(parents / "cohen.safetensors")
    imported = {"imported": {"layout": "state_dict"}, "dataset": "digits"}
    save(model, tmp_path / "p.safetensors", imported)
    specification = job("cohen-ds2-0.25", tmp_path / "p.safetensors", epochs=1)
    record = trained(specification, tmp_path / "m.safetensors")
    assert record["parent"]["imported"] == {"layout": "state_dict"}
