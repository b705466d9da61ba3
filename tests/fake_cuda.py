"""A GPU that is none: values of the CPU, manners of CUDA.

Inside ``with pretended() as seen:`` a torch without CUDA has the device ``cuda:0``. A tensor "on"
it is a CPU tensor of the class :class:`OnGpu`, and a mode that sees every call of torch

- refuses what CUDA refuses: tensors of two devices in one call, ``.numpy()`` of a GPU's tensor, a
  generator of another device than the result, a random state of another kind;
- counts what makes the program wait for the GPU, by the line of the project that did
  (``seen.waits``), and copies to it (``seen.copies``);
- has no memory for a result of more than ``memory`` bytes, if that is given.

It knows nothing of missing kernels, of rounding, of streams, or of the speed of a GPU.
"""

from __future__ import annotations

import collections
import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
NAME = "Pretended GPU"
RealGenerator = torch.Generator


@dataclass
class Seen:
    """What happened, by ``file:line`` of the project (``elsewhere`` for none)."""

    memory: int | None = None
    waits: collections.Counter[str] = field(default_factory=collections.Counter)
    copies: collections.Counter[str] = field(default_factory=collections.Counter)

    def wait(self, times: int = 1) -> None:
        self.waits[_line()] += times

    def copy(self) -> None:
        self.copies[_line()] += 1


def _line() -> str:
    for frame in reversed(traceback.extract_stack()):
        if "/src/smoothcert/" in frame.filename:  # a checkout may be called smoothcert, too
            return f"{frame.filename.rpartition('/src/smoothcert/')[2]}:{frame.lineno}"
    return "elsewhere"


_SEEN: list[Seen] = []


class OnGpu(Tensor):
    """A tensor that is taken to lie on the GPU."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return call(func, args, kwargs or {})

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")


# --- generators ------------------------------------------------------------------------------


class GpuGenerator(RealGenerator):
    """Takes a signed seed, and no state of a CPU's."""

    device = property(lambda self: GPU)

    def manual_seed(self, seed: int) -> GpuGenerator:
        if not -(1 << 63) <= seed < (1 << 63):
            raise RuntimeError("Overflow when unpacking long")
        RealGenerator.manual_seed(self, seed % (1 << 63))
        return self

    def get_state(self) -> Tensor:
        state = RealGenerator.get_state(self)
        return torch.cat([state, torch.full((16,), 7, dtype=torch.uint8)])  # unlike a CPU's

    def set_state(self, state: Tensor) -> GpuGenerator:
        if len(state) == len(RealGenerator.get_state(self)):
            raise RuntimeError("RNG state is wrong size")
        RealGenerator.set_state(self, state[:-16])
        return self


class _Kind(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, RealGenerator)


class Generator(metaclass=_Kind):
    """What torch.Generator is replaced by."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return GpuGenerator() if torch.device(device).type == "cuda" else RealGenerator()


# --- calls -----------------------------------------------------------------------------------

READS = {  # one number, or all, for the program
    getattr(Tensor, name)
    for name in ("item", "__bool__", "__float__", "__int__", "__index__", "tolist", "__complex__")
}
WAITS = {  # the size of the result, or the answer itself, is known only when the GPU is done
    getattr(owner, name)
    for owner in (torch, Tensor)
    for name in ("nonzero", "masked_select", "unique", "equal", "allclose")
}
TWICE = {torch.bincount, Tensor.bincount}  # it asks for the least and the largest value
INDEXING = {Tensor.__getitem__, Tensor.__setitem__, Tensor.index_put_, torch.index_put}
ANY_DEVICE = {Tensor.copy_, torch._has_compatible_shallow_copy_type, torch.is_same_size}
PLAIN = {Tensor.untyped_storage, Tensor.data_ptr, Tensor.__len__, Tensor.dim, Tensor.size}


def on_gpu(one: Any) -> bool:
    return isinstance(one, OnGpu)


def _flat(values: Any) -> Iterator[Any]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, list | tuple | dict):
            yield from _flat(value)
        else:
            yield value


def _bare(one: Tensor) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        return one.as_subclass(Tensor) if on_gpu(one) else one


def _placed(result: Any, gpu: bool) -> Any:
    """Tensors of a result, marked as the GPU's."""
    if isinstance(result, Tensor):
        if not gpu:
            return result
        memory = _SEEN[-1].memory
        if memory is not None and result.numel() * result.element_size() > memory:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended).")
        return result if on_gpu(result) else result.as_subclass(OnGpu)
    if isinstance(result, tuple | list):
        parts = [_placed(part, gpu) for part in result]
        if hasattr(result, "_fields"):
            return type(result)(*parts)
        try:
            return type(result)(parts)
        except TypeError:  # torch.return_types
            return type(result)(tuple(parts))
    return result


def call(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One call of torch, as CUDA would take it."""
    name = getattr(func, "__name__", "")
    first = args[0] if args else None
    if func == Tensor.device.__get__:
        return GPU if on_gpu(first) else CPU
    if func == Tensor.is_cuda.__get__:
        return on_gpu(first)
    if func == Tensor.is_cpu.__get__:
        return not on_gpu(first)
    if func is Tensor.get_device:
        return 0 if on_gpu(first) else -1
    if func is Tensor.__deepcopy__ and on_gpu(first):
        return _copied(first, args[1])
    with torch._C.DisableTorchFunctionSubclass():
        if func in (Tensor.numpy, Tensor.__array__):
            if on_gpu(first):
                raise TypeError(
                    "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the"
                    " tensor to host memory first."
                )
            return func(*args, **kwargs)
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            where = {Tensor.cpu: CPU, Tensor.cuda: GPU}.get(func)
            return _moved(first, args[1:], kwargs if where is None else {"device": where})
        if func is Tensor.pin_memory:
            return first
        if func in PLAIN or func is torch.from_numpy:
            return func(*args, **kwargs)
        if func is Tensor.__iter__:
            return iter([_placed(part, on_gpu(first)) for part in first.unbind(0)])
        if func is Tensor.__repr__:
            return func(_bare(first))
        if func in READS:
            if on_gpu(first):
                _SEEN[-1].wait()
            return func(*args, **kwargs)
        if func == Tensor.grad.__get__:
            return _placed(func(*args), on_gpu(first))
        return _computed(func, name, args, kwargs)


def _computed(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """A call that makes tensors."""
    seen = _SEEN[-1]
    everything = [*_flat(args), *_flat(kwargs)]
    tensors = [one for one in everything if isinstance(one, Tensor)]
    some = any(map(on_gpu, tensors))
    named = kwargs.get("device")
    named = None if named is None else torch.device(named)
    gpu = some if named is None else named.type == "cuda"
    if name.startswith("new_") and named is None:
        gpu = on_gpu(args[0])
    for one in everything:
        if isinstance(one, RealGenerator) and (one.device.type == "cuda") != gpu:
            kind = "cuda" if gpu else "cpu"
            raise RuntimeError(
                f"Expected a '{kind}' device type for generator but found '{one.device.type}'"
            )
    if some and func not in ANY_DEVICE:
        _same_device(func, name, args, tensors)
    if some and func in WAITS:
        seen.wait()
    if some and func in TWICE:
        seen.wait(2)
    if named is not None:
        kwargs = {**kwargs, "device": CPU}
        if gpu and tensors and not some:
            seen.copy()
        if not gpu and some and name in ("as_tensor", "tensor"):
            seen.wait()
    made = func(*args, **kwargs)
    if func is torch.as_tensor and gpu and not some:
        made = made.clone()  # the GPU's copy shares nothing with the program's
    return _placed(made, gpu)


def _same_device(func: Any, name: str, args: Any, tensors: list[Tensor]) -> None:
    if func in INDEXING:
        index = list(_flat([args[1]]))
        masks = [one for one in index if str(getattr(one, "dtype", "")).endswith(("bool", "uint8"))]
        if any(isinstance(one, Tensor | np.ndarray) and one.ndim for one in masks):
            _SEEN[-1].wait()
        if not on_gpu(args[0]) and any(map(on_gpu, index)):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the tensor"
            )
        tensors = [args[0], *(one for one in args[2:] if isinstance(one, Tensor))]
    for one in tensors:
        if not on_gpu(one) and (one.dim() > 0 or name in ("cat", "stack")):
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two"
                " devices, cuda:0 and cpu!"
            )


def _copied(one: Tensor, known: dict[int, Tensor]) -> Tensor:
    """A deep copy, of a parameter too; ``known`` is what has been copied already."""
    if id(one) not in known:
        copy = one.detach().clone().requires_grad_(one.requires_grad)
        parameter = isinstance(one, torch.nn.Parameter)
        known[id(one)] = torch.nn.Parameter(copy, one.requires_grad) if parameter else copy
    return known[id(one)]


def _moved(self: Tensor, args: Any, kwargs: dict[str, Any]) -> Tensor:
    """``Tensor.to``, ``cpu`` and ``cuda``."""
    where, rest = kwargs.get("device"), []
    for one in args:
        if isinstance(one, torch.device | str):
            where = one
        elif isinstance(one, Tensor):
            where = GPU if on_gpu(one) else CPU
            rest.append(one.dtype)
        elif isinstance(one, torch.dtype):
            rest.append(one)
    kept = {k: v for k, v in kwargs.items() if k not in ("device", "non_blocking")}
    base = _bare(self)
    made = base.to(*rest, **kept) if rest or kept else base
    now = on_gpu(self)
    wanted = now if where is None else torch.device(where).type == "cuda"
    if wanted == now:
        return self if made is base else _placed(made, now)
    if now and not kwargs.get("non_blocking"):
        _SEEN[-1].wait()
    elif not now:
        _SEEN[-1].copy()
    return _placed(made.clone() if made is base else made, wanted)


class _Mode(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(not issubclass(kind, Tensor) for kind in types):  # the project's dual numbers
            return func(*args, **(kwargs or {}))
        return call(func, args, kwargs or {})


@contextlib.contextmanager
def pretended(memory: int | None = None) -> Iterator[Seen]:
    """A GPU for what is done inside; what was seen of it."""
    seen = Seen(memory)
    autocast, future = torch.autocast, torch.__future__

    def on_cpu(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return autocast("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    before = future.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)
    _SEEN.append(seen)
    replaced = {
        "torch.Generator": Generator,
        "torch.autocast": on_cpu,
        "torch.cuda.is_available": lambda: True,
        "torch.cuda.synchronize": lambda *_: None,
        "torch.cuda.get_device_name": lambda *_: NAME,
        "torch.cuda.get_device_capability": lambda *_: (9, 0),
        "torch.cuda.device_count": lambda: 1,
        "torch.cuda.empty_cache": lambda: None,
        "torch.cuda.reset_peak_memory_stats": lambda *_: None,
        "torch.cuda.max_memory_allocated": lambda *_: 0,
    }
    with contextlib.ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(mock.patch(name, value))
        try:
            with _Mode():
                yield seen
        finally:
            _SEEN.pop()
            future.set_overwrite_module_params_on_conversion(before)
