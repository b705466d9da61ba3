"""The arithmetic in which a network computes: named, and set nowhere else.

A name stands in a store's identity, in a certificate's record and in a model's; a network that
predicts must use the one that was certified.

| name | numbers | products of matrices and convolutions on a GPU |
| --- | --- | --- |
| float64, float32 | IEEE 754 double, single | of all bits |
| tf32 | float32 | of factors rounded to 10 bits of mantissa, sums in float32 |
| float16, bfloat16 | 10, 7 bits of mantissa | sums in float32 |

torch's own default on an A100 or newer is tf32 for convolutions and float32 for other products.
Here nothing is left to it: :func:`switch` sets everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError

Precision = Literal["float32", "tf32", "float16", "bfloat16", "float64"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_TF32 = "tf32"


def dtype_of(precision: str) -> torch.dtype:
    """The type of the numbers; raises SmoothcertError for a name that is none."""
    if precision not in PRECISIONS:
        raise SmoothcertError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    dtype: torch.dtype = getattr(torch, "float32" if precision == _TF32 else precision)
    return dtype


def name_of(dtype: torch.dtype) -> str:
    """``torch.float32`` -> ``float32``."""
    return str(dtype).removeprefix("torch.")


def check_device(precision: str, device: torch.device) -> None:
    """Raise SmoothcertError for tf32 where there is none: only a GPU has it, from Ampere on."""
    if precision != _TF32:
        return
    if device.type != "cuda":
        raise SmoothcertError(f"precision tf32: needs a GPU; this device is {device.type}")
    if (found := torch.cuda.get_device_capability(device)) < (8, 0):
        said = ".".join(map(str, found))
        raise SmoothcertError(
            f"precision tf32: this GPU has compute capability {said}; expected 8.0 or newer"
        )


def switch(precision: str) -> dict[tuple[Any, str], Any]:
    """Set how GPUs compute products to what ``precision`` says; what the switches were before.

    They are of the whole process. Half precision adds in float32; convolutions choose their
    kernels without timing them, and among those that give the same bits each time.
    """
    backends: Any = torch.backends
    mode = _TF32 if precision == _TF32 else "ieee"
    wanted: dict[tuple[Any, str], Any] = {
        (backends.cuda.matmul, "fp32_precision"): mode,
        (backends.cudnn.conv, "fp32_precision"): mode,
        (backends.cudnn.rnn, "fp32_precision"): mode,
        (backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"): False,
        (backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"): False,
        (backends.cudnn, "benchmark"): False,
        (backends.cudnn, "deterministic"): True,
    }
    before = {(owner, name): getattr(owner, name) for owner, name in wanted}
    _set(wanted)
    return before


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """:func:`switch` inside, and back."""
    before = switch(precision)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[tuple[Any, str], Any]) -> None:
    for (owner, name), value in values.items():
        setattr(owner, name, value)


def switches() -> dict[str, object]:
    """What the process computes with now, for a record or a report."""
    backends: Any = torch.backends
    return {
        "matmul": backends.cuda.matmul.fp32_precision,
        "conv": backends.cudnn.conv.fp32_precision,
        "deterministic": backends.cudnn.deterministic,
        "benchmark": backends.cudnn.benchmark,
    }
