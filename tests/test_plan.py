"""A plan counts each job's work once, from its specification, and says what it does not know."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.reference import cells
from smoothcert.workflow.planning.compare import compare
from smoothcert.workflow.planning.estimate import Estimate
from smoothcert.workflow.planning.jobs import Job, dry_run, parents
from smoothcert.workflow.planning.passes import (
    Passes,
    search_passes,
    training_passes,
    training_plan,
)
from smoothcert.workflow.planning.report import compared_text, plan_text
from smoothcert.workflow.planning.schedule import makespan
from smoothcert.workflow.planning.stopping import samples_per_input
from smoothcert.workflow.planning.throughput import (
    Drawing,
    Network,
    Sampling,
    Search,
    Throughput,
    Training,
)

TINY = Network.of("tiny_cnn", (1, 8, 8), 10)
RECIPE = {"epochs": 8, "batch": 64, "lr": 0.1, "lr_step": 4}


@pytest.fixture
def throughput() -> Throughput:
    """A GPU of round numbers."""
    return Throughput(
        device="cuda (Round GPU)",
        clock="wall",
        made_by={},
        date="2026-01-02T03:04:05+00:00",
        start=10.0,
        light=2.0,
        bytes_per_look=10.0,
        bytes_per_row=100.0,
        sampling=[Sampling(TINY, "gaussian", "float32", 4096, 1e-3, 1.0)],
        drawing=[Drawing("gaussian", 64, 1e-4), Drawing("laplace", 64, 3e-4)],
        training=[Training(TINY, "cohen-fs", Passes(1, 1), 64, "bfloat16", 1e-2)],
        search=[Search(TINY, "gaussian", 512, 2e-3, 1e-3)],
    )


def sampling(
    i: int, n: int, budget: str = "fixed-1000", arch: str = "tiny_cnn", **spec: Any
) -> Job:
    full = {
        "dataset": "digits", "noise": "gaussian-0.25", "scaling": "fixed", "budget": budget,
        "seed": 0, "skip": 1, "max": 21, "look": 500, "batch": None, "precision": "float32", **spec,
    }  # fmt: skip
    return Job(
        rule="sample",
        shell=f"python -m smoothcert sample --spec '{json.dumps(full)}' --model m --shard {i}/{n}",
        wildcards={"dataset": "digits", "arch": arch, "i": str(i)},
        input=("model",),
        output=(f"shard-{budget}-{i}",),
        gpu=1,
        runtime=1,
    )


def training(name: str = "cohen-fs-0.25", parent: str = "", **recipe: Any) -> Job:
    spec = {"dataset": "digits", "arch": "tiny_cnn", "training": name, "recipe": RECIPE | recipe}
    return Job(
        rule="train",
        shell=f"python -m smoothcert train --spec '{json.dumps(spec)}' {parent} --out m",
        wildcards={"dataset": "digits", "arch": "tiny_cnn", "training": name},
        output=("model",),
        gpu=1,
    )


def output(rule: str, *needed: str, command: str = "table cohen") -> Job:
    return Job(rule=rule, shell=f"smoothcert {command} > x", input=needed, output=(f"{rule}.csv",))


def test_votes_are_counted_from_the_specification(throughput: Throughput) -> None:
    """21 inputs in two shards: 11 and 10, each of 1000 samples and 100 to choose the class."""
    estimate = Estimate([sampling(0, 2), sampling(1, 2)], throughput)
    assert [work.amount for work in estimate.works] == [11 * 1100, 10 * 1100]
    assert [work.seconds for work in estimate.works] == [10 + 1 + 12.1, 10 + 1 + 11.0]
    assert all(work.measured for work in estimate.works)
    assert estimate.cost().disk == pytest.approx(10.0 * 21 * 1100 / 500)


def test_training_images_are_those_of_the_epochs_that_are_left(throughput: Throughput) -> None:
    whole = Estimate([training()], throughput).works[0]
    rest = Estimate([training(parent="--parent s/model.epoch-6.safetensors")], throughput).works[0]
    size = training_plan(training().spec, None).info.splits["train"]
    assert (whole.amount, rest.amount) == (8 * size, 2 * size)
    assert whole.seconds == 10 + whole.amount / 100
    assert whole.disk == 4 * TINY.values
    snapshots = Estimate([training(snapshots=[2, 4])], throughput).works[0]
    assert snapshots.disk == 5 * whole.disk


@pytest.mark.parametrize(
    ("name", "options", "passes"),
    [
        ("cohen-fs-0.25", {}, (1, 1)),
        ("cohen-ds2-0.25", {}, (2, 2)),
        ("cohen-ds2-0.25", {"ds2": {"n": 4, "steps": 2}}, (9, 9)),
        ("smoothadv-fs-0.25", {"method": {"radius": 0.5, "steps": 3, "samples": 2}}, (8, 8)),
        (
            "smoothadv-fs-0.25",
            {"method": {"radius": 0.5, "steps": 3, "samples": 2, "train_on": "first"}},
            (7, 7),
        ),
        ("macer-fs-0.25", {"method": {"k": 16}}, (16, 16)),
        ("consistency-fs-0.25", {"method": {"m": 3}}, (3, 3)),
        (
            "consistency-fs-0.25",
            {"method": {"m": 2, "attack": {"radius": 0.5, "steps": 3}}},
            (8, 8),
        ),
    ],
)
def test_the_passes_of_a_method_are_counted_by_running_it(
    name: str, options: dict[str, Any], passes: tuple[int, int]
) -> None:
    parts = training_plan(training(name, **options).spec, "given")
    assert training_passes(parts) == Passes(*passes)


def test_a_search_counts_its_own_cost_its_class_and_what_measures_it() -> None:
    one, sweep = search_passes(["ascent-K900"]), search_passes(["ascent-K100", "ascent-K900"])
    assert (one.derivatives, one.votes) == (900, 100 + 2 * 100)
    assert (sweep.derivatives, sweep.votes) == (900, 100 + 3 * 100)
    grid = search_passes(["grid-n4"])
    assert (grid.derivatives, grid.votes) == (0, 1800 + 100 + 200)


def test_an_adaptive_budget_is_expected_to_stop_and_at_most_does_not(
    throughput: Throughput,
) -> None:
    jobs = [sampling(0, 1, "sequential_decide0.50-10000"), sampling(0, 1, "fixed-10000")]
    adaptive, fixed = Estimate(jobs, throughput).works
    assert adaptive.adaptive
    assert adaptive.seconds is not None
    assert adaptive.seconds < 0.7 * adaptive.most
    assert adaptive.most == fixed.most == fixed.seconds
    assert "adaptive" in plan_text(Estimate(jobs, throughput), "x", 1, 1)


def test_expected_sizes_are_near_those_that_were_published() -> None:
    """ISS, tables 1 and 5: average samples an input, each within a third."""
    ratios = []
    for row in [
        cell for table in ("table1", "table5") for cell in cells("iss", table, metric="avg_samples")
    ]:
        match = re.fullmatch(r"ISS-AD-(\d+)-(0\.\d+)", row.method)
        if match:
            budget = f"iss_ad{match[2]}-{match[1]}0000"
            d = 150528 if row.dataset == "imagenet" else 3072
            noise = f"gaussian-{float(row.sigma):.2f}"
            method = str(row.train).lower()
            found = samples_per_input(budget, noise, row.dataset, d, 1000, method)
            ratios.append(found.expected / row.value)
    assert len(ratios) == 20
    assert max(map(abs, map(math.log, ratios))) < math.log(1.5)


def test_another_network_is_scaled_by_operations_and_says_so(throughput: Throughput) -> None:
    large = sampling(0, 1, arch="small_cnn", dataset="mnist")
    work = Estimate([large], throughput).works[0]
    network = Network.of("small_cnn", (1, 28, 28), 10)
    ratio = network.flops / TINY.flops
    noise = 1e-4 * 784 / 64
    assert work.seconds == pytest.approx(10 + 21 * 1100 * (9e-4 * ratio + noise))
    assert not work.measured
    assert work.scaled_from == "tiny_cnn"
    text = plan_text(Estimate([large], throughput), "x", 1, 1)
    assert "small_cnn was not measured: scaled from tiny_cnn by FLOPs" in text
    assert "100% of the device's time is scaled" in text


def test_another_noise_costs_what_drawing_it_costs_more(throughput: Throughput) -> None:
    work = Estimate([sampling(0, 1, noise="laplace-0.25")], throughput).works[0]
    assert work.seconds == pytest.approx(11 + 21 * 1100 * (1e-3 - 1e-4 + 3e-4))
    assert work.measured


def test_other_passes_are_scaled(throughput: Throughput) -> None:
    job = training("macer-fs-0.25", method={"k": 4})
    work = Estimate([job], throughput).works[0]
    assert work.seconds == pytest.approx(10 + work.amount * 1e-2 * 4)
    assert not work.measured


def shared(throughput: Throughput) -> Estimate:
    """Two tables of the same votes, one of them with votes of its own; a figure nobody counts."""
    jobs = [
        training(), sampling(0, 1), sampling(0, 1, "fixed-2000"),
        output("table_a", "shard-fixed-1000-0"),
        output("table_b", "shard-fixed-1000-0", "shard-fixed-2000-0"),
        output("page", "table_a.csv", "table_b.csv", command="overview"),
        output("mystery", "model", command="lbrs image"),
    ]  # fmt: skip
    return Estimate(jobs, throughput)


def test_what_targets_share_is_counted_once(throughput: Throughput) -> None:
    estimate = shared(throughput)
    each = [work.seconds or 0.0 for work in estimate.works]
    total, targets = estimate.cost(), estimate.by_target()
    assert total.device == sum(each[:3])
    assert total.other == 3 * 2.0
    assert total.uncounted == 1
    assert targets["table_a"][0].device == each[0] + each[1]
    assert targets["table_b"][0].device == sum(each[:3])
    assert targets["table_a"][1].device == 0
    assert targets["table_b"][1].device == each[2]
    # The page needs all of it, but only the page itself would be saved without it.
    assert targets["page"][0].device == total.device
    assert (targets["page"][1].jobs, targets["page"][1].other) == (1, 2.0)


def test_a_plan_names_what_it_cannot_count_and_what_is_over_its_limit(
    throughput: Throughput,
) -> None:
    estimate = shared(throughput)
    assert [job.rule for job, _ in estimate.over_limit()] == []
    text = plan_text(estimate, "both", 2, 4)
    assert "both: 7 jobs" in text
    assert "Round GPU, measured 2026-01-02" in text
    assert re.search(r"not counted.*: mystery \(1\)", text)
    assert re.search(r"^sample +2 +67.2 k samples", text, re.M)
    long = Estimate([sampling(0, 1, "fixed-100000")], throughput)
    assert [job.rule for job, _ in long.over_limit()] == ["sample"]
    assert "exceeds its run-time limit" in plan_text(long, "x", 1, 1)


def test_nothing_to_do_is_a_plan_too(throughput: Throughput) -> None:
    assert plan_text(Estimate([], throughput), "cohen", 1, 1) == "cohen: nothing to be done\n"


@pytest.mark.parametrize(
    ("slots", "expected"), [(1, 1 + 4 * 3 + 2), (2, 1 + 2 * 3 + 2), (4, 6), (9, 6)]
)
def test_wall_time_respects_what_waits_and_how_many_run_at_once(slots: int, expected: int) -> None:
    """One job, four of three seconds that wait for it, one that waits for them."""
    waits = [[], [0], [0], [0], [0], [1, 2, 3, 4]]
    seconds = [1.0, 3.0, 3.0, 3.0, 3.0, 2.0]
    assert makespan(seconds, waits, ["device"] * 6, {"device": slots, "cpu": 1}) == expected


def test_jobs_of_the_cpu_run_beside_those_of_the_device() -> None:
    seconds, pools = [5.0, 5.0, 3.0, 3.0], ["device", "device", "cpu", "cpu"]
    assert makespan(seconds, [[]] * 4, pools, {"device": 1, "cpu": 1}) == 10
    assert makespan(seconds, [[]] * 4, pools, {"device": 2, "cpu": 1}) == 6
    with pytest.raises(ValueError, match="depend on each other"):
        makespan([1.0, 1.0], [[1], [0]], ["cpu"] * 2, {"cpu": 1})


def test_planned_stands_beside_recorded(tmp_path: Path, throughput: Throughput) -> None:
    sampled = [sampling(i, 2) for i in range(2)]
    jobs = [
        replace(job, shell=f"{job.shell} --benchmark b/{i}.tsv") for i, job in enumerate(sampled)
    ]
    jobs.append(training())
    (tmp_path / "b").mkdir()
    for i, (wall, cpu) in enumerate([("30.0", "20.0"), ("50.0", "24.0")]):
        (tmp_path / f"b/{i}.tsv").write_text(
            f"s\th:m:s\tmax_rss\tcpu_time\n{wall}\t0:00:30\t-\t{cpu}\n"
        )
    (line,) = compare(Estimate(jobs, throughput), tmp_path)
    assert (line.rule, line.jobs, line.wall, line.cpu) == ("sample", 2, 80.0, 44.0)
    assert line.planned == pytest.approx(45.1)
    assert "0.56" in compared_text([line], "wall")
    assert "1.03" in compared_text([line], "cpu")
    with pytest.raises(SmoothcertError, match="nothing to compare"):
        compare(Estimate([training()], throughput), tmp_path)
    (tmp_path / "b/0.tsv").write_text("what\n")
    with pytest.raises(SmoothcertError, match=r"0\.tsv: not a benchmark"):
        compare(Estimate(jobs, throughput), tmp_path)


@pytest.mark.xdist_group("workflow")
def test_the_command_plans_a_target_of_this_checkout(
    repository: Path,
    tmp_path: Path,
    throughput: Throughput,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From nothing, whatever lies in the results of this checkout."""
    throughput.write(tmp_path / "t.json")
    monkeypatch.chdir(repository)
    command = ["plan", "cohen_table", "--throughput", str(tmp_path / "t.json"), "--all"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert re.search(r"^train +2 +\d", text, re.M)
    assert re.search(r"^sample +\d+ +4.04 M samples", text, re.M)
    assert re.search(r"^cohen_table +\d+ +[\d.]+ +[\d.]+ +\d+", text, re.M)
    assert "GPU hours" in text


@pytest.mark.xdist_group("workflow")
def test_a_plan_of_what_is_no_target_ends_with_one_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SmoothcertError, match="no_such_table"):
        dry_run(["no_such_table"], folder=repository)
    with pytest.raises(SmoothcertError, match="Snakefile: not found"):
        dry_run(["all"], folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "all"]) == 2


def test_a_missing_or_wrong_throughput_file_ends_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(SmoothcertError, match="smoothcert bench --write"):
        Throughput.read(tmp_path / "none.json")
    for text in ("{", "[]", '{"format": 2}', '{"format": 1, "sampling": 3}'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(SmoothcertError, match=r"t\.json: expected a file of"):
            Throughput.read(tmp_path / "t.json")


def test_a_throughput_file_is_read_as_it_was_written(
    tmp_path: Path, throughput: Throughput
) -> None:
    throughput.write(tmp_path / "t.json")
    assert Throughput.read(tmp_path / "t.json") == throughput


def test_jobs_wait_for_those_that_make_their_files() -> None:
    jobs = [
        Job("train", output=("m/model", "m/snapshots")),
        Job("child", input=("m/snapshots/model.epoch-3",)),
        Job("sample", input=("m/model", "data.json")),
    ]
    assert parents(jobs) == [[], [0], [0]]
