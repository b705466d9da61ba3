"""What is asked of the arguments of sampling: one line for the first that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.base import Budget
from smoothcert.compute.arithmetic import name_of
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.noise.base import Noise, on_grid


def check_images(images: torch.Tensor, idx: Sequence[int] | NDArray) -> None:
    """Raise SmoothcertError for the first image with a NaN or a value outside [0, 1]."""
    flat = images.reshape(len(images), -1)
    wrong = ~((flat >= 0) & (flat <= 1)).all(1)
    if wrong.any():
        i = int(wrong.nonzero()[0])
        low, high = float(flat[i].min()), float(flat[i].max())
        found = "NaN" if torch.isnan(flat[i]).any() else f"values from {low:g} to {high:g}"
        raise SmoothcertError(f"image idx {idx[i]}: expected values in [0, 1], found {found}")


def check_grid(image: torch.Tensor, idx: int, noise: Noise) -> None:
    """Raise SmoothcertError for an image [*shape] off the grid on which ``noise`` certifies."""
    if noise.grid is None or bool((near := on_grid(image, noise.grid)).all()):
        return
    raise SmoothcertError(
        f"image idx {idx}: expected multiples of 1/{noise.grid}, on which noise {noise.slug}"
        f" certifies; found {float(image[~near][0]):.6g}"
    )


def check_scales(scales: NDArray, idx: Sequence[int] | NDArray) -> None:
    """Raise SmoothcertError for the first noise scale that is not a positive number."""
    wrong = ~(np.isfinite(scales) & (scales > 0))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(
            f"idx {idx[i]}: noise scale {scales[i]:g}: expected a positive number"
        )


def check_look(budget: Budget, look: int) -> None:
    """Raise SmoothcertError unless the budget's n is a multiple of ``look`` samples."""
    if look < 1:
        raise SmoothcertError(f"look {look}: expected at least 1 sample")
    if budget.n % look:
        raise SmoothcertError(
            f"budget {budget.slug}: n = {budget.n} must be a multiple of look = {look};"
            " choose another n or look"
        )


def as_images(images: Any) -> torch.Tensor | LazyImages:
    """[N, *shape] float32 from a tensor, a NumPy array or a list of either."""
    try:
        if isinstance(images, list | tuple):
            images = torch.stack([torch.as_tensor(image) for image in images])
        elif isinstance(images, np.ndarray):
            images = torch.from_numpy(np.ascontiguousarray(images))
    except (TypeError, ValueError, RuntimeError) as error:
        raise SmoothcertError(f"images: expected numbers [N, *shape]: {error}") from None
    if not isinstance(images, torch.Tensor | LazyImages):
        raise SmoothcertError(
            f"images: expected a tensor or an array [N, *shape], found {type(images).__name__}"
        )
    if len(images.shape) < 2 or 0 in images.shape:
        raise SmoothcertError(
            f"images: expected at least one, [N, *shape]; found shape {tuple(images.shape)}"
        )
    if isinstance(images, LazyImages):
        return images
    if not images.is_floating_point():
        raise SmoothcertError(
            f"images: expected floating-point numbers in [0, 1], found {name_of(images.dtype)}"
        )
    return images.detach().float()


def _as_numbers(name: str, values: ArrayLike, n: int, one_for_all: bool = False) -> NDArray:
    """``values`` [n] as numbers; SmoothcertError for another shape or anything else."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    try:
        array = np.asarray(list(values) if isinstance(values, range) else values)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        shown = " ".join(repr(values).split())
        raise SmoothcertError(f"{name}: expected {n} numbers, found {shown:.60}")
    if array.shape != (n,) and not (one_for_all and array.shape == ()):
        raise SmoothcertError(
            f"{name}: expected one for each of {n} images, found shape {array.shape}"
        )
    return array


def _whole(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    array = _as_numbers(name, values, n)
    wrong = ~np.isfinite(array) | (array != np.floor(array)) if array.dtype.kind == "f" else None
    if wrong is not None and wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(f"{name}: expected whole numbers, found {array[i]:g} at {i}")
    return array.astype(np.int64)


def as_labels(labels: ArrayLike, n: int, n_classes: int) -> NDArray[np.int64]:
    array = _whole("labels", labels, n)
    wrong = (array < -1) | (array >= n_classes)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(
            f"labels: expected classes 0 to {n_classes - 1}, or -1 where unknown; found {array[i]}"
            f" at {i}"
        )
    return array


def as_idx(idx: ArrayLike, n: int) -> NDArray[np.int64]:
    array = _whole("idx", idx, n)
    if (array < 0).any() or len(np.unique(array)) < n:
        raise SmoothcertError("idx: expected distinct numbers >= 0: they determine the noise")
    return array


def as_scales(scales: ArrayLike, n: int) -> NDArray[np.float64]:
    array = _as_numbers("scales", scales, n, one_for_all=True)
    return np.array(np.broadcast_to(array, (n,)), np.float64)
