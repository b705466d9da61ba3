"""Engines: what computes the logits of noisy copies, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoothcert.compute.arithmetic import dtype_of, name_of
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.graph import NotExported
from smoothcert.models.own import arithmetic, probes
from smoothcert.sampling.engines.base import Engine, NotHere, check_precision
from smoothcert.sampling.engines.onnx_runtime import OnnxRuntimeEngine
from smoothcert.sampling.engines.open_vino import OpenVinoEngine
from smoothcert.sampling.engines.pytorch import TorchEngine

__all__ = ["ENGINES", "Engine", "check_precision", "open_engine"]

ENGINES: dict[str, type[Engine]] = {
    part.name: part for part in (TorchEngine, OnnxRuntimeEngine, OpenVinoEngine)
}


def open_engine(
    model: nn.Module,
    shape: Sequence[int],
    device: torch.device,
    engine: str = "auto",
    precision: str | None = None,
) -> Engine:
    """The engine of a network for inputs of ``shape``, on ``device``; the network in eval mode.

    ``auto`` is onnxruntime where it can run the network (float32 on a CPU, a network that
    exports), else torch; its ``note`` then says why. ``precision``: by default the network's own.
    Every other engine is asked for its logits on fixed inputs first, and they must be torch's.
    Raises SmoothcertError for an engine that cannot run the network or computes something else,
    and as :func:`check_precision`.
    """
    precision = precision or name_of(arithmetic(model))
    check_precision(model, precision)
    if engine == "auto":
        try:
            return _checked(OnnxRuntimeEngine, model, shape, device, precision)
        except (NotExported, NotHere, SmoothcertError) as why:
            found = TorchEngine(model, shape, device, precision)
            if device.type == "cpu" and precision == "float32":
                found.note = f"engine torch: onnxruntime is not used: {why}"
            return found
    if engine not in ENGINES:
        raise SmoothcertError(f"engine {engine!r}: expected one of auto, {', '.join(ENGINES)}")
    try:
        return _checked(ENGINES[engine], model, shape, device, precision)
    except (NotExported, NotHere) as why:
        raise SmoothcertError(f"engine {engine}: cannot run this network: {why}") from None


def _checked(
    kind: type[Engine], model: nn.Module, shape: Sequence[int], device: torch.device, precision: str
) -> Engine:
    found = kind(model, shape, device, precision)
    if kind is not TorchEngine and not isinstance(getattr(model, "graph", None), bytes):
        x = probes(shape)
        with torch.inference_mode():
            theirs, ours = found.logits(x), model(x)
        if worst := _difference(theirs, ours, precision):
            raise NotHere(f"its logits on fixed inputs differ from torch's ({worst})")
    return found


def _difference(theirs: Tensor, ours: Tensor, precision: str) -> str:
    """In what logits [B, C] differ by more than rounding; '' if they do not.

    Rounding: 0.1% of the range of a class's logits and 1e-5 of the largest in float32, 10% and
    4 units in the last place in half precision.
    """
    if theirs.shape != ours.shape:
        return f"shape {tuple(theirs.shape)} for {tuple(ours.shape)}"
    a, b = theirs.double(), ours.double()
    spread, most = (b.amax(0) - b.amin(0)).max(), b.abs().max()
    eps = torch.finfo(dtype_of(precision)).eps
    allowed = 0.1 * spread + 4 * eps * most if eps > 1e-4 else 1e-3 * spread + 1e-5 * most
    off = (a - b).abs().max()
    return "" if bool(off <= allowed) else f"by up to {float(off):.3g} of {float(most):.3g}"
