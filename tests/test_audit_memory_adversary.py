"""The adversary finds a break that is known to be there, confirms it, and none where none is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_break import BREAK, SIGMA_0, Planted, direction, images

from smoothcert import datasets
from smoothcert.audits.base import WITNESS
from smoothcert.audits.deployed import Balls, Deployed
from smoothcert.audits.memory_soundness import Attack
from smoothcert.audits.settings import MemorySoundnessSettings
from smoothcert.audits.tactics import Tactics, inside
from smoothcert.audits.witness import Witnesses, again
from smoothcert.budget import BUDGETS
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND
from smoothcert.scaling import SCALINGS

NOISE = NOISES.parse(f"gaussian-{SIGMA_0}")
ASCENT = SCALINGS.parse("ascent_n32_lr0.01_clamp0.001-K30")
BUDGET = BUDGETS.parse("fixed-5000")
EFFORT = {"steps": 10, "copies": 32, "lines": 1, "held": 2, "boundary": 4, "votes": 300,
          "reach": 0.9}  # fmt: skip
N = 3


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def audited(scaling, **plan):
    """The audit of the planted classifier, its certificates at the scales of ``scaling``."""
    x = images(N)
    deployed = Deployed.of(Planted(), NOISE, scaling, x)
    idx, label = np.arange(N), np.zeros(N, np.int64)
    sigma = deployed.scales(x, idx, 0)
    table, _ = deployed.certify(x, sigma, idx, label, BUDGET, 1)
    settings = MemorySoundnessSettings(**EFFORT, **plan)
    return Attack(table, x, deployed, BUDGET, "planted", settings)


@pytest.fixture(scope="module")
def planted():
    audit = audited(ASCENT, orders=3, seeds=3)
    return audit, audit.run()


def test_the_planted_break_is_found_in_every_ball_that_has_one(planted):
    audit, report = planted
    assert (audit.table.predict == 0).all()
    assert (audit.table.radius > 2 * BREAK).all()  # each ball is broken, by construction
    verdict = report.verdicts[2]
    assert verdict.verdict == BROKEN
    assert not verdict.ours  # DDRS's promise, not this project's
    assert verdict.numbers["broken"] == N
    assert verdict.witness == WITNESS
    # Where the construction says: along u, at least as far as BREAK allows, inside the ball.
    step = torch.from_numpy(report.witnesses.x2 - report.witnesses.x1)
    assert ((step * direction()).sum((1, 2, 3)) > 0.5 * BREAK).all()
    assert (report.witnesses.distance("l2") < report.witnesses.radius_1).all()


def test_at_the_frozen_scale_the_same_inputs_are_answered_as_certified(planted):
    _, report = planted
    assert (report.witnesses.frozen == 0).all()
    assert report.verdicts[3].verdict == HOLDS
    assert report.verdicts[3].ours


def test_random_inputs_would_not_have_found_it(planted):
    _, report = planted
    tactics = report.verdicts[2].numbers["by_tactic"]
    assert tactics["random"]["leads"] == 0


def test_the_scale_was_seen_to_vary_more_than_the_certificate_allows(planted):
    _, report = planted
    verdict = report.verdicts[4]
    assert verdict.verdict == BROKEN
    assert verdict.numbers["mean_fallback_radius"] < 0.8 * verdict.numbers["mean_radius"]


def test_with_memory_either_order_keeps_its_promise_and_the_first_comer_wins(planted):
    _, report = planted
    kept, free = report.verdicts[5:]
    assert kept.verdict == HOLDS
    assert kept.ours
    assert kept.numbers["inputs_first"]["inside"] == N
    assert kept.numbers["inputs_first"]["obeyed"] == N
    assert kept.numbers["inputs_first"]["captured"] == 0
    assert free.verdict == BROKEN
    assert kept.numbers["attack_first"]["captured"] + kept.numbers["attack_first"]["trimmed"] == N


def test_a_witness_is_read_back_and_confirmed_with_other_seeds_and_a_false_one_is_not(
    planted, tmp_path
):
    audit, report = planted
    np.savez_compressed(tmp_path / "w.npz", **report.witnesses.arrays())
    old = Witnesses.read(tmp_path / "w.npz")
    assert len(old) == N
    new = again(audit.deployed, old, BUDGET, seed=99, seeds=3)
    assert new.broken("l2").all()
    np.testing.assert_allclose(new.sigma_2[:, 0], old.sigma_2[:, 0], rtol=1e-6)
    assert (new.seeds[:, 1:] != old.seeds[:, 1:]).all()
    for fault in (
        {"x2": old.x1},  # nothing is broken at the centre
        {"x2": np.clip(old.x1 + 1.2 * old.radius_1[0] * direction().numpy(), 0, 1)},  # outside
        {"sigma_1": np.full(N, 0.5)},  # no such certificate
    ):
        assert not again(audit.deployed, replace(old, **fault), BUDGET, 99, 3).broken("l2").any()
    (tmp_path / "w.npz").write_bytes(b"PK")
    with pytest.raises(SmoothcertError, match="not a witness file"):
        Witnesses.read(tmp_path / "w.npz")


def test_one_scale_for_all_is_not_broken_and_would_be_ours():
    """The control: the same classifier, where the certificate is Cohen's."""
    audit = audited(SCALINGS.parse("fixed"), orders=2, seeds=3)
    assert (audit.table.radius > 0).all()
    verdicts = audit.run().verdicts
    assert [verdicts[i].verdict for i in (2, 4)] == [NOT_FOUND, NOT_FOUND]
    assert verdicts[2].ours
    assert "proposals" in verdicts[2].evidence


def test_a_scaling_that_needs_the_whole_data_set_is_refused():
    with pytest.raises(SmoothcertError, match="jointly for all inputs"):
        Deployed.of(Planted(), NOISE, SCALINGS.parse("ascent-mean-K30"), images(2))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_every_proposal_lies_in_the_box_and_in_the_open_ball(norm):
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(6, 1, 8, 8, generator=rng)
    radius = np.array([0.01, 0.3, 1.0, 2.0, 0.5, 0.0])
    rows = np.arange(6)
    balls = Balls(x, rows, rows, rows, radius, radius, radius)
    moved = inside(x + 3 * torch.randn(x.shape, generator=rng), balls, norm)
    assert ((moved >= 0) & (moved <= 1)).all()
    gap = (moved.double() - x.double()).flatten(1).numpy()
    length = np.linalg.norm(gap, ord={"l1": 1, "l2": 2, "linf": np.inf}[norm], axis=1)
    assert (length[:5] < radius[:5]).all()
    assert (length[:5] > 0.5 * radius[:5]).all() or norm == "linf"
    assert length[5] == 0


def test_the_gradient_through_the_ascent_is_that_of_its_scale():
    """Against differences, with the same noise; few steps, so that no bound cuts the scale."""
    x = images(1)
    ascent = SCALINGS.parse("ascent_n8_lr0.002_clamp0.001-K4")
    tactics = Tactics(Deployed.of(Planted(), NOISE, ascent, x), generator(0, "t"), 128, 5, 8)

    def scale(point):
        tactics.stream = generator(0, "the same noise")
        return tactics.soft_scale(point)

    point = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(scale(point).sum(), point)
    step = 1e-3 * direction()
    expected = (scale(x + step) - scale(x - step)).item() / 2
    assert (gradient * step).sum().item() == pytest.approx(expected, rel=0.05)
    assert abs(expected) > 1e-5


def test_digits_are_searched_through_the_command(tmp_path, capsys):
    from core_helpers import trained_digits_model

    from smoothcert import cli

    model = str(trained_digits_model(tmp_path / "m.safetensors"))
    scaling = "ascent_n16_lr0.01_clamp0.001-K20"
    scales, votes, table = (str(tmp_path / f) for f in ("s.tsv", "v.npz", "c.tsv"))
    data = ["--dataset", "digits", "--max", "8", "--noise", "gaussian-0.50"]
    run = [
        ["scales", *data, "--scalings", scaling, "--model", model, "--out", scales, "--quiet"],
        [
            "sample", *data, "--scaling", scaling, "--scales", scales, "--budget", "fixed-1000",
            "--model", model, "--out", votes, "--quiet",
        ],
        ["certify", "--votes", votes, "--budget", "fixed-1000", "--out", table],
    ]  # fmt: skip
    for command in run:
        assert cli.main(command) == 0
    out = tmp_path / "audit" / "digits"
    options = ["--max", "4", "--steps", "3", "--copies", "16", "--held", "1", "--boundary", "2"]
    audit = ["audit", "memory-soundness"]
    command = [*audit, table, "--model", model, "--out", str(out), "--quiet", *options]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert printed.count("digits") >= 7
    for suffix in (".json", ".tsv", ".npz"):
        assert out.with_suffix(suffix).exists()
    assert len(out.with_suffix(".tsv").read_text().splitlines()) == 5
    recheck = [*audit, "--recheck", str(out.with_suffix(".npz")), "--model", model, "--seeds", "3"]
    assert cli.main(recheck) in (0, 1)
    assert datasets.info("digits").n_classes == 10
