"""What a network keeps of each image for a derivative, counted, and what so fits into memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from smoothcert.compute.memory import ACTIVATIONS
from smoothcert.models.mode import evaluating
from smoothcert.models.own import arithmetic, device_of

T = TypeVar("T")

_COUNTED: WeakKeyDictionary[nn.Module, dict[tuple[tuple[int, ...], bool], int]]
_COUNTED = WeakKeyDictionary()


def at_once(
    model: nn.Module, shape: Sequence[int], copies: int, device: torch.device, twice: bool = False
) -> int | None:
    """How many inputs of ``shape``, ``copies`` noisy copies each, may be differentiated together.

    On a GPU by what the network keeps of them: at most ACTIVATIONS bytes, at least one input.
    None on a CPU, where the machine's memory is the job's (``resources``). ``twice``: through a
    derivative of the network.
    """
    if device.type == "cpu":
        return None
    return max(1, ACTIVATIONS // max(1, copies * saved_bytes(model, shape, twice)))


def saved_bytes(model: nn.Module, shape: Sequence[int], twice: bool = False) -> int:
    """Bytes that autograd keeps of one image of ``shape`` for the gradient by the image.

    Counted on tensors without data, where the network runs on them, else on one image. With
    ``twice`` what a gradient by the noise scale keeps that is itself differentiated.
    """
    known = _COUNTED.setdefault(model, {})
    key = (tuple(shape), twice)
    if key not in known:
        known[key] = _without_data(model, lambda network: _counted(network, shape, twice))
    return known[key]


def operations(model: nn.Module, shape: Sequence[int]) -> float:
    """Floating-point operations of one forward pass of one image, counted without data where the
    network runs so, else on one."""

    def counted(network: nn.Module) -> float:
        x = torch.zeros((1, *shape), device=device_of(network), dtype=arithmetic(network))
        with evaluating(network), torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(x)
        return float(counter.get_total_flops())

    return _without_data(model, counted)


def _without_data(model: nn.Module, count: Callable[[nn.Module], T]) -> T:
    try:
        return count(copy.deepcopy(model).to("meta"))
    except Exception:  # whatever a network of somebody else's may raise without data
        return count(model)


def _counted(model: nn.Module, shape: Sequence[int], twice: bool) -> int:
    """What two images keep less what one does: parameters are in both."""
    return _kept(model, 2, shape, twice) - _kept(model, 1, shape, twice)


def _kept(model: nn.Module, n: int, shape: Sequence[int], twice: bool) -> int:
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that none is counted as another

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    options: dict[str, Any] = {"device": device_of(model), "dtype": arithmetic(model)}
    x = torch.zeros((n, *shape), **options, requires_grad=True)
    with (
        evaluating(model),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        if twice:
            scale = torch.ones(n, *[1] * len(shape), **options, requires_grad=True)
            answer = model(x + scale * torch.zeros_like(x)).softmax(1)[:, 0].sum()
            (gradient,) = torch.autograd.grad(answer, scale, create_graph=True)
            kept = gradient.sum()
        else:
            kept = model(x).softmax(1)[:, 0].sum()
    del kept  # the graph until here: what it saved is counted
    return sum(storage.nbytes() for storage in storages.values())
