"""The throughput of a device is measured with the code that the jobs run, and within its limit."""

import json
import re
import time
from pathlib import Path

import pytest
import torch

from smoothcert import datasets, models
from smoothcert.budget import BUDGETS
from smoothcert.cli import main
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import sample
from smoothcert.sampling.sampler import Draw, Sampler
from smoothcert.workflow.planning import measure as measuring
from smoothcert.workflow.planning.jobs import Job
from smoothcert.workflow.planning.measure import measure
from smoothcert.workflow.planning.needs import Needs, kind, needs
from smoothcert.workflow.planning.overhead import made_store
from smoothcert.workflow.planning.throughput import Throughput

CPU = torch.device("cpu")
RECIPE = {"epochs": 4, "batch": 64, "lr": 0.01, "lr_step": 2}


def job(command: str, **spec: object) -> Job:
    full = {"dataset": "digits", **spec}
    return Job(
        rule=command,
        shell=f"python -m smoothcert {command} --spec '{json.dumps(full)}'",
        wildcards={"arch": "tiny_cnn"},
    )


JOBS = [
    job("train", arch="tiny_cnn", training="cohen-fs-0.25", recipe=RECIPE),
    job("train", arch="tiny_cnn", training="cohen-fs-0.50", recipe=RECIPE),
    job("train", arch="tiny_cnn", training="macer-fs-0.25", recipe=RECIPE | {"method": {"k": 4}}),
    job("sample", noise="gaussian-0.25", precision="float32"),
    job("sample", noise="gaussian-0.50", precision="float32"),
    job("sample", noise="laplace-0.25", precision="float32"),
    job("scales", noise="gaussian-0.25"),
    job("certify", budget="fixed-100"),
]


@pytest.fixture(scope="module")
def found() -> Throughput:
    torch.set_num_threads(1)
    throughput, skipped = measure(JOBS, (), "cpu", seconds=0.15, limit=600)
    assert skipped == []
    return throughput


def test_each_kind_of_work_is_wanted_once() -> None:
    (need,) = needs(JOBS)
    assert need == Needs(
        "tiny_cnn",
        "digits",
        noises={"gaussian": "gaussian-0.25", "laplace": "laplace-0.25"},
        trainings={"cohen-fs": JOBS[0].spec, "macer-fs": JOBS[2].spec},
        precisions={"float32": None},
        searches={"gaussian": "gaussian-0.25"},
    )
    assert kind("centripetal-l2_k48-1.00") == "centripetal-l2_k48"


def test_everything_wanted_is_measured(found: Throughput) -> None:
    assert [(s.network.arch, s.noise, s.batch) for s in found.sampling] == [
        ("tiny_cnn", "gaussian", 512)
    ]
    assert [(d.noise, d.d) for d in found.drawing] == [("gaussian", 64), ("laplace", 64)]
    assert [(t.method, t.passes.forward) for t in found.training] == [
        ("cohen-fs", 1),
        ("macer-fs", 4),
    ]
    assert [s.noise for s in found.search] == ["gaussian"]
    assert (found.device, found.clock) == ("cpu", "cpu")


def test_rates_are_those_of_one_sample(found: Throughput) -> None:
    """Only what no busy machine can hide: a rate of a batch, or of nothing, in place of one."""
    (search,), (votes,) = found.search, found.sampling
    rates = [one.seconds for one in (*found.training, *found.drawing, *found.sampling)]
    for rate in [*rates, search.vote, search.derivative]:
        assert 1e-9 < rate < 0.1
    assert votes.first > 0


def test_a_rate_is_that_of_the_sampler(found: Throughput) -> None:
    """Measured again by hand, with another network of the kind and other noise."""
    model = models.build("tiny_cnn", 10, (1, 8, 8), seed=5)
    engine = open_engine(model, (1, 8, 8), CPU)
    sampler = Sampler(engine, NOISES.parse("gaussian-0.50"), 10, 512)
    x = torch.full((1, 8, 8), 0.5)
    draws = [Draw(x, 0.5, generator(1, "test", j), 1000) for j in range(20)]
    sampler.votes(draws)
    start = time.process_time()
    sampler.votes(draws)
    by_hand = (time.process_time() - start) / 20_000
    assert 1 / 20 < found.sampling[0].seconds / by_hand < 20  # a batch would be 512


def test_starting_is_no_part_of_a_rate(tmp_path: Path, found: Throughput) -> None:
    """Each run costs 5 to start, the first 7 more; a unit costs 2."""
    bench, runs = measuring._Bench(CPU, 30.0, tmp_path, found), []

    def took(work: object, n: int) -> float:
        runs.append(n)
        return 5.0 + 2.0 * n + 7.0 * (len(runs) == 1)

    bench.took = took  # type: ignore[method-assign]
    assert bench.cost(lambda n: None) == (2.0, 12.0)
    assert runs == [1, 1, 2, 8, 32]


def test_a_rate_does_not_come_from_how_the_start_varies(tmp_path: Path, found: Throughput) -> None:
    """Starting takes 2 s at first and 2.3 s later; a unit takes 0.01 s."""
    bench, runs = measuring._Bench(CPU, 0.5, tmp_path, found), []

    def took(work: object, n: int) -> float:
        runs.append(n)
        return (2.0 if len(runs) < 3 else 2.3) + 0.01 * n

    bench.took = took  # type: ignore[method-assign]
    each, _ = bench.cost(lambda n: None)
    assert each == pytest.approx(0.01, rel=0.15)  # 0.3 after two units


def test_what_does_not_fit_into_the_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring._Bench, "sampling", lambda *_: time.sleep(0.2) or "")
    monkeypatch.setattr(measuring, "overhead", lambda *_: None)
    throughput, skipped = measure(JOBS, (), "cpu", seconds=0.1, limit=0.1)
    assert throughput.drawing == throughput.training == []
    assert skipped == [
        "noise gaussian of 1x8x8",
        "noise laplace of 1x8x8",
        "search of tiny_cnn",
        "training cohen-fs of tiny_cnn",
        "training macer-fs of tiny_cnn",
    ]


def test_jobs_without_a_network_have_nothing_to_measure() -> None:
    with pytest.raises(SmoothcertError, match="nothing to measure"):
        measure(JOBS[-1:], (), "cpu", 0.1, 1)


def test_a_store_of_a_bench_is_as_large_as_one_that_was_sampled(tmp_path: Path) -> None:
    """Bytes of a look: of the made store, within a factor 3 of sampled looks of 1000."""
    data = datasets.load("digits", max=40)
    model = models.build("tiny_cnn", 10, (1, 8, 8))
    store = sample(model, data.images, BUDGETS.parse("fixed-4000"), NOISES.parse("gaussian-0.50"))
    store.write(tmp_path / "sampled.npz")
    made_store().write(tmp_path / "made.npz")
    sampled = (tmp_path / "sampled.npz").stat().st_size / (40 * 4)
    made = (tmp_path / "made.npz").stat().st_size / (100 * 20)
    assert 1 / 3 < made / sampled < 3


def test_starting_a_job_is_measured_with_real_jobs(found: Throughput) -> None:
    assert found.start > found.light > 0
    assert 1 < found.bytes_per_look < 200
    assert 50 < found.bytes_per_row < 1000


@pytest.mark.slow  # asks Snakemake for the jobs
def test_the_command_writes_what_a_plan_reads(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(repository)
    out = str(tmp_path / "t.json")
    command = ["bench", "cohen_table", "--seconds", "0.1", "--limit", "600", "--write", out]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert re.search(r"votes of tiny_cnn: [\d,]+ samples per second", text)
    assert main(["plan", "cohen_table", "--throughput", out, "--all", "--jobs", "2"]) == 0
    text = capsys.readouterr().out
    assert "scaled" not in text
    assert "total: 0.0" in text
    assert main(["bench", "cohen_table", "--arch", "resnet110"]) == 2
    assert "--arch resnet110: no network of these targets" in capsys.readouterr().err
