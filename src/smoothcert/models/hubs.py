"""Classifiers by the loaders of their own libraries, where these are installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from torch import nn

from smoothcert.core.errors import SmoothcertError, first_line


def _timm(name: str) -> nn.Module:
    """``timm:resnet18.a1_in1k``: the pretrained weights; its normalization is to be declared."""
    return _asked("timm", name, lambda timm: timm.create_model(name, pretrained=True))


def _huggingface(name: str) -> nn.Module:
    """``hf:NAME`` or ``hf:FOLDER``: an image classifier of transformers."""

    def load(transformers: Any) -> nn.Module:
        return transformers.AutoModelForImageClassification.from_pretrained(name)

    return _asked("transformers", name, load)


def _asked(package: str, name: str, load: Callable[[Any], nn.Module]) -> nn.Module:
    try:
        library = importlib.import_module(package)
    except ImportError:
        raise SmoothcertError(
            f"model {name!r}: needs the package {package}, which is not installed: pip install"
            f" {package}"
        ) from None
    try:
        return load(library)
    except Exception as error:  # a name that is none, no network, a wrong file
        said = first_line(error) or type(error).__name__
        raise SmoothcertError(f"model {name!r}: {package}: {said}") from error


HUBS: dict[str, Callable[[str], nn.Module]] = {"timm": _timm, "hf": _huggingface}
