"""Who looks, draws more and looks again is told: the bound is for a number fixed beforehand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from core_helpers import make_store
from scipy.stats import binom

from smoothcert import cli, models
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.votes import take
from smoothcert.votes.readings import readings_path

SAMPLE = ["--dataset", "digits", "--max", "2", "--noise", "gaussian-0.50", "--look", "500",
          "--model", "m.safetensors", "--device", "cpu", "--quiet"]  # fmt: skip


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    models.save(models.build("tiny_cnn", 10, (1, 8, 8), seed=1), "m.safetensors", {})


def sampled(budget, out="v.npz", *more):
    assert cli.main(["sample", *SAMPLE, "--budget", budget, "--out", out, *more]) == 0


def certified(capsys, budget, votes="v.npz", out="c.tsv"):
    """The warning of reading the votes, and what the table's record says of it."""
    capsys.readouterr()
    assert cli.main(["certify", "--votes", votes, "--budget", budget, "--out", out]) == 0
    record = json.loads(Path(out).with_suffix(".json").read_text())
    return capsys.readouterr().err, record.get("drawn_after_reading")


def test_reading_at_a_larger_n_after_having_looked_is_said_in_one_line(capsys):
    sampled("fixed-1000")
    assert certified(capsys, "fixed-1000") == ("", None)
    sampled("fixed-2000")
    before = Path("v.npz").read_bytes(), Path("v.json").read_bytes()
    said, record = certified(capsys, "fixed-2000")
    assert said.startswith("warning: v.npz was read at 1,000 samples per input, and fixed-2000")
    assert said.count("\n") == 1
    assert "anytime-2000" in said
    assert "sequential" in said
    assert record == {"inputs": 2, "read_at": 1000, "samples": 2000}
    assert (Path("v.npz").read_bytes(), Path("v.json").read_bytes()) == before
    # Again, it is still so; and what had been drawn at the first look is as good as ever.
    assert certified(capsys, "fixed-2000")[1] == record
    assert certified(capsys, "fixed-1000") == ("", None)
    # A bound that holds at all sizes at once may be read at any of them.
    assert certified(capsys, "anytime-2000") == ("", None)
    assert certified(capsys, "sequential_0.02-2000")[1]


def test_several_budgets_of_a_store_that_was_sampled_for_the_largest_are_silent(capsys):
    sampled("fixed-2000")
    for budget in ("fixed-500", "fixed-1000", "anytime-1000", "fixed-2000", "fixed_a0.01-2000"):
        assert certified(capsys, budget) == ("", None)


def test_topping_up_without_having_looked_is_silent(capsys):
    sampled("fixed-1000")
    sampled("fixed-2000")
    assert certified(capsys, "fixed-2000") == ("", None)


def test_certifying_a_model_twice_with_more_samples_says_so(capsys):
    arguments = ["certify", *SAMPLE, "--out", "c.tsv", "--budget"]
    assert cli.main([*arguments, "fixed-1000"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert cli.main([*arguments, "fixed-2000"]) == 0
    assert "c.votes.npz was read at 1,000 samples" in capsys.readouterr().err


def test_a_look_is_remembered_through_drawing_anew_shards_and_gathering(capsys):
    sampled("fixed-1000")
    certified(capsys, "fixed-1000")
    # The same seed gives the same votes: drawn anew under the name, it is no fresh sample.
    Path("v.npz").unlink()
    sampled("fixed-2000")
    assert certified(capsys, "fixed-2000")[1]
    # As the workflow does it: shards top the store up and are gathered, here under another name.
    for i in range(2):
        sampled("fixed-3000", f"{i}.npz", "--shard", f"{i}/2", "--top-up", "v.npz")
    assert cli.main(["gather", "0.npz", "1.npz", "--out", "g.npz"]) == 0
    assert certified(capsys, "fixed-3000", "g.npz")[1]["read_at"] == 1000
    # Other noise was not looked at.
    sampled("fixed-2000", "other.npz", "--seed", "1", "--top-up", "v.npz")
    assert certified(capsys, "fixed-2000", "other.npz") == ("", None)


def test_only_inputs_that_got_more_samples_count(capsys):
    store = make_store([[[90, 10, 0]] * 2, [[90, 10, 0]] * 4], selection=[[100, 0, 0]] * 2)
    store.write("v.npz")
    certified(capsys, "anytime-400")
    make_store([[[90, 10, 0]] * 4] * 2, selection=[[100, 0, 0]] * 2).write("v.npz")
    assert certified(capsys, "fixed-400")[1] == {"inputs": 1, "read_at": 200, "samples": 400}
    take(store, [1]).write("w.npz")
    assert certified(capsys, "fixed-400", "w.npz") == ("", None)


def test_a_damaged_file_of_readings_is_one_line_and_one_that_cannot_be_written_is_none(capsys):
    sampled("fixed-1000")
    Path("v.readings.json").write_text("[")
    capsys.readouterr()
    arguments = ["certify", "--votes", "v.npz", "--out", "c.tsv", "--budget", "fixed-1000"]
    assert cli.main(arguments) == 2
    assert "v.readings.json: not the readings of a vote store" in capsys.readouterr().err
    Path("v.readings.json").unlink()
    assert readings_path(Path("v.npz")) == Path("v.readings.json")


def test_what_topping_up_after_a_look_costs():
    """Exact: certificates wrong at 10,000 or, topped up, at 100,000; alpha 0.001, p near 0.787."""
    alpha, p, few, many = 1e-3, 0.7872841051314143, 10_000, 100_000
    least = [
        int(np.flatnonzero(clopper_pearson_lower(np.arange(n + 1), n, alpha) > p)[0])
        for n in (few, many)
    ]
    first = np.arange(least[0], few + 1)
    both = (binom.pmf(first, few, p) * binom.sf(least[1] - first - 1, many - few, p)).sum()
    wrong = binom.sf(least[0] - 1, few, p) + binom.sf(least[1] - 1, many, p) - both
    assert wrong / alpha == pytest.approx(1.98, abs=0.01)
