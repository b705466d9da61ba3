"""``smoothcert warm SOCKET``: start the commands of a workflow's jobs without their imports."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
from pathlib import Path

import smoothcert
from smoothcert.cli import main
from smoothcert.cli.command import Command, positional
from smoothcert.core import warm

# What commands import when they first use it
LATER = ("matplotlib.pyplot", "pandas", "scipy.stats", "sklearn.datasets", "torch", "torchvision")
IF_THERE = ("IPython", "nbconvert", "papermill")  # what only a report needs


class Warm(Command):
    """Serve `python -m smoothcert` commands while SMOOTHCERT_WARM names the socket.

    Each is a process of its own, forked from this one, which has imported everything. It ends with
    its standard input. The workflow starts one for a long run on this machine.
    """

    epilog = "example: smoothcert warm /tmp/socket"

    socket: Path = positional(help="socket to listen on", metavar="SOCKET")

    def run(self) -> int:
        for module in pkgutil.walk_packages(smoothcert.__path__, "smoothcert."):
            if module.name != "smoothcert.__main__" and ".plugins" not in module.name:
                importlib.import_module(module.name)
        for name in LATER:
            importlib.import_module(name)
        for name in IF_THERE:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        os.environ.pop(warm.VARIABLE, None)
        warm.serve(str(self.socket), main)
        return 0


COMMAND = Warm
