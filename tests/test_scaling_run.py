"""The command ``scales``: its table, its record, and that a killed run loses nothing."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from core_helpers import trained_digits_model

from smoothcert.cli import main
from smoothcert.core.scratch import Scratch
from smoothcert.sampling.job import read_scales
from smoothcert.scaling import job as run_scales

SPEC = {
    "dataset": "digits",
    "noise": "gaussian-0.25",
    "scalings": ["ascent-K5", "ascent-K10", "ascent-mean-K10"],
    "max": 10,
    "batch": 4,
    "seed": 3,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(trained_digits_model(tmp_path_factory.mktemp("model") / "model.safetensors"))


def search(out: Path, model: str, **changes: object) -> int:
    spec = json.dumps({**SPEC, **changes})
    return main(["scales", "--spec", spec, "--model", model, "--out", str(out), "--quiet"])


def test_the_table_has_a_row_an_input_and_scaling(tmp_path: Path, model: str) -> None:
    out = tmp_path / "scales.tsv"
    assert search(out, model) == 0
    header, *lines = out.read_text().splitlines()
    assert header.split("\t") == list(run_scales.COLUMNS)
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    order = [(row["idx"], row["scaling"]) for row in rows]
    assert order == [(str(i), s) for i in range(10) for s in SPEC["scalings"]]  # type: ignore[attr-defined]
    assert {row["sigma_0"] for row in rows} == {"0.25"}
    assert {row["hit_bound"] for row in rows} == {"0"}
    own = read_scales(out, np.arange(10), "ascent-K10")
    shared = read_scales(out, np.arange(10), "ascent-mean-K10")
    assert shared == pytest.approx(np.full(10, own.mean()), abs=1e-15)
    for row in rows:
        gained = float(row["objective"]) - float(row["objective_0"])
        assert (gained != 0) == (float(row["sigma"]) != 0.25)
        assert 0 <= int(row["c_a"]) < 10
    assert not list(tmp_path.glob(".*"))


def test_the_record_says_what_made_the_table_and_what_it_cost(tmp_path: Path, model: str) -> None:
    out = tmp_path / "scales.tsv"
    search(out, model)
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["identity"]["search"] == "ascent"
    assert record["identity"]["model_digest"] == record["model"]["digest"]
    assert record["surroundings"]["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert record["inputs"] == 10
    seconds = record["seconds"]["scalings"]
    assert list(seconds) == sorted(seconds)
    assert 0 < seconds["ascent-K5"] < seconds["ascent-K10"] == seconds["ascent-mean-K10"]
    assert seconds["ascent-K10"] <= record["seconds"]["searched"]
    assert record["hit_bound"] == dict.fromkeys(SPEC["scalings"], 0)  # type: ignore[call-overload]


def test_a_scale_depends_on_the_seed_and_not_on_what_else_is_searched(
    tmp_path: Path, model: str
) -> None:
    outs = {}
    for name, changes in {
        "whole": {},
        "fewer": {"scalings": ["ascent-K10"], "max": 5, "batch": None},
        "other": {"seed": 4},
    }.items():
        search(tmp_path / f"{name}.tsv", model, **changes)
        outs[name] = read_scales(tmp_path / f"{name}.tsv", np.arange(5), "ascent-K10")
    assert outs["fewer"] == pytest.approx(outs["whole"], abs=1e-8)
    assert (outs["other"] != outs["whole"]).all()


def _dies(out: Path, model: str, parts: int) -> None:
    write, done = Scratch.write, 0

    def dying(self: Scratch, name: str, content: dict) -> dict:
        nonlocal done
        if done == parts:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return write(self, name, content)

    Scratch.write = dying  # type: ignore[method-assign]
    search(out, model)


@pytest.mark.parametrize("parts", [1, 4])  # of three searches and three measurements
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, model: str, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)  # a forked process has no others
    whole, out = tmp_path / "whole" / "scales.tsv", tmp_path / "killed" / "scales.tsv"
    search(whole, model)
    process = multiprocessing.get_context("fork").Process(target=_dies, args=(out, model, parts))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    written = []
    write = Scratch.write
    monkeypatch.setattr(
        Scratch, "write", lambda self, *args: written.append(args[0]) or write(self, *args)
    )
    assert search(out, model) == 0
    assert len(written) == 6 - parts  # only what was missing
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in out.parent.iterdir()) == ["scales.json", "scales.tsv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scalings": ["ascent-K5", "ramp-K5"]}, "of one search"),
        ({"scalings": ["fixed"]}, "no scale to search"),
        ({"scalings": []}, "scalings: expected at least 1 of them"),
        ({"scalings": ["ascent-K5", "ascent-K5"]}, "appears twice"),
        ({"scalings": ["ascent-K05"]}, "ascent-K05"),
        ({"scalings": [5]}, "scalings.0: expected a text, found 5"),
        ({"scalings": "ascent-K5"}, "expected a list"),
        ({"noise": "gaussian-linf-0.25"}, "no soft radius"),
        ({"batch": 0}, "batch: expected at least 1, found 0"),
    ],
)
def test_what_does_not_fit_is_one_line_before_any_search(
    changes: dict, message: str, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scales.tsv"
    assert search(out, model, **changes) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
