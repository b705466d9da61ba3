"""Functions of a user's own, named ``package.module:function``."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError, first_line


def is_function(name: str) -> bool:
    """Whether ``name`` is of the form package.module:function, and no file."""
    return bool(re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name)) and not Path(name).exists()


def call(name: str, what: str) -> Any:
    """What ``package.module:function`` returns; a module is looked for in the current folder, too.

    Raises SmoothcertError in one line, which begins with ``what`` it is, whatever goes wrong.
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python itself does: ./own.py is module own
    try:
        make = getattr(importlib.import_module(module), function)
    except Exception as error:  # importing runs what somebody else wrote
        raise SmoothcertError(f"{what} {name!r}: {error}") from error
    if not callable(make):
        raise SmoothcertError(f"{what} {name!r}: expected a function, found {type(make).__name__}")
    try:
        return make()
    except Exception as error:  # whatever somebody else's function may raise
        said = f"{type(error).__name__}: {first_line(error)}"
        raise SmoothcertError(f"{what} {name!r}: {said}") from error
