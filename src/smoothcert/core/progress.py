"""One progress bar for all that takes long, on standard error."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def bar(title: str, unit: str, quiet: bool = False, **options: Any) -> tqdm:
    """A live bar on a terminal; a log file gets a line now and then. ``options`` are tqdm's."""
    return tqdm(
        desc=title,
        unit=unit,
        disable=quiet,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,
        **options,
    )
