"""The command line: ``smoothcert COMMAND``; every rule of the workflow runs one of these.

A command is a module with ``HELP``, ``add_arguments(parser)`` and ``run(args) -> int | None``.
Only the chosen command's module is imported, so that what needs no network starts without
torch.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import NoReturn

from smoothcert.errors import SmoothcertError

COMMANDS = {
    "data": "fetch or verify a data set",
    "train": "train a base classifier",
    "import-checkpoint": "convert a published checkpoint",
    "scales": "the noise scale of each input",
    "sample": "sample votes: class counts under noise",
    "gather": "join the shards of a vote store",
    "certify": "votes -> certificates (or both steps at once for a model)",
    "memory": "certificates -> certificates that never clash (DDRS, Algorithm 3)",
    "predict": "the smoothed prediction, with abstention",
    "import-certificates": "read a published certificate table as a vote store",
    "replay": "published certificates under other budgets",
    "iss": "input-specific sampling: its tables and figures",
    "metrics": "certified accuracy, ACR, ... of certificate tables",
    "table": "a table as CSV, Markdown and LaTeX",
    "figure": "certified-accuracy curves as PDF and PNG",
    "ddrs": "images under the noise of their own scale (DDRS, figure 6)",
    "training-curves": "loss, accuracy and noise scales over the epochs of trainings",
    "lbrs": "locally biased smoothing: its experiments, figures and certificates",
    "radius-table": "tabulate the radii of a non-Gaussian noise",
    "overview": "papers beside ours, and the page of all results",
    "ship": "a run's tables, page and pictures, for the docs",
    "audit": "try to break certificates: one verdict a promise",
    "bench": "the throughput of this device",
    "plan": "what a target costs before it runs: jobs, hours, disk",
    "nongaussian": "non-Gaussian noise without a classifier: ablation, toy example, figures",
}


class _Parser(argparse.ArgumentParser):
    """A wrong argument is one line too, as every other mistake."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: list[str] | None = None) -> int:
    """Run one command; a :class:`SmoothcertError` becomes one line and exit status 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = _Parser(prog="smoothcert", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((a for a in argv if not a.startswith("-")), None)
    module = None
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            module = importlib.import_module(f"smoothcert.cli.{name.replace('-', '_')}")
            module.add_arguments(sub)
    args = parser.parse_args(argv)
    assert module is not None
    try:
        return int(module.run(args) or 0)
    except SmoothcertError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
