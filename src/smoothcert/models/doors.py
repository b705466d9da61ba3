"""Where a model comes in: a checkpoint of this project, or a network of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from smoothcert import datasets
from smoothcert.core.called import call
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
        if tuple(record["shape"]) != tuple(info.shape) or not info.answers(record["n_classes"]):
            raise SmoothcertError(
                f"{name}: a model of {record['n_classes']} classes for inputs of shape"
                f" {tuple(record['shape'])}; data set {info.name} has {info.n_classes} classes"
                f" and shape {tuple(info.shape)}"
            )
        return model, record
    own = call(name, "model")
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
    if not info.answers(logits.shape[1]):
        least = "at least " if info.at_least else ""
        raise SmoothcertError(
            f"model {name!r}: {logits.shape[1]} outputs; data set {info.name} has"
            f" {least}{info.n_classes} classes"
        )
    record = {"n_classes": logits.shape[1], "digest": digest(own), ANSWERS: answers(logits)}
    return own, {"arch": name, "training": None, **record}
