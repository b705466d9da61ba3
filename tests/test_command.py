"""The command line: what a command's settings declare is its flags, its help and its errors."""

import argparse
import importlib
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from smoothcert import cli
from smoothcert.cli import COMMANDS, command
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.settings import Count, Probability


def every() -> dict[str, type[Command]]:
    """Every command and kind of a command, by its words."""
    found = {}
    for name in COMMANDS:
        module = importlib.import_module(f"smoothcert.cli.{name.replace('-', '_')}")
        if hasattr(module, "COMMAND"):
            found[name] = module.COMMAND
        else:
            found |= {f"{name} {kind}": module.command(kind) for kind in module.KINDS}
    return found


EVERY = every()


class Example(Command):
    """An example of a command."""

    epilog = "example: smoothcert example a --n 3 --out x"

    files: tuple[str, ...] = positional((), help="some files", metavar="FILE")
    n: Count = Field(description="a number")
    most: Count | None = Field(None, description="a bound")
    alpha: Probability = Field(0.001, description="a level of 5%")
    kind: Literal["fixed", "ascent"] = Field("fixed", description="a choice")
    names: tuple[str, ...] = Field((), description="some names")
    recipe: dict[str, int] = Field({}, description="a mapping")
    strict: bool = Field(False, description="a switch")
    out: Path = place(help="a file", metavar="TSV")

    def run(self) -> int:
        RUNS.append(self)
        return 3


RUNS: list[Example] = []


@pytest.fixture
def example(monkeypatch):
    """Runs the command with words and returns (status, the command as it ran)."""
    monkeypatch.setattr(cli, "_chosen", lambda argv: ("example", Example))
    RUNS.clear()

    def run(*words):
        try:
            status = cli.main(["example", *words])
        except SystemExit as stop:
            status = stop.code
        return status, RUNS[-1] if RUNS else None

    return run


def test_flags_overrule_the_specification_which_overrules_defaults(example):
    spec = '{"n": 2, "most": 5, "alpha": 0.05, "names": ["a"], "strict": true, "code": "c"}'
    status, ran = example(
        "x", "y", "--spec", spec, "--most", "7", "--names", "b", "c", "--out", "o"
    )
    assert status == 3
    assert ran == Example(
        files=("x", "y"), n=2, most=7, alpha=0.05, names=("b", "c"), strict=True, code="c",
        out=Path("o"),
    )  # fmt: skip


def test_a_null_in_the_specification_is_the_default(example):
    _, ran = example("--spec", '{"n": 2, "alpha": null}', "--out", "o")
    assert ran.alpha == 0.001


def test_a_mapping_is_json_or_a_file(example, tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"a": 1}')
    for text in ('{"a": 1}', f"@{path}"):
        assert example("--n", "1", "--out", "o", "--recipe", text)[1].recipe == {"a": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "n is missing: give --n or --spec"),
        (("--n", "1"), "out is missing: give --out"),
        (("--n", "0"), "--n: expected at least 1, found '0'"),
        (("--n", "one"), "--n: expected a whole number, found 'one'"),
        (("--n", "1", "--most", "0"), "--most: expected at least 1, found '0'"),
        (("--n", "1", "--alpha", "nan"), "--alpha: expected a finite number, found 'nan'"),
        (("--n", "1", "--kind", "grid"), "--kind: expected one of fixed, ascent, found 'grid'"),
        (("--n", "1", "--recipe", "[]"), "--recipe: expected a mapping, found list"),
        (("--n", "1", "--out", "o", "--recipe", '{"a": "b"}'), "command line: recipe.a: expected"),
        (("--spec", '{"n": "1"}', "--out", "o"), "--spec: n: expected a whole number, found '1'"),
        (("--spec", '{"out": "o"}'), "--spec: out: give it on the command line"),
        (("--spec", '{"m": 1}'), "--spec: m: unknown key; expected one of n, most, alpha"),
        (("--code", "c"), "unrecognized arguments: --code"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(example, capsys, words, message):
    assert example(*words) == (2, None)
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}")
    assert said.count("\n") == 1


def test_help_says_meaning_values_range_default_and_an_example(example, capsys):
    assert example("--help")[0] == 0
    said = " ".join(capsys.readouterr().out.split())
    for text in (
        "An example of a command.",
        "FILE some files",
        "--n INT a number (>= 1, required)",
        "--most INT a bound (>= 1)",
        "--alpha NUMBER a level of 5% (> 0, < 1, default 0.001)",
        "--kind fixed|ascent a choice (default fixed)",
        "--strict a switch",
        "--out TSV a file (required)",
        "options as JSON or @FILE: n, most, alpha, kind, names, recipe, strict",
        "example: smoothcert example a --n 3 --out x",
    ):
        assert text in said, text


@pytest.mark.parametrize("name", EVERY)
def test_every_option_of_a_command_is_explained(name, capsys):
    fields = EVERY[name].model_fields
    assert all(field.description for key, field in fields.items() if key != "code")
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split(), "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: smoothcert {name} ")
    for key, field in fields.items():
        extra = field.json_schema_extra or {}
        word = f"--{key.rstrip('_').replace('_', '-')}"
        assert key == "code" or (extra["metavar"] if extra.get("positional") else word) in said


@pytest.mark.parametrize("name", EVERY)
def test_the_example_of_a_command_is_complete(name):
    words, colon, text = EVERY[name].epilog.partition("\n\n")[0].partition(": ")
    assert words in ("example", "examples")
    assert colon
    for line in text.splitlines():
        given = shlex.split(line)
        assert given[: 1 + len(name.split())] == ["smoothcert", *name.split()]
        parser = argparse.ArgumentParser()
        command.add_arguments(parser, EVERY[name])
        args = parser.parse_intermixed_args(given[1 + len(name.split()) :])
        assert isinstance(command.parsed(EVERY[name], args), EVERY[name])


def test_the_commands_are_listed_and_the_version_is_said(capsys):
    for flag in ("--help", "--version"):
        with pytest.raises(SystemExit) as stop:
            cli.main([flag])
        assert stop.value.code == 0
        said = capsys.readouterr().out
        expected = COMMANDS if flag == "--help" else [metadata.version("smoothcert")]
        assert all(text in said for text in expected)


def test_the_help_of_quick_commands_starts_without_torch():
    slow = ("lbrs", "overview", "crate", "ship", "figure", "report")  # they compute or draw
    quick = [name for name in EVERY if name.split()[0] not in slow]
    code = f"""
import sys
from smoothcert.cli import main
for name in {quick}:
    try:
        main([*name.split(), "--help"])
    except SystemExit:
        pass
print(sorted({{"torch", "torchvision", "pandas", "matplotlib"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
