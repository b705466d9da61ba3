"""What hosting services, builders of containers and pip are told is there and fits together."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, copy_workflow
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

WORKFLOWS = sorted(REPOSITORY.glob(".github/workflows/*.yml"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PYTHONS = [
    one.rpartition(" ")[2]
    for one in PROJECT["classifiers"]
    if re.search(r":: Python :: \d\.\d+$", one)
]


def lock() -> dict[str, str]:
    """The pinned version of each package."""
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def steps(path: Path) -> Iterator[str]:
    """Each step of a workflow's jobs as text, with the values of the job's matrix in it."""
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        matrix: dict[str, Any] = job.get("strategy", {}).get("matrix", {})
        lists = {key: values for key, values in matrix.items() if key != "include"}
        chosen = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
        for values in [*chosen, *matrix.get("include", [])]:
            for step in job["steps"]:
                text = yaml.safe_dump(step, width=10_000)
                for key, value in values.items():
                    text = text.replace(f"${{{{ matrix.{key} }}}}", value)
                yield text


def made(text: str) -> set[str]:
    """The targets of ``make`` in a text of shell."""
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", text))


def test_hosted_checks_call_targets_of_make_and_all_that_ci_runs() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (REPOSITORY / "Makefile").read_text(), re.M)
    assert targets is not None
    called = {path.stem: set[str]().union(*map(made, steps(path))) for path in WORKFLOWS}
    assert set[str]().union(*called.values()) <= set(targets[1].split())
    ours = made((REPOSITORY / ".ci/run").read_text())
    assert ours - {"test-slurm"} <= called["checks"]  # which needs root
    assert called["release"] == {"dist", "container"}


def test_hosted_checks_run_the_oldest_and_the_newest_python() -> None:
    used = {
        v
        for path in WORKFLOWS
        for s in steps(path)
        for v in re.findall(r"python-version: '?([\d.]+)", s)
    }
    assert used == {PYTHONS[0], PYTHONS[-1]}
    assert all(one in SpecifierSet(PROJECT["requires-python"]) for one in PYTHONS)
    before = f"3.{int(PYTHONS[0].partition('.')[2]) - 1}"
    assert before not in SpecifierSet(PROJECT["requires-python"])


def test_the_lock_file_has_a_fitting_version_of_all_that_the_packages_ask_for() -> None:
    pins = lock()
    extras = PROJECT["optional-dependencies"].values()
    for text in [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]:
        wanted = Requirement(text)
        assert pins[wanted.name.lower().replace("_", "-")] in wanted.specifier, text


def test_the_conda_environment_has_the_pins_of_the_lock_file() -> None:
    environment = yaml.safe_load((REPOSITORY / "envs/smoothcert.yaml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": [f"{name}=={version}" for name, version in lock().items()]}
    assert f"python={PYTHONS[0]}" in conda


def test_the_library_alone_asks_for_exact_versions_of_nothing() -> None:
    assert not [one for one in PROJECT["dependencies"] if "==" in one or "<" in one]


def test_the_container_has_the_packages_of_the_lock_and_files_that_are_committed() -> None:
    text = (REPOSITORY / "envs/Containerfile").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    told = [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]
    (base,) = (words for name, words in told if name == "FROM")
    assert base.startswith(f"python:{PYTHONS[0]}-slim")  # that of the lock (make lock)
    copied = [word for name, words in told if name == "COPY" for word in words.split()[:-1]]
    tracked = subprocess.check_output(["git", "ls-files"], cwd=REPOSITORY, text=True).split("\n")
    assert copied == ["requirements.lock", "."]
    assert {"requirements.lock", "Snakefile", "config.yaml", "pyproject.toml"} <= {*tracked}
    installs = [words for name, words in told if name == "RUN" and "pip install" in words]
    assert "--requirement requirements.lock" in installs[0]
    assert "--no-deps --editable ." in installs[-1]
    made_by = (REPOSITORY / "Makefile").read_text()
    for argument in (words.partition("=")[0] for name, words in told if name == "ARG"):
        assert f"--build-arg {argument}" in made_by, argument


@pytest.mark.parametrize("built", ["12", "none"])
def test_the_container_ends_where_torch_is_built_for_another_cuda(built: str) -> None:
    text = (REPOSITORY / "envs/Containerfile").read_text()
    found = re.search(r'python -c "(.*?)"\n', text, re.S)
    assert found is not None
    code = found[1].replace("\\\n", "").replace("${CUDA}", built)
    code = code.replace("import torch", "from types import SimpleNamespace as N; "
                        "torch = N(version=N(cuda='13.0'))")  # fmt: skip
    with pytest.raises(AssertionError, match=f"built for CUDA 13, expected {built}"):
        exec(code, {})
    exec(code.replace(f"'{built}'", "'13'"), {})


# Runs the words after the image; says which image it was.
APPTAINER = """#!/bin/sh
[ "$1" = --version ] && exec echo apptainer version 1.4.0
while [ "$1" != exec ]; do shift; done
while [ "$1" != "${1%.sif}.sif" ]; do shift; done
echo "$1" >> images
shift
exec "$@"
"""


@pytest.mark.parametrize(
    ("given", "image"), [([], "smoothcert.sif"), (["container=own.sif"], "own.sif")]
)
def test_jobs_run_in_the_image_that_the_configuration_names(
    given: list[str], image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_workflow(tmp_path / "checkout")
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    command = [sys.executable, "-m", "snakemake", "--sdm", "apptainer", "--cores", "1"]
    made = "results/smoke/data/digits.json"
    done = subprocess.run(
        [*command, made, "--config", "preset=smoke", *given],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / made).is_file()
    assert [Path(line).name for line in (folder / "images").read_text().split()] == [image]
