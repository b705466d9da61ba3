"""A night on a real Slurm: every fault that one machine can make, and the same table at the end.

One run of `snakemake --profile slurm` meets them all in turn; the tests look at what it left.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from conftest import copy_workflow

sys.path.insert(0, str(Path(__file__).parent))
from cluster import Cluster, missing, running, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(
        bool(missing()),
        reason=f"no Slurm on this machine ({', '.join(missing())} missing): make test-slurm"
        " installs it on Debian",
    ),
]

TINY = {
    "experiments": {
        "cohen": [
            {
                "dataset": "digits",
                "arch": "tiny_cnn",
                "training": "cohen-fs-0.25",
                "noise": "gaussian-0.25",
                "scaling": "fixed",
                "budget": "fixed-20000",
            }
        ]
    },
    "recipes": {"cohen": {"digits": {"epochs": 8}}},
    "inputs": {"digits": {"max": 20, "shards": 2}},
    "sampling": {"look": 500},
    "resources": {
        "train": {"threads": 2, "gpu": 1, "mem_mb": 700, "runtime": 10},
        "sample": {"threads": 1, "gpu": 1, "mem_mb": 600, "runtime": 12},
    },
}
MODEL = "results/smoke-tiny/models/digits/tiny_cnn/cohen-fs-0.25"
STORE = "results/smoke-tiny/votes/digits/tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed"
LOGS = "results/smoke-tiny/logs/sample/digits/tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed"
TABLES = [f"results/smoke-tiny/tables/cohen_table.{suffix}" for suffix in ("csv", "md", "tex")]
WAIT = 400  # seconds for one step, on a machine that is busy

# Every bash of a job writes one line: what a rule's command sees.
PROBE = """\
if [ -n "${SLURM_JOB_ID-}" ]; then
    case "${BASH_EXECUTION_STRING-}" in
        *"smoothcert train "*) what=train ;;
        *"smoothcert sample "*) what=sample ;;
        *) what=other ;;
    esac
    echo "$what $SLURM_JOB_ID ${SLURM_STEP_ID--} ${SLURMD_NODENAME--} ${CUDA_VISIBLE_DEVICES--}" \\
        "${SLURM_STEP_GPUS--} ${OMP_NUM_THREADS--} ${TMPDIR--}" >> "$PROBE"
fi
"""


@dataclass
class Night:
    """What was seen on the way."""

    folder: Path
    log: list[str] = field(default_factory=list)
    table: dict[str, bytes] = field(default_factory=dict)  # of the local run, like `votes`
    votes: bytes = b""
    train: list[str] = field(default_factory=list)  # ids of Slurm's jobs, in order
    first: list[str] = field(default_factory=list)  # of the first shard
    second: list[str] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)  # what Slurm knew of them
    states: dict[str, str] = field(default_factory=dict)
    epochs: str = ""  # the log of the training when it ran out of time
    journals: dict[int, list[int]] = field(default_factory=dict)  # looks stored at each fault
    refused: str = ""  # what a second Snakemake said
    probe: list[list[str]] = field(default_factory=list)
    second_run: str = ""
    seconds: float = 0.0

    def note(self, text: str) -> None:
        self.log.append(text)
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Run:
    """A Snakemake in the background, its output in a file."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.output = folder / name
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable, str(Path(__file__).with_name("fastpoll.py")),
                    "--profile", "slurm", "--max-status-checks-per-second", "10",
                    "--configfile", "tiny.yaml", "--", "cohen_table",
                ],
                cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def until(self, true, seconds: float, what: str) -> None:
        """Wait, but no longer than Snakemake runs."""

        def look() -> object:
            found = true()
            if not found and self.process.poll() is not None:
                raise AssertionError(f"Snakemake ended before {what}:\n{self.text()[-6000:]}")
            return found

        try:
            wait_until(look, seconds, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{self.text()[-6000:]}") from None


def environment_of(folder: Path, cluster: Cluster | None = None) -> dict[str, str]:
    base = dict(cluster.environment if cluster else os.environ)
    for name in ("PYTHONPATH", "SNAKEMAKE_PROFILE"):
        base.pop(name, None)
    base |= {"XDG_CACHE_HOME": str(folder / ".cache"), "OMP_NUM_THREADS": "1"}
    if cluster:
        partitions = cluster.folder / "partitions.yaml"
        limits = {"max_runtime": 60, "max_mem_mb": 4000, "max_gpu": 2}
        partitions.write_text(yaml.safe_dump({"partitions": {"main": limits}}))
        (cluster.folder / "probe.sh").write_text(PROBE)
        base |= {
            "SNAKEMAKE_SLURM_PARTITIONS": str(partitions),
            "SBATCH_ACCOUNT": "lab",
            "SMOOTHCERT_GPU_TYPE": "fake",
            "SMOOTHCERT_SBATCH": "--nice=7",
            "SMOOTHCERT_SCRATCH": f"{cluster.folder}/scratch/$SLURM_JOB_ID",
            "BASH_ENV": str(cluster.folder / "probe.sh"),
            "PROBE": str(cluster.folder / "probe"),
            "PYTHONPATH": str(Path(__file__).parent / "stops"),
            "STOPS": str(stops(cluster)),
        }
    return base


def stops(cluster: Cluster) -> Path:
    """Where jobs say that they have stopped (stops/sitecustomize.py)."""
    folder = cluster.folder / "stops"
    folder.mkdir(exist_ok=True)
    return folder


def looks(folder: Path, shard: int) -> int:
    """Whole lines in the journal of a shard."""
    journals = list((folder / STORE / "shards").glob(f".{shard}-of-2.npz.*.partial/looks"))
    assert len(journals) <= 1
    return journals[0].read_bytes().count(b"\n") if journals else 0


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory):
    base = tmp_path_factory.mktemp("night")
    local, folder = copy_workflow(base / "local"), copy_workflow(base / "slurm")
    # The local run is cut into another number of shards, and asks for no GPU.
    alone = {stage: {**asked, "gpu": 0} for stage, asked in TINY["resources"].items()}
    shards = {"digits": {"max": 20, "shards": 3}}
    overlays = {local: {**TINY, "inputs": shards, "resources": alone}, folder: TINY}
    for place, overlay in overlays.items():
        (place / "tiny.yaml").write_text(yaml.safe_dump(overlay))
    seen = Night(folder)
    start = time.monotonic()
    with (base / "local.log").open("wb") as log:
        reference = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "tiny.yaml",
             "--", "cohen_table"],
            cwd=local, env=environment_of(local), stdout=log, stderr=log,
        )  # fmt: skip
    with running() as cluster:
        try:
            _night(cluster, seen, folder)
            assert reference.wait(WAIT) == 0, (base / "local.log").read_text()
        finally:
            reference.terminate()
        seen.table = {name: (local / name).read_bytes() for name in TABLES}
        seen.votes = (local / STORE / "votes.npz").read_bytes()
        seen.probe = [line.split() for line in (cluster.folder / "probe").read_text().splitlines()]
        lines = cluster.ask("squeue", "--states=all", "-h", "-o", "%A|%T").splitlines()
        seen.states = dict(line.split("|") for line in lines)
        seen.seconds = time.monotonic() - start
        for what, job, _, node, cuda, *_ in seen.probe:
            if what != "other":
                seen.note(f"job {job} ({what}) saw CUDA_VISIBLE_DEVICES={cuda} on {node}")
        for job, state in sorted(seen.states.items(), key=lambda pair: int(pair[0])):
            seen.note(f"job {job}: {state}")
        for name, content in seen.table.items():
            same = "the same bytes" if (folder / name).read_bytes() == content else "DIFFERENT"
            seen.note(f"{name}: {len(content)} bytes, {same} as the local run's")
        seen.note(f"{seen.seconds:.0f} s")
        yield seen


def _night(cluster: Cluster, seen: Night, folder: Path) -> None:
    environment = environment_of(folder, cluster)
    run = Run(folder, "first.log", environment)
    try:
        _training_runs_out_of_time(cluster, seen, run)
        _snakemake_is_killed(cluster, seen, run, environment)
        run = Run(folder, "second.log", environment)
        _a_job_is_killed_and_a_node_is_lost(cluster, seen, run)
        run.until(lambda: run.process.poll() is not None, WAIT, "the end")
        assert run.process.returncode == 0, run.text()[-6000:]
    finally:
        run.process.kill()
        run.process.wait()
    seen.second_run = run.text()
    seen.first, seen.second = (
        [j for j in cluster.jobs("sample") if f"_{i}_2" in comment(cluster, j)] for i in (0, 1)
    )


def comment(cluster: Cluster, job: str) -> str:
    return cluster.job(job).get("Comment", "")


def _training_runs_out_of_time(cluster: Cluster, seen: Night, run: Run) -> None:
    run.until((stops(cluster) / "train.0").exists, WAIT, "two epochs are done")
    (log,) = (seen.folder / MODEL).glob(".model.*.partial/log.csv")
    seen.epochs = log.read_text()
    (job,) = cluster.jobs("train")
    seen.asked[job] = cluster.job(job)
    seen.note(f"job {job} (train): {len(seen.epochs.splitlines()) - 1} epochs; its time is up")
    # the same as waiting until the end of its time
    cluster.call("scontrol", "update", f"jobid={job}", "EndTime=now+1")
    run.until(lambda: len(cluster.jobs("train")) == 2, WAIT, "the training is submitted again")
    seen.train = cluster.jobs("train")
    seen.asked[seen.train[1]] = cluster.job(seen.train[1])
    seen.note(f"job {job}: {cluster.job(job)['JobState']}; again as job {seen.train[1]}")


def _snakemake_is_killed(
    cluster: Cluster, seen: Night, run: Run, environment: dict[str, str]
) -> None:
    for shard in (0, 1):
        run.until((stops(cluster) / f"shard{shard}.0").exists, WAIT, f"looks of shard {shard}")
        seen.journals[shard] = [looks(seen.folder, shard)]
    jobs = cluster.jobs("sample")
    for job in jobs:
        seen.asked[job] = cluster.job(job)
    run.process.kill()
    run.process.wait()
    seen.note(f"Snakemake {run.process.pid} is killed; jobs {' '.join(jobs)} run on")
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--configfile", "tiny.yaml"]
    for option in ([], ["--unlock"]):
        again = subprocess.run(
            [*command, *option, "--", "cohen_table"],
            cwd=seen.folder, env=environment, capture_output=True, text=True, timeout=WAIT,
        )  # fmt: skip
        if not option:
            assert again.returncode != 0
            seen.refused = again.stdout + again.stderr
        else:
            assert again.returncode == 0, again.stderr


def _a_job_is_killed_and_a_node_is_lost(cluster: Cluster, seen: Night, run: Run) -> None:
    for shard in (0, 1):
        run.until((stops(cluster) / f"shard{shard}.1").exists, WAIT, f"more of shard {shard}")
        seen.journals[shard].append(looks(seen.folder, shard))
    kill, lose = (
        next(j for j in cluster.jobs("sample")[2:] if f"_{i}_2" in comment(cluster, j))
        for i in (0, 1)
    )
    for job in (kill, lose):
        seen.asked[job] = cluster.job(job)
    node = seen.asked[lose]["NodeList"]
    if seen.asked[kill]["NodeList"] != node:
        seen.note(f"job {kill} (shard 0) is cancelled")
        cluster.call("scancel", kill)
    seen.note(f"node {node}, where job {lose} (shard 1) runs, is lost")
    cluster.lose_node(node)
    if seen.asked[kill]["NodeList"] == node:
        seen.note(f"job {kill} (shard 0), on it too, is cancelled")
        cluster.call("scancel", kill)
    cluster.call("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
    cluster.start_node(node)
    cluster.call("scontrol", "update", f"nodename={node}", "state=resume")


def test_votes_and_table_are_those_of_a_local_run_cut_otherwise(night: Night) -> None:
    for name in TABLES:
        assert (night.folder / name).read_bytes() == night.table[name], name
    assert (night.folder / STORE / "votes.npz").read_bytes() == night.votes


def test_jobs_ran_in_slurm_each_with_the_gpu_it_asked_for(night: Night) -> None:
    worked = [line for line in night.probe if line[0] != "other"]
    assert {line[1] for line in worked} == {*night.train, *night.first, *night.second}
    for _, job, step, node, cuda, gpus, _, tmpdir in worked:
        assert step == "0"
        assert node in ("n1", "n2")
        assert cuda in ("0", "1")
        assert gpus == cuda
        assert tmpdir.endswith(f"/scratch/{job}")
    assert {line[6] for line in worked if line[0] == "train"} == {"2"}
    for asked in night.asked.values():
        assert asked["TresPerJob"] == "gres:gpu:fake:1"
        assert asked["Partition"] == "main"
        assert asked["Account"] == "lab"
        assert asked["Nice"] == "7"
        assert asked["Requeue"] == "1"


def test_two_jobs_on_one_node_had_different_gpus(night: Night) -> None:
    jobs = {line[1]: (line[3], line[4]) for line in night.probe if line[0] == "sample"}
    together = [jobs[night.first[0]], jobs[night.second[0]]]  # both ran when Snakemake was killed
    assert together[0] != together[1]


def test_a_retry_asks_for_more_memory_and_time(night: Night) -> None:
    first, second = (night.asked[job] for job in night.train)
    assert (first["MinMemoryNode"], first["TimeLimit"]) == ("700M", "00:10:00")
    assert (second["MinMemoryNode"], second["TimeLimit"]) == ("1400M", "00:20:00")


def test_a_training_out_of_time_goes_on_after_its_last_epoch(night: Night) -> None:
    assert [night.states[job] for job in night.train] == ["TIMEOUT", "COMPLETED"]
    rows = (night.folder / MODEL / "model.log.csv").read_text()
    # with the seconds that were measured then
    assert rows.startswith(night.epochs)
    assert len(night.epochs.splitlines()) == 1 + 2
    assert len(rows.splitlines()) == 1 + TINY["recipes"]["cohen"]["digits"]["epochs"]
    assert not list((night.folder / MODEL).glob(".*"))


def test_a_second_snakemake_is_refused_while_the_first_has_its_lock(night: Night) -> None:
    assert "LockException" in night.refused
    assert "--unlock" in night.refused


def test_jobs_of_a_killed_snakemake_end_before_they_are_submitted_again(night: Night) -> None:
    for jobs in (night.first, night.second):
        assert night.states[jobs[0]] == "CANCELLED"
        assert int(jobs[1]) > int(jobs[0])
        asked = night.asked[jobs[1]]
        assert asked["StartTime"] >= night.asked[jobs[0]]["StartTime"]


def test_a_cancelled_job_is_tried_again(night: Night) -> None:
    assert [night.states[job] for job in night.first] == ["CANCELLED", "CANCELLED", "COMPLETED"]
    assert f"SLURM-job '{night.first[1]}' failed" in night.second_run


def test_a_job_of_a_lost_node_is_started_again_by_slurm_alone(night: Night) -> None:
    assert [night.states[job] for job in night.second] == ["CANCELLED", "COMPLETED"]
    nodes = [line[3] for line in night.probe if line[1] == night.second[1] and line[0] == "sample"]
    assert len(nodes) == 2


@pytest.mark.parametrize("shard", [0, 1])
def test_no_look_that_was_stored_was_sampled_again(night: Night, shard: int) -> None:
    # Five; when it was resumed five more, at least, for a process is woken for a moment to be
    # cancelled. The classes of the ten inputs are chosen first.
    first, second = night.journals[shard]
    assert first == 5
    assert second >= 10
    said = (night.folder / LOGS / f"{shard}-of-2.log").read_text()
    total, now = (
        int(n.replace(",", ""))
        for n in re.search(r"([\d,]+) estimation samples \(([\d,]+) drawn now\)", said).groups()
    )
    assert total == 10 * 20_000
    total += 10 * 100  # for the choice of the class
    assert now <= total - 10 * 100 - (second - 10) * TINY["sampling"]["look"]


def test_nothing_is_left_beside_the_results(night: Night) -> None:
    left = {file.name for file in (night.folder / "results").rglob(".*")}
    assert left <= {".snakemake_timestamp"}
    assert not list((night.folder / STORE).rglob("*-of-*"))
