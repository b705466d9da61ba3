"""Networks of a user's own: what they must be to be sampled, and what they are known by.

A checkpoint of this project is known by its weights and its architecture. Of any other network
the weights say too little: its ``forward``, an attribute, an activation or a part that is no
submodule can change while the names of the class and of the weights stay. So such a network is
known by its answers on fixed inputs as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoothcert.compute.arithmetic import name_of
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError, first_line
from smoothcert.models.mode import evaluating

INPUTS = 16  # the fixed inputs
NUMBERS = 4  # what is kept of the logits of each


def arithmetic(model: nn.Module) -> torch.dtype:
    """The floating-point type in which a network computes: that of its parameters (without any,
    of its buffers; without those, float32).

    Raises SmoothcertError for parameters of several types.
    """
    for tensors in (model.parameters(), model.buffers()):
        kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
        if len(kinds) > 1:
            names = " and ".join(sorted(map(name_of, kinds)))
            raise SmoothcertError(
                f"model: its tensors have types {names}; expected one floating-point type"
            )
        if kinds:
            return kinds.pop()
    return torch.float32


def device_of(model: nn.Module) -> torch.device:
    """Where a network's tensors are; the CPU for one without any."""
    first = next((t for tensors in (model.parameters(), model.buffers()) for t in tensors), None)
    return torch.device("cpu") if first is None else first.device


def examine(model: nn.Module, shape: Sequence[int]) -> Tensor:
    """The logits [INPUTS, C] of a network on fixed inputs of ``shape``; float64, on the CPU.

    The network is asked in eval mode, where it is and in its own arithmetic, and left as it was.
    Raises SmoothcertError unless it gives each input of a batch at least two finite logits, the
    same in every call and whatever else is in the batch: no certificate holds for another.
    """
    x = probes(shape).to(device_of(model), arithmetic(model))
    with evaluating(model), torch.inference_mode():
        together = _logits(model, x)
        again = _logits(model, x)
        apart = torch.cat([_logits(model, part) for part in (x[:1], x[1:6], x[6:])])
    if not _close(again, together, x):
        raise SmoothcertError(
            "model: its logits for the same images differ from call to call (dropout or sampling"
            " that eval() does not stop); expected a function of the images"
        )
    if not _close(apart, together, x):
        raise SmoothcertError(
            "model: its logits for an image depend on the other images of the batch (batch"
            " normalization without running statistics, say); expected a function of each image"
        )
    return together


def answers(logits: Tensor) -> list[list[float]]:
    """What is kept of the logits [INPUTS, C] of :func:`examine`: [INPUTS, NUMBERS], each a fixed
    random combination of an input's logits to seven digits, as many as float32 has."""
    mixing = torch.randn(logits.shape[1], NUMBERS, generator=generator(0, "probe-logits"))
    mixed = logits @ mixing.double() / logits.shape[1] ** 0.5
    return [[float(f"{value:.7g}") for value in row] for row in mixed.tolist()]


def probes(shape: Sequence[int]) -> Tensor:
    """Uniform images, the first as it is, the others under more and more Gaussian noise."""
    stream = generator(0, "probe-images")
    images = torch.rand((INPUTS, *shape), generator=stream)
    noise = torch.randn(images.shape, generator=stream)
    return images + torch.linspace(0, 1, INPUTS).view(-1, *[1] * len(shape)) * noise


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    try:
        logits = model(x)
    except Exception as error:  # whatever a network of somebody else's may raise
        raise SmoothcertError(
            f"model: fails on a batch of {len(x)} images of shape {tuple(x.shape[1:])} in"
            f" {name_of(x.dtype)}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(logits, Tensor):
        raise SmoothcertError(f"model: expected a tensor of logits, found {type(logits).__name__}")
    if logits.ndim != 2 or len(logits) != len(x):
        raise SmoothcertError(
            f"model: its output for {len(x)} images has shape {tuple(logits.shape)}; expected"
            f" ({len(x)}, classes): logits for each image"
        )
    if logits.shape[1] < 2:
        raise SmoothcertError(
            f"model: {logits.shape[1]} output per image; expected one per class, at least two"
        )
    logits = logits.double().cpu()
    if not torch.isfinite(logits).all():
        raise SmoothcertError("model: NaN or infinite logits: no class to count")
    return logits


def _close(a: Tensor, b: Tensor, x: Tensor) -> bool:
    """Whether logits [INPUTS, C] differ by no more than kernels for another batch round."""
    eps = torch.finfo(x.dtype).eps
    half = eps > 1e-4
    # A GPU may round the factors of a product to ten bits (TF32).
    rounding = 4 * eps if half else 2e-3 if x.device.type == "cuda" else 1e-5
    spread = (b.amax(0) - b.amin(0)).max()
    return bool((a - b).abs().max() <= (0.1 if half else 0.03) * spread + rounding * b.abs().max())
