"""torch, torchvision and pandas, imported when something of them is first used.

Modules that describe a choice (a noise, a scaling, an architecture, a data set) and only
sometimes compute with it take them from here: parsing a slug does not wait for torch.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any


class _Lazy:
    """Stands for ``home`` (a module), or for what ``home`` calls ``name``."""

    def __init__(self, home: str, name: str | None = None) -> None:
        self._home, self._name = home, name

    def __getattr__(self, attribute: str) -> Any:
        module = sys.modules.get(self._home) or importlib.import_module(self._home)
        return getattr(getattr(module, self._name) if self._name else module, attribute)


if TYPE_CHECKING:
    import pandas
    import torch

    from smoothcert.compute.torchvision_shim import torchvision
else:
    pandas = _Lazy("pandas")
    torch = _Lazy("torch")
    torchvision = _Lazy("smoothcert.compute.torchvision_shim", "torchvision")

__all__ = ["pandas", "torch", "torchvision"]
