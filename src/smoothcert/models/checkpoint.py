"""Checkpoints: one safetensors file holds the weights and, as JSON, the record of the model.

A safetensors file is tensors and text: loading one runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from smoothcert.compute.arithmetic import name_of
from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.models.build import build

if TYPE_CHECKING:
    from smoothcert.models.classifier import Classifier

FORMAT = "smoothcert-model-1"
_SIDE = "side."  # tensors that describe the training and are no part of the network


def save(
    model: Classifier,
    path: str | os.PathLike[str],
    record: Mapping[str, Any],
    side_tensors: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write ``model`` and ``record`` (anything JSON can hold) to ``path``, atomically.

    The architecture, number of classes, image shape, digest and torch version are added to the
    record. ``side_tensors`` (the per-input scales of a data-dependent training, say) are kept
    beside the weights, for :func:`load_side_tensors`.
    """
    from safetensors.torch import save as to_bytes  # it imports torch

    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    for name, tensor in (side_tensors or {}).items():
        tensors[_SIDE + name] = tensor.detach().cpu().contiguous()
    full = {
        "format": FORMAT,
        **model.description,
        "digest": digest(model),
        "torch": torch.__version__,
        **record,
    }
    with atomic(path) as temporary:
        # not save_file, which makes files that only their owner can read
        temporary.write_bytes(to_bytes(tensors, {"smoothcert": json.dumps(full, sort_keys=True)}))


def load(path: str | os.PathLike[str]) -> tuple[Classifier, dict[str, Any]]:
    """Read a checkpoint: the classifier in eval mode on the CPU, and its record.

    Raises SmoothcertError, naming the file, if it is truncated, no checkpoint of this project,
    or if its tensors do not fit the architecture it names (with the list of what does not).
    """
    tensors, record = _read(path)
    try:
        model = build(record["arch"], record["n_classes"], record["shape"])
    except (KeyError, SmoothcertError) as error:
        raise SmoothcertError(f"{path}: record of the model: {error}") from None
    fill(model, {k: v for k, v in tensors.items() if not k.startswith(_SIDE)}, str(path))
    return model.eval(), record


def load_side_tensors(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """The side tensors of a checkpoint, by name; raises as :func:`load`."""
    tensors, _ = _read(path)
    return {k.removeprefix(_SIDE): v for k, v in tensors.items() if k.startswith(_SIDE)}


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record of a checkpoint, without reading its tensors; needs no torch."""
    header = _header(Path(path))
    return _parse_record(header.get("__metadata__", {}), Path(path))


def fill(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Copy ``tensors`` into ``model``, all of them, exactly; or raise SmoothcertError.

    The message starts with ``where`` and lists what is missing, what is not expected, and the
    shapes that differ.
    """
    expected = model.state_dict()
    wrong = [f"missing {k}" for k in expected if k not in tensors]
    wrong += [f"not expected {k}" for k in tensors if k not in expected]
    wrong += [
        f"{k} has shape {list(tensors[k].shape)}, expected {list(expected[k].shape)}"
        for k in expected
        if k in tensors and tensors[k].shape != expected[k].shape
    ]
    wrong += [
        f"{k} has type {name_of(tensors[k].dtype)}, expected {name_of(expected[k].dtype)}"
        for k in expected
        if k in tensors and tensors[k].is_floating_point() != expected[k].is_floating_point()
    ]
    if wrong:
        raise SmoothcertError(f"{where}: does not fit {_name(model)}: {_shorten(wrong)}")
    bad = [k for k, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if bad:
        raise SmoothcertError(f"{where}: not finite: {_shorten(bad)}")
    model.load_state_dict(dict(tensors))


def digest(model: torch.nn.Module) -> str:
    """SHA-256 of the function: the architecture and every tensor's name, type, shape, bytes.

    For a module that :func:`smoothcert.models.build` did not make, the class name stands for
    the architecture.
    """
    described = getattr(model, "description", None) or {"class": type(model).__qualname__}
    sha = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().contiguous()
        sha.update(f"\n{name} {name_of(flat.dtype)} {list(flat.shape)}\n".encode())
        sha.update(flat.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _name(model: torch.nn.Module) -> str:
    architecture = getattr(model, "architecture", None)
    return architecture.slug if architecture is not None else type(model).__name__


def _shorten(items: list[str], most: int = 12) -> str:
    rest = f"; and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + rest


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    from safetensors.torch import load_file  # it imports torch

    record = read_record(path)
    try:
        return load_file(path), record
    except SafetensorError as error:
        raise SmoothcertError(f"{path}: not a complete checkpoint: {error}") from None


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of its length, then the text."""
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(0)
        length = int.from_bytes(handle.read(8), "little")
        if size < 8 or length > size - 8:
            raise SmoothcertError(_no_checkpoint(path, "truncated or not a safetensors file"))
        try:
            header = json.loads(handle.read(length))
        except ValueError:
            raise SmoothcertError(_no_checkpoint(path, "not a safetensors file")) from None
    if not isinstance(header, dict):
        raise SmoothcertError(_no_checkpoint(path, "not a safetensors file"))
    return header


def _no_checkpoint(path: Path, wrong: str) -> str:
    """What is wrong with a file that is no checkpoint of this project, and what to do with it."""
    if path.suffix == ".py":
        return f"{path}: a network of your own is named {path.stem}:FUNCTION, which returns it"
    with path.open("rb") as handle:
        start = handle.read(2)
    torchs = start in (b"PK", b"\x80\x02")  # what torch.save writes: a zip file, once a pickle
    if torchs or path.suffix in (".pth", ".pt", ".tar", ".ckpt"):
        return (
            f"{path}: {wrong}; a checkpoint of PyTorch is converted once:"
            f" smoothcert import-checkpoint {path} --arch ARCH --dataset DATASET"
            " --out model.safetensors"
        )
    return f"{path}: {wrong}"


def _parse_record(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    try:
        record = json.loads(metadata["smoothcert"])
    except (KeyError, ValueError):
        raise SmoothcertError(
            f"{path}: a safetensors file without this project's record of the model; published"
            " checkpoints are read by smoothcert import-checkpoint"
        ) from None
    if record.get("format") != FORMAT:
        raise SmoothcertError(f"{path}: format {record.get('format')!r}, expected {FORMAT!r}")
    return record
