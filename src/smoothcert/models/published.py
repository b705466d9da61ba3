"""Reading the checkpoints that the field has published, without running what lies in them.

Layouts: Cohen, SmoothAdv, Consistency write {epoch, arch, state_dict, optimizer} of a
Sequential(normalization, network), whose keys are ``1.conv1.weight`` or, behind DataParallel,
``1.module.conv1.weight``; MACER writes {net, epoch, ...} of the bare network.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.models.build import build
from smoothcert.models.checkpoint import fill
from smoothcert.models.classifier import Classifier
from smoothcert.models.normalization import normalization as normalization_of

_ARCH_NAMES = {"cifar_resnet20": "resnet20", "cifar_resnet110": "resnet110"}


def import_published(
    path: str | os.PathLike[str],
    arch: str,
    dataset: str,
    n_classes: int,
    shape: Sequence[int],
    normalization: str | None = None,
) -> tuple[Classifier, dict[str, Any]]:
    """The classifier of a published checkpoint, in eval mode, and a record of its origin.

    The files hold the network's weights but not its normalization, so that must be known:
    ``standardize`` (Cohen, Consistency, most of SmoothAdv's), ``center`` (SmoothAdv's ImageNet
    and plain CIFAR-10 models), ``none`` (MACER). By default ``none`` for MACER's layout and
    ``standardize`` for the other; the wrong one gives a classifier that is not theirs.

    Raises SmoothcertError if the file cannot be read as plain tensors, names another
    architecture, or holds tensors whose names or shapes do not fit (they are listed).
    """
    content = _read(path)
    layout = next((key for key in ("state_dict", "net") if isinstance(content.get(key), dict)), "")
    tensors: dict[str, Any] = content[layout] if layout else content
    named = content.get("arch") if layout else None
    if isinstance(named, str) and _ARCH_NAMES.get(named, named) != arch:
        raise SmoothcertError(f"{path}: holds architecture {named!r}, expected {arch!r}")
    if not tensors or not all(_is_tensor(v) for v in tensors.values()):
        raise SmoothcertError(
            f"{path}: expected tensors under 'state_dict' or 'net'; found the keys"
            f" {', '.join(map(str, list(content)[:8])) or 'none'}"
        )
    kind = normalization or ("none" if layout == "net" else "standardize")
    layer = normalization_of(dataset, kind, shape[0])
    network, normalizer = _split(tensors)
    _check_normalizer(normalizer, layer.mean, layer.std, f"{path}: {kind}")
    model = build(arch, n_classes, shape, layer)
    for name, value in model.network.state_dict().items():
        # Files older than torch 0.4.1 lack this counter, that no inference reads.
        if name.endswith("num_batches_tracked"):
            network.setdefault(name, value)
    fill(model.network, network, f"{path}: as {arch}")
    record = {
        "imported": {"layout": layout or "tensors", "sha256": sha256(path), "arch": named},
        "dataset": dataset,
        "normalization": kind,
        "epoch": content.get("epoch") if isinstance(content.get("epoch"), int) else None,
    }
    return model.eval(), record


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    with Path(path).open("rb"):
        pass  # a missing or unreadable file is the operating system's error, not torch's
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise SmoothcertError(f"{path}: cannot be read as plain tensors: {reason}") from None
    if not isinstance(content, dict):
        raise SmoothcertError(f"{path}: expected a dictionary, found {type(content).__name__}")
    return content


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _split(
    tensors: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(tensors of the network, tensors of the normalization), their wrappers' prefixes removed."""
    normalizer: dict[str, torch.Tensor] = {}
    network = dict(tensors)
    while network and all(k.startswith(("module.", "0.", "1.")) for k in network):
        normalizer |= {k.removeprefix("0."): v for k, v in network.items() if k.startswith("0.")}
        network = {k.partition(".")[2]: v for k, v in network.items() if not k.startswith("0.")}
    return network, normalizer


def _check_normalizer(
    found: dict[str, torch.Tensor], mean: tuple[float, ...], std: tuple[float, ...], where: str
) -> None:
    """Where a file does hold its normalization, it must be the one that was asked for."""
    for name, tensor in found.items():
        values = tensor.flatten().tolist()
        expected = std if name.startswith(("sd", "std")) else mean
        if len(values) != len(expected) or any(
            abs(a - b) > 1e-4 for a, b in zip(values, expected, strict=True)
        ):
            raise SmoothcertError(
                f"{where}: the file's normalization {name} is {values}, expected {list(expected)}"
            )
