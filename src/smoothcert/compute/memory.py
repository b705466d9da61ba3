"""Work in pieces that fit into a device's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError

T = TypeVar("T")

ACTIVATIONS = 16 << 30  # bytes that an attack keeps of a network's activations at once, at most


def in_chunks(work: Callable[[slice], T], n: int, size: int) -> list[T]:
    """``work`` on the slices of range(n) that hold ``size`` each (the last the rest), in order.

    Where a GPU has no memory for a slice it is halved, and so are those after it. So ``work``
    may be asked twice for the same inputs, and must answer the same: noise is drawn before it.
    Raises SmoothcertError where a slice of one does not fit.
    """
    size, start, found = max(1, min(size, n)), 0, []
    while start < n:
        part = slice(start, min(start + size, n))
        try:
            found.append(work(part))
        except torch.OutOfMemoryError as error:
            if part.stop - start == 1:
                said = str(error).splitlines()[0]
                raise SmoothcertError(
                    f"device: not enough memory for one input and its noisy copies: {said}"
                ) from None
            size = (part.stop - start) // 2
        else:
            start = part.stop
            continue
        torch.cuda.empty_cache()  # outside the handler, which holds what the failed work had
    return found
