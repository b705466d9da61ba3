"""What the installed wheel must do alone; `make dist` runs it with the Python of a new environment.

    python -I tests/wheel.py README.md

In an empty folder, without the checkout and without any extra: README's example, certificates of a
scikit-learn classifier, and every command, which does its work or says in one line what it wants.
"""

from __future__ import annotations

import importlib
import io
import re
import shlex
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path

import smoothcert
from smoothcert import cli, read_certificates
from smoothcert.certificates.metrics import certified_accuracy

OWN = """
from sklearn.linear_model import LogisticRegression
from smoothcert import datasets


def model():
    data = datasets.load("digits", "train")
    return LogisticRegression(max_iter=1000).fit(data.images.flatten(1), data.labels)
"""
# They take a minute or wait for others, and have tests of their own: here only their help
LONG = {"audit", "bench", "lbrs", "nongaussian", "selftest", "train", "warm"}


def alone() -> None:
    """The library lies in this environment, and nothing that only an extra brings."""
    assert Path(smoothcert.__file__).is_relative_to(sys.prefix), smoothcert.__file__
    wanted = metadata.requires("smoothcert") or []
    extras = {re.split(r"[^\w-]", one)[0] for one in wanted if "extra ==" in one}
    assert {"snakemake", "papermill", "onnxruntime"} <= extras
    found = {one.metadata["Name"].lower() for one in metadata.distributions()} & extras
    assert not found, f"the library alone brings {found}"


def example(readme: str) -> None:
    """README's code, as it stands there but for fewer samples."""
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.S)
    exec(compile(code.replace("n=10_000", "n=1000"), "README.md", "exec"), {})
    assert len(read_certificates(Path("digits.tsv"))) == 20


def certify() -> None:
    """The installed command on real images."""
    Path("own.py").write_text(OWN)
    command = str(Path(sys.prefix, "bin", "smoothcert"))
    words = "--noise gaussian-0.25 --budget fixed-1000 --dataset digits --max 100"
    for line in (f"certify --model own:model {words} --out own.tsv", "report own.tsv",
                 "compare digits.tsv digits.tsv", "metrics own.tsv", "--version"):  # fmt: skip
        done = subprocess.run([command, *line.split()], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert done.stdout.split() == ["smoothcert", metadata.version("smoothcert")]
    assert certified_accuracy(read_certificates(Path("own.tsv")), [0.1]).value[0] > 0.5


def unlike(words: list[str]) -> str:
    """How a command ends otherwise than with its work done or one line of error; else nothing."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    except Exception:
        return traceback.format_exc()
    errors = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    return "" if status == 0 or len(errors) == 1 else f"status {status}: {err.getvalue()}"


def commands() -> None:
    """Each command without a word, and as its help's example has it."""
    for name in cli.COMMANDS:
        module = importlib.import_module(f"smoothcert.cli.{name.replace('-', '_')}")
        for kind in getattr(module, "KINDS", [None]):
            words = [name] if kind is None else [name, kind]
            if name in LONG:
                lines = [[*words, "--help"]]
            else:
                command = module.COMMAND if kind is None else module.command(kind)
                examples = re.findall(r"^(?:examples?: )?smoothcert (.*)$", command.epilog, re.M)
                lines = [words, *map(shlex.split, examples)]
            for line in lines:
                wrong = unlike(line)
                assert not wrong, f"smoothcert {shlex.join(line)}: {wrong}"


if __name__ == "__main__":
    alone()
    example(Path(sys.argv[1]).read_text(encoding="utf-8"))
    certify()
    commands()
    print("The wheel does its work alone.")
