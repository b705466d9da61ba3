"""Every mistake ends with one clear line, a non-zero exit, and nothing half-written."""

import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from core_helpers import killed, make_store

from smoothcert import cli, datasets, models
from smoothcert.core.scratch import Scratch
from smoothcert.sampling.job import SampleSpec, run

SPEC = {
    "dataset": "digits", "noise": "gaussian-0.50", "budget": "fixed-200", "look": 100, "max": 3,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model, a store, a certificate table and whatever the case puts there."""
    monkeypatch.chdir(tmp_path)
    model = models.build("tiny_cnn", 10, (1, 8, 8), seed=1)
    models.save(model, "m.safetensors", {"training": "test"})
    make_store([[[90, 10, 0]] * 3] * 2, selection=[[100, 0, 0]] * 2).write("v.npz")
    Path("t.tsv").write_text(
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\t0.25\t1\t0:00:01\n"
    )
    return tmp_path


def sample(**changes):
    spec = {key: value for key, value in (SPEC | changes).items() if value is not None}
    return ["sample", "--spec", json.dumps(spec), "--model", "m.safetensors", "--out", "out.npz",
            "--device", "cpu", "--quiet"]  # fmt: skip


def error_of(arguments, capsys):
    """The one line on standard error of a command that must fail, leaving no final file."""
    capsys.readouterr()
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert code not in (0, None), f"{arguments} succeeded"
    assert said.startswith("error: "), said
    assert said.count("\n") == 1, said
    assert said.endswith("\n")
    assert "Traceback" not in said
    after = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    hidden = {p for p in after if any(part.startswith(".") for part in p.parts)}
    visible = after.keys() - hidden - before.keys()
    assert not visible, f"left behind: {visible}"
    assert not [p for p in after if ".tmp" in p.name], "a temporary file stayed behind"
    assert all(after.get(p) == content for p, content in before.items()), "a file was changed"
    return said.removeprefix("error: ").rstrip("\n")


WRONG = {
    # what is chosen
    "unknown data set": (sample(dataset="digitz"), "data set 'digitz': unknown; expected one of"),
    "unknown split": (sample(split="tset"), "split 'tset': unknown; expected one of train, test"),
    "unknown noise": (sample(noise="gausian-0.50"), "noise 'gausian-0.50': unknown; expected"),
    "unknown budget": (sample(budget="fixd-200"), "budget 'fixd-200': unknown; expected one of"),
    "other spelling": (sample(noise="gaussian-0.5"), "write it 'gaussian-0.50'"),
    "sigma of zero": (sample(noise="gaussian-0.00"), "scale 0: expected a positive number"),
    "negative sigma": (sample(noise="gaussian--0.50"), "gaussian--0.50"),
    "alpha of one": (sample(budget="fixed_a1.00-200"), "alpha 1: expected a failure probability"),
    "alpha of zero": (sample(budget="fixed_a0.00-200"), "alpha 0: expected a failure probability"),
    "impossible n": (sample(budget="fixed-9"), "the smallest n that can is 10"),
    "no selection": (sample(budget="fixed_s0-200"), "n0 0: expected at least 1 selection sample"),
    "n of no looks": (sample(budget="fixed-250"), "n = 250 must be a multiple of look = 100"),
    "look of zero": (sample(look=0), "--spec: look: expected at least 1, found 0"),
    "batch of zero": (sample(batch=0), "--spec: batch: expected at least 1, found 0"),
    "skip of zero": (sample(skip=0), "--spec: skip: expected at least 1, found 0"),
    "max below one": (sample(max=-3), "--spec: max: expected at least 1, found -3"),
    "unknown precision": (sample(precision="half"), "precision: expected one of float32, tf32"),
    "scaling without scales": (sample(scaling="ascent-K900"), "its noise scales are missing"),
    # the specification
    "unknown key": (sample(sigma=0.5), "--spec: sigma: unknown key; expected one of split"),
    "text for a number": (sample(look="100"), "--spec: look: expected a whole number, found '100'"),
    "truth for a number": (sample(seed=True), "--spec: seed: expected a whole number, found True"),
    "list for a text": (sample(noise=["gaussian-0.50"]), "--spec: noise: expected a text, found ["),
    "missing key": (sample(noise=None), "noise is missing: give --noise or --spec"),
    "no JSON": (["sample", "--spec", "{noise", "--model", "m.safetensors", "--out", "out.npz"],
                "--spec: not valid JSON"),
    "JSON list": (["sample", "--spec", "[1]", "--model", "m.safetensors", "--out", "out.npz"],
                  "--spec: expected a mapping, found list"),
    "missing specification file": ([*sample()[:2], "@none.json", *sample()[3:]], "none.json"),
    # arguments
    "no command": ([], "COMMAND"),
    "unknown command": (["certfy"], "invalid choice: 'certfy'"),
    "unknown flag": ([*sample(), "--sigma", "0.5"], "unrecognized arguments: --sigma"),
    "flag of the wrong type": ([*sample(), "--look", "many"],
                               "--look: expected a whole number, found 'many'"),
    "no output": (sample()[:5], "--out"),
    "shard beyond the last": ([*sample(), "--shard", "3/3"], "shard '3/3': expected i/k"),
    "shard of words": ([*sample(), "--shard", "one"], "shard 'one': expected i/k"),
    "no processes": ([*sample(), "--jobs", "0"], "--jobs: expected at least 1, found '0'"),
    "unknown device": ([*sample(), "--device", "abacus"], "device 'abacus' cannot be used"),
    "votes and model": (["certify", "--votes", "v.npz", "--model", "m", "--budget", "fixed-100",
                         "--out", "c.tsv"], "--votes, --model: expected one of the two"),
    "neither votes nor model": (["certify", "--budget", "fixed-100", "--out", "c.tsv"],
                                "--votes, --model: expected one of the two"),
    "certify with a seed": (["certify", "--votes", "v.npz", "--budget", "fixed-100", "--seed", "0",
                             "--out", "c.tsv"], "seed: does not apply to --votes"),
    "certify a model of no data": (["certify", "--model", "m", "--budget", "fixed-100", "--noise",
                                    "gaussian-0.25", "--out", "c.tsv"], "dataset: missing"),
    "a file in the specification": (["gather", "v.npz", "--spec", '{"out": "g.npz"}'],
                                    "unrecognized arguments: --spec"),
    "a device in the specification": (sample(device="cpu"), "device: give it on the command line"),
    "certify without budget": (["certify", "--votes", "v.npz", "--out", "c.tsv"], "budget is"),
    "certify with noise": (["certify", "--votes", "v.npz", "--budget", "fixed-100", "--noise",
                            "gaussian-0.25", "--out", "c.tsv"], "another distribution"),
    "more than the store has": (["certify", "--votes", "v.npz", "--budget", "fixed-400", "--out",
                                 "c.tsv"], "400 estimation samples are needed, 300 are stored"),
    "part of a look": (["certify", "--votes", "v.npz", "--budget", "fixed-250", "--out", "c.tsv"],
                       "expected a multiple of 100"),
    "record of the votes": (["certify", "--votes", "v.npz", "--budget", "fixed-300", "--out",
                             "v.tsv"], "its record v.json would overwrite that of the votes"),
    "predict with a budget": (["predict", *sample()[1:]],
                              "budget: unknown key; expected one of split"),
    "predict with too few": (["predict", *sample(budget=None, look=None)[1:], "--n", "10"],
                             "n 10 can never predict at alpha 0.001: expected at least 11"),
    "predict at no level": (["predict", *sample(budget=None, look=None)[1:], "--alpha", "nan"],
                            "--alpha: expected a finite number, found 'nan'"),
    # files that are not there
    "missing model": ([*sample(), "--model", "none.safetensors"], "none.safetensors: "),
    "missing module": ([*sample(), "--model", "no_such:net"], "No module named 'no_such'"),
    "missing function": ([*sample(), "--model", "math:net"], "has no attribute 'net'"),
    "function of no network": ([*sample(), "--model", "builtins:dict"],
                               "expected a torch.nn.Module, a scikit-learn classifier or"),
    "missing scales": ([*sample(), "--scales", "none.tsv"], "none.tsv: No such file"),
    "missing votes": (["certify", "--votes", "none.npz", "--budget", "fixed-100", "--out",
                       "c.tsv"], "none.npz: no such vote store"),
    "missing shard": (["gather", "v.npz", "none.npz", "--out", "g.npz"], "none.npz: no such vote"),
    "missing table": (["metrics", "none.tsv"], "none.tsv: no such certificate table"),
    "a folder as a table": (["metrics", "."], "cannot be read as a certificate table"),
    "missing data": (["sample", *sample(dataset="imagenet")[1:], "--data-dir", "."], "imagenet"),
    # files that are something else
    "votes as a model": ([*sample(), "--model", "v.npz"], "v.npz: "),
    "model as votes": (["certify", "--votes", "m.safetensors", "--budget", "fixed-100", "--out",
                        "c.tsv"], "m.safetensors: not a complete vote store"),
    "model as scales": ([*sample(), "--scales", "m.safetensors"], "m.safetensors"),
    "model as a specification": ([*sample()[:2], "@m.safetensors", *sample()[3:]], "--spec: no"),
    "model as a table": (["metrics", "m.safetensors"], "m.safetensors:"),
    "table as votes": (["gather", "t.tsv", "--out", "g.npz"], "t.tsv: not a complete vote store"),
    # published tables
    "table without large radii": (["import-certificates", "t.tsv", "--scale", "0.25", "--out",
                                   "i.npz"], "t.tsv: alpha cannot be determined from the radii"),
    "scale of zero": (["import-certificates", "t.tsv", "--scale", "0", "--out", "i.npz"],
                      "--scale: expected more than 0, found '0'"),
    "alpha of two": (["import-certificates", "t.tsv", "--scale", "1", "--alpha", "2", "--out",
                      "i.npz"], "--alpha: expected less than 1, found '2'"),
    "no samples": (["import-certificates", "t.tsv", "--scale", "1", "--n", "0", "--out", "i.npz"],
                   "--n: expected at least 1, found '0'"),
    "impossible radius": (["import-certificates", "t.tsv", "--scale", "0.01", "--alpha", "0.001",
                           "--out", "i.npz"], "t.tsv:2: no count out of 100000 gives radius 0.25"),
    # places that cannot be written
    "output below a file": ([*sample(), "--out", "t.tsv/out.npz"], "t.tsv"),
    "output is a folder": (["gather", "v.npz", "--out", "."], ".: Is a directory"),
    "certificates below a file": (["certify", "--votes", "v.npz", "--budget", "fixed-300", "--out",
                                   "t.tsv/c.tsv"], "t.tsv"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input_is_one_clear_line(case, place, capsys):
    arguments, says = WRONG[case]
    assert says in error_of(arguments, capsys)


TABLE = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
FILES = {
    "contradictory row": (
        "c.tsv", TABLE + "0\t1\t1\t0.25\t1\t1\n1\t2\t3\t0.25\t1\t1\n", ["metrics", "c.tsv"],
        "c.tsv:3: expected: correct == (predict == label)",
    ),
    "abstention with a radius": (
        "c.tsv", TABLE + "0\t1\t-1\t0.25\t0\t1\n", ["metrics", "c.tsv"],
        "c.tsv:2: expected: an abstention (predict -1) has radius 0",
    ),
    "radius that is no number": (
        "c.tsv", TABLE + "0\t1\t1\tnan\t1\t1\n", ["metrics", "c.tsv"],
        "c.tsv:2: column 'radius': expected float, found 'nan'",
    ),
    "no rows": ("c.tsv", TABLE, ["metrics", "c.tsv"], "c.tsv: no rows"),
    "no published rows": (
        "c.tsv", TABLE, ["import-certificates", "c.tsv", "--scale", "1", "--alpha", "0.001",
                         "--out", "i.npz"], "c.tsv: no rows",
    ),
    "published infinity": (
        "c.tsv", TABLE + "0\t1\t1\tinf\t1\t1\n",
        ["import-certificates", "c.tsv", "--scale", "1", "--out", "i.npz"], "c.tsv:2: an infinite",
    ),
    "truncated gzip": ("c.tsv.gz", b"\x1f\x8b\x08\x00half", ["metrics", "c.tsv.gz"], "c.tsv.gz: "),
    "scales of other columns": (
        "s.tsv", "idx\tscale\n0\t0.5\n", [*sample(), "--scales", "s.tsv"],
        "s.tsv:1: expected the columns idx and sigma",
    ),
    "scale that is no number": (
        "s.tsv", "idx\tsigma\n0\t0.5\n1\tbig\n", [*sample(), "--scales", "s.tsv"],
        "s.tsv:3: expected idx and sigma",
    ),
    "scale of nothing": (
        "s.tsv", "idx\tsigma\n0\t0.5\n1\t0.0\n2\t0.5\n", [*sample(), "--scales", "s.tsv"],
        "idx 1: noise scale 0: expected a positive number",
    ),
    "two scales of one input": (
        "s.tsv", "idx\tsigma\n0\t0.5\n0\t0.6\n", [*sample(), "--scales", "s.tsv"],
        "s.tsv:3: a second noise scale for idx 0",
    ),
    "input without a scale": (
        "s.tsv", "idx\tsigma\n0\t0.5\n", [*sample(), "--scales", "s.tsv"],
        "s.tsv: no noise scale for idx 1",
    ),
    "truncated data": (
        "t10k-images-idx3-ubyte", b"\x00\x00\x08\x03\x00\x00\x27\x10",
        [*sample(dataset="mnist"), "--data-dir", "."], "t10k-images-idx3-ubyte",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_with_something_wrong_in_it_is_one_clear_line(case, place, capsys):
    name, content, arguments, says = FILES[case]
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if "mnist" in str(arguments):
        models.save(models.build("small_cnn", 10, (1, 28, 28)), "m.safetensors", {})
    assert says in error_of(arguments, capsys)


def test_a_checkpoint_of_another_architecture_or_cut_short_is_named(place, capsys):
    whole = Path("m.safetensors").read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        Path("m.safetensors").write_bytes(whole[:size])
        assert "m.safetensors: " in error_of(sample(), capsys)
    models.save(models.build("small_cnn", 10, (1, 28, 28)), "m.safetensors", {})
    assert "digits has 10 classes and shape (1, 8, 8)" in error_of(sample(), capsys)
    # The weights of one architecture under the name of another.
    small = models.build("resnet18", 10, (3, 32, 32))
    models.save(small, "m.safetensors", {"arch": "resnet20"})
    assert "does not fit resnet20" in error_of(sample(dataset="cifar10"), capsys)


@pytest.mark.parametrize(("value", "says"), [(float("nan"), "found NaN"), (-0.5, "from -0.5 to")])
def test_an_image_that_is_none_is_named(place, capsys, monkeypatch, value, says):
    load = datasets.load

    def damaged(*args, **kwargs):
        data = load(*args, **kwargs)
        data.images[1, 0, 3, 3] = value
        return data

    monkeypatch.setattr(datasets, "load", damaged)
    said = error_of(sample(), capsys)
    assert said.startswith("image idx 1: expected values in [0, 1]")
    assert says in said


def test_a_network_that_gives_nan_is_refused(place, capsys):
    model = models.build("tiny_cnn", 10, (1, 8, 8), seed=1)
    with torch.no_grad():
        for layer in (0, 2):
            model.network[layer].weight.mul_(1e20)
    models.save(model, "m.safetensors", {})
    assert "the model gave NaN or infinite logits" in error_of(sample(), capsys)


def test_a_partial_store_with_a_changed_byte_is_refused_with_its_line(place, capsys):
    killed(partial(run, SampleSpec(**SPEC), "m.safetensors", Path("out.npz"), device="cpu"), 5, 10)
    (journal,) = Path().glob(".*.partial/looks")
    content = bytearray(journal.read_bytes())
    content[content.index(b"\n") + 20] ^= 1
    journal.write_bytes(content)
    assert f"{journal}:2: corrupt" in error_of(sample(), capsys)


def test_a_partial_store_in_use_is_left_alone(place, capsys):
    killed(partial(run, SampleSpec(**SPEC), "m.safetensors", Path("out.npz"), device="cpu"), 2, 3)
    (path,) = Path().glob(".*.partial/specification.json")
    with Scratch(Path("out.npz"), json.loads(path.read_text())):
        assert "another process is writing out.npz" in error_of(sample(), capsys)


def test_shards_of_two_models_are_refused(place, capsys):
    shard = {"look": 100, "budget": "fixed-200", "max": 2}
    for i, seed in enumerate((1, 2)):
        models.save(models.build("tiny_cnn", 10, (1, 8, 8), seed=seed), "m.safetensors", {})
        arguments = [*sample(**shard), "--shard", f"{i}/2", "--out", f"{i}.npz"]
        assert cli.main(arguments) == 0
    said = error_of(["gather", "0.npz", "1.npz", "--out", "g.npz"], capsys)
    assert said.startswith("0.npz and 1.npz are not shards of one store: model_digest")
    assert "overlap" in error_of(["gather", "0.npz", "0.npz", "--out", "g.npz"], capsys)
    assert "gaps: input 1 of 2" in error_of(["gather", "0.npz", "--out", "g.npz"], capsys)


def test_votes_of_another_specification_are_not_overwritten(place, capsys):
    assert cli.main(sample(max=1)) == 0
    said = error_of(sample(max=1, seed=1), capsys)
    assert (
        said == "out.npz holds votes with another specification: seed: 0 and 1; give another --out"
    )


def test_a_failure_with_several_threads_is_one_line(place, capfd):
    before = sorted(Path().iterdir())
    code = cli.main([*sample(), "--jobs", "2", "--model", "none.safetensors"])
    said = capfd.readouterr().err
    assert code == 2
    assert said.startswith("error: none.safetensors: ")
    assert said.count("\n") == 1
    assert sorted(Path().iterdir()) == before


GATHER = "from smoothcert.cli import main; raise SystemExit(main(['gather','v.npz','--out',{!r}]))"


def test_a_full_disk_is_one_line_that_names_the_file(place):
    disk = place / "disk"
    disk.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(size).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        with suppress(OSError):
            (disk / "filler").write_bytes(b"x" * 4096)
        done = subprocess.run(
            [sys.executable, "-c", GATHER.format("disk/g.npz")], capture_output=True, text=True
        )
        assert done.stderr == "error: disk/g.npz: No space left on device\n"
        assert done.returncode == 2
        assert [p.name for p in disk.iterdir()] == ["filler"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_write_that_stops_half_way_is_one_line_and_leaves_nothing(place):
    """As on a full disk, for those who may not mount one: files may not grow beyond 1,000 bytes."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", GATHER.format("g.npz")],  # no half of a .pyc stays behind
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.stderr == "error: g.npz: File too large\n"
    assert done.returncode == 2
    assert sorted(p.name for p in place.iterdir()) == ["m.safetensors", "t.tsv", "v.npz"]


def test_what_needs_no_network_starts_without_torch(place):
    code = """
import sys
from smoothcert.cli import main
assert main(["gather", "v.npz", "--out", "g.npz"]) == 0
assert main(["certify", "--votes", "g.npz", "--budget", "fixed-300", "--out", "c.tsv"]) == 0
assert main(["metrics", "c.tsv"]) == 0
assert main(["table", "cohen_table", "--out", "table", "c.tsv"]) == 0
heavy = sorted({"torch", "torchvision", "scipy.stats", "matplotlib"} & sys.modules.keys())
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.load("g.npz")["row"].tolist() == [0, 1]
