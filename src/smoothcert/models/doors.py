"""Where a model comes in: a checkpoint of this project, or whatever somebody else made."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smoothcert import datasets
from smoothcert.core.called import call, is_function
from smoothcert.core.errors import SmoothcertError, first_line
from smoothcert.core.provenance import ANSWERS
from smoothcert.models import onnx
from smoothcert.models.adapter import Adapter, network_of
from smoothcert.models.checkpoint import digest, load
from smoothcert.models.hubs import HUBS
from smoothcert.models.mode import evaluating
from smoothcert.models.own import answers, arithmetic, device_of, examine
from smoothcert.models.spec import Given, given


def load_model(
    named: str | Given, info: datasets.DatasetInfo, device: torch.device | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """A model by what ``--model`` says of it (:class:`models.spec.Given`), with its record.

    The network is in eval mode and takes images in [0,1]. One that is no checkpoint of this
    project is asked on ``device`` (default: where it is) for its answers on fixed inputs, which
    stand in its record beside the digest of its weights. Raises SmoothcertError for a model of
    another kind, and as :func:`models.own.examine`.
    """
    form = given(named) if isinstance(named, str) else named
    if _is_checkpoint(form.path):
        if not form.plain_images or form.output is not None:
            raise SmoothcertError(
                f"model {form.path!r}: a checkpoint of this project already records how it reads"
                " its images"
            )
        model, record = load(form.path)
        if tuple(record["shape"]) != tuple(info.shape) or not info.answers(record["n_classes"]):
            raise SmoothcertError(
                f"{form.path}: a model with {record['n_classes']} classes for inputs of shape"
                f" {tuple(record['shape'])}; data set {info.name} has {info.n_classes} classes"
                f" and shape {tuple(info.shape)}"
            )
        return model, record
    if form.classes is None and info.n_classes and not info.at_least:
        form = form.model_copy(update={"classes": info.n_classes})
    try:
        own, record = introduced(_found(form, info.shape), form, info.shape, device)
    except SmoothcertError as error:
        said = str(error)
        if said.startswith("model:"):
            said = f"model {form.path!r}{said.removeprefix('model')}"
        raise SmoothcertError(said) from error
    if not info.answers(record["n_classes"]):
        least = "at least " if info.at_least else ""
        raise SmoothcertError(
            f"model {form.path!r}: {record['n_classes']} outputs; data set {info.name} has"
            f" {least}{info.n_classes} classes"
        )
    return own, record


def introduced(
    model: Any, form: Given, shape: Sequence[int], device: torch.device | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Anybody's classifier as a network for images of ``shape``, and what it is known by.

    Raises SmoothcertError as :func:`models.own.examine`.
    """
    own = adapted(model, form, shape, device)
    logits = examine(own, shape)
    record = {"n_classes": logits.shape[1], "digest": digest(own), ANSWERS: answers(logits)}
    return own, {"arch": form.path, "training": None, **record}


def adapt(model: Any, **declared: Any) -> nn.Module:
    """Anybody's classifier as a network: images [B, C, H, W] in [0,1] -> logits [B, classes].

    ``model`` is a torch module with any usual output, a scikit-learn classifier, or a function of
    a batch of images that gives logits or labels; ``declared`` are the keys of
    :class:`models.spec.Given` without its path: ``white=255, layout="nhwc", classes=10``, say.
    Raises SmoothcertError for another model or key.
    """
    form = Given.check({"path": type(model).__name__, **declared}, "adapt")
    network = network_of(model, form)
    return network if isinstance(network, Adapter) else Adapter(network, form)


def adapted(
    model: Any, form: Given, shape: Sequence[int], device: torch.device | None = None
) -> nn.Module:
    """As :func:`adapt` for images of ``shape``; a network that gives logits as it is stays so."""
    network = network_of(model, form)
    if device is not None:
        network = network.to(device)
    if isinstance(network, Adapter | onnx.OnnxNetwork):
        return network
    if form.plain_images and form.output is None and _plain(network, shape):
        return network
    return Adapter(network, form)


def _plain(network: nn.Module, shape: Sequence[int]) -> bool:
    """Whether it gives a tensor [B, classes], or fails: then its examination says how."""
    x = torch.zeros((2, *shape), dtype=arithmetic(network), device=device_of(network))
    try:
        with evaluating(network), torch.inference_mode():
            out = network(x)
    except Exception:  # whatever a network of somebody else's may raise
        return True
    return isinstance(out, Tensor) and out.ndim in (0, 2)


def _is_checkpoint(path: str) -> bool:
    """Whether a path is of this project's checkpoints, or of nothing that is known."""
    if is_function(path) or path.partition(":")[0] in HUBS:
        return False
    ending = Path(path).suffix
    return ending not in _FILES or (ending in _SCRIPTS and not _is_script(path))


def _found(form: Given, shape: Sequence[int]) -> Any:
    """The model at a place; raises SmoothcertError in one line."""
    hub, _, name = form.path.partition(":")
    if hub in HUBS and name:
        return HUBS[hub](name)
    if is_function(form.path):
        return call(form.path, "model")
    return _FILES[Path(form.path).suffix](form, shape)


def _script(form: Given, shape: Sequence[int]) -> nn.Module:
    try:
        found: nn.Module = torch.jit.load(form.path, map_location="cpu")
    except RuntimeError as error:
        said = f"not a complete TorchScript file: {first_line(error)}"
        raise SmoothcertError(f"{form.path}: {said}") from None
    return found


def _exported(form: Given, shape: Sequence[int]) -> nn.Module:
    try:
        found = torch.export.load(form.path).module()
    except Exception as error:  # it says what it may in many ways
        said = f"not an exported torch program: {first_line(error)}"
        raise SmoothcertError(f"{form.path}: {said}") from None
    # Such a module is in one mode for good, and says so by failing.
    found.__dict__["train"] = lambda mode=True: found
    found.__dict__["eval"] = lambda: found
    return found


def _is_script(path: str) -> bool:
    """Whether a file is TorchScript, and no pickle of weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


_SCRIPTS = (".pt", ".pth", ".ts")
_FILES: dict[str, Callable[[Given, Sequence[int]], nn.Module]] = {
    ".onnx": lambda form, shape: onnx.from_file(form.path, form, shape),
    ".pt2": _exported,
    **dict.fromkeys(_SCRIPTS, _script),
}
