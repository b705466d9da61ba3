"""Where a model comes in: a checkpoint of this project, or a network of a user's own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import torch

from smoothcert import datasets
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.provenance import ANSWERS
from smoothcert.models.checkpoint import digest, load
from smoothcert.models.own import answers, examine


def load_model(
    name: str, info: datasets.DatasetInfo, device: torch.device | None = None
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A checkpoint, or ``package.module:function`` that returns a network of your own.

    A module is looked for in the current folder, too. The network takes images in [0,1] and
    returns logits. Returns it, in eval mode, with its record. One of your own is asked on
    ``device`` (default: where it is) for its answers on fixed inputs, which stand in its record
    beside the digest of its weights. Raises SmoothcertError for a model of another kind, and as
    :func:`models.own.examine`.
    """
    if Path(name).suffix == ".safetensors" or ":" not in name:
        model, record = load(name)
        if record["n_classes"] != info.n_classes or tuple(record["shape"]) != tuple(info.shape):
            raise SmoothcertError(
                f"{name}: a model of {record['n_classes']} classes for inputs of shape"
                f" {tuple(record['shape'])}; data set {info.name} has {info.n_classes} classes"
                f" and shape {tuple(info.shape)}"
            )
        return model, record
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python itself does: ./own.py is module own
    try:
        make = getattr(importlib.import_module(module), function)
    except Exception as error:  # importing runs what somebody else wrote
        raise SmoothcertError(f"model {name!r}: {error}") from error
    if not callable(make):
        raise SmoothcertError(f"model {name!r}: expected a function, found {type(make).__name__}")
    try:
        own = make()
    except Exception as error:  # whatever somebody else's function may raise
        said = (str(error).strip().splitlines() or [""])[0]
        raise SmoothcertError(f"model {name!r}: {type(error).__name__}: {said}") from error
    if not isinstance(own, torch.nn.Module):
        raise SmoothcertError(
            f"model {name!r}: expected a function that returns a torch.nn.Module, it returns"
            f" {type(own).__name__}"
        )
    own = (own if device is None else own.to(device)).eval()
    try:
        logits = examine(own, info.shape)
    except SmoothcertError as error:
        raise SmoothcertError(f"model {name!r}{str(error).removeprefix('model')}") from error
    if logits.shape[1] != info.n_classes:
        raise SmoothcertError(
            f"model {name!r}: {logits.shape[1]} outputs; data set {info.name} has"
            f" {info.n_classes} classes"
        )
    record = {"digest": digest(own), ANSWERS: answers(logits)}
    return own, {"arch": name, "training": None, **record}
