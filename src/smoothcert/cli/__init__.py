"""The command line: ``smoothcert COMMAND``; every rule of the workflow runs one of these.

A command is a module with a settings model ``COMMAND`` (command.py). Only the chosen command's
module is imported, so that what needs no network starts without torch.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import resource
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, TextIO

from smoothcert.cli.command import Command, add_arguments, parsed
from smoothcert.core.errors import SmoothcertError, SmoothcertWarning
from smoothcert.core.provenance import version

COMMANDS = {
    "data": "fetch or verify a data set",
    "train": "train a base classifier",
    "import-checkpoint": "convert a published checkpoint",
    "quantize": "convert a network to 8-bit integers",
    "scales": "find the noise scale for each input",
    "router": "train the estimator that chooses a noise level (dual smoothing)",
    "sample": "sample votes: class counts under noise",
    "gather": "join the shards of a vote store",
    "route": "combine the votes of an estimator and its levels",
    "certify": "compute certificates from votes, or directly from a model",
    "memory": "make certificates consistent with a memory (DDRS, Algorithm 3)",
    "predict": "predict with the smoothed classifier, with abstention",
    "import-certificates": "read a published certificate table as a vote store",
    "replay": "replay published certificates under other budgets",
    "published": "summarize a published table and replay other budgets on it",
    "metrics": "compute certified accuracy, ACR, ... of certificate tables",
    "report": "show a certificate table on one page: curve, accuracies, images",
    "compare": "compare two versions of a model: paired differences, lost certificates",
    "table": "make a table as CSV, Markdown and LaTeX",
    "figure": "make a figure as PDF and PNG",
    "lbrs": "run the experiments and certificates of locally biased smoothing",
    "radius-table": "tabulate the radii of a non-Gaussian noise",
    "overview": "compare with the papers, judge claims, make the results page",
    "notebook": "run a report notebook and save it as HTML",
    "ship": "copy a run's tables, page, figures and votes into the docs",
    "unpack": "unpack the votes of a shipped run as a results folder",
    "crate": "a run as an RO-Crate: results, workflow, data, versions, times",
    "audit": "try to break certificates: one verdict per promise",
    "selftest": "check that this device computes what is certified",
    "bench": "measure the throughput of this device",
    "warm": "start workflow jobs faster, with imports done once",
    "plan": "estimate what a target costs: jobs, hours, disk",
    "nongaussian": "non-Gaussian noise without a classifier: ablation and toy example",
}


class _Parser(argparse.ArgumentParser):
    """A wrong argument is one line too, as every other mistake."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: list[str] | None = None) -> int:
    """Run one command; a :class:`SmoothcertError` becomes one line and exit status 2."""
    argv = sys.argv[1:] if argv is None else argv
    start = time.perf_counter()
    try:
        name, command = _chosen(argv)
        parser = _Parser(
            prog=f"smoothcert {name}",
            description=inspect.getdoc(command),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(parser, command)
        parser.add_argument("--benchmark", metavar="FILE", type=Path, help=benchmark.__doc__)
        args = parser.parse_intermixed_args(argv[len(name.split()) :])
        with warnings.catch_warnings():
            warnings.simplefilter("always", SmoothcertWarning)
            warnings.showwarning = _show
            status = int(parsed(command, args).run() or 0)
        if args.benchmark and not status:
            benchmark(args.benchmark, time.perf_counter() - start)
        return status
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


def benchmark(path: Path, seconds: float) -> None:
    """write the command's cost: seconds, peak memory in MB, CPU seconds"""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    memory = max(one.ru_maxrss for one in used) / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"s\tmax_rss\tcpu_time\n{seconds:.4f}\t{memory:.2f}\t{processor:.2f}\n", encoding="utf-8"
    )


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our own warnings as one line, all others as Python shows them."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    ours = issubclass(category, SmoothcertWarning)
    print(f"warning: {message}" if ours else text.rstrip(), file=file or sys.stderr)


def _chosen(argv: list[str]) -> tuple[str, type[Command]]:
    """The command that the first words name; ends with the list of commands where none does."""
    _words(argv[:1], "smoothcert", "COMMAND", COMMANDS)
    module = importlib.import_module(f"smoothcert.cli.{argv[0].replace('-', '_')}")
    if hasattr(module, "COMMAND"):
        return argv[0], module.COMMAND
    _words(argv[1:2], f"smoothcert {argv[0]}", "KIND", module.KINDS)
    return f"{argv[0]} {argv[1]}", module.command(argv[1])


def _words(argv: list[str], prog: str, what: str, known: Mapping[str, str]) -> None:
    """Check that a word is known; print help or version, or end with one line, where it is not."""
    width = max(map(len, known))
    listed = "\n".join(f"  {name:{width}}  {text}" for name, text in known.items())
    parser = _Parser(
        prog=prog,
        usage=f"{prog} [-h] {what} ...",
        description=f"{(__doc__ or '').splitlines()[0]}\n\n{what}:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shown = f"smoothcert {version('smoothcert') or 'is not installed: no version'}"
    parser.add_argument("--version", action="version", version=shown)
    parser.add_argument("word", choices=list(known), metavar=what, help=argparse.SUPPRESS)
    parser.parse_args(argv)
