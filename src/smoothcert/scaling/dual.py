"""Forward-mode derivatives of a network: a batch with its derivative along one direction.

A search needs one number an input, the derivative by the noise scale, which is the derivative
along the noise. Carried forward it costs a second pass of the linear layers and stores no
activations; reverse mode also computes what each pixel would do. (torch's own forward mode runs
every convolution three times, the third with a zero weight.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class Dual:
    """A tensor with its derivative along one direction, of the same shape.

    Networks call torch functions on it as on a tensor. Raises NotImplementedError, or
    AttributeError, for an operation without a rule below; then take reverse mode.
    """

    def __init__(self, value: Tensor, tangent: Tensor) -> None:
        self.value, self.tangent = value, tangent

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Dual:
        if function not in _RULES:
            raise NotImplementedError(f"no forward derivative of {function}")
        return _RULES[function](*args, **(kwargs or {}))

    def __add__(self, other: Dual | Tensor | float) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.tangent + other.tangent)
        return Dual(self.value + other, self.tangent)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.tangent)

    def __sub__(self, other: Dual | Tensor | float) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value - other.value, self.tangent - other.tangent)
        return Dual(self.value - other, self.tangent)

    def __mul__(self, other: Tensor | float) -> Dual:
        return Dual(self.value * other, self.tangent * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Tensor | float) -> Dual:
        return Dual(self.value / other, self.tangent / other)

    def flatten(self, start: int = 0, end: int = -1) -> Dual:
        """As of a tensor."""
        return Dual(self.value.flatten(start, end), self.tangent.flatten(start, end))

    def mean(self, dim: tuple[int, ...] | int) -> Dual:
        """As of a tensor."""
        return Dual(self.value.mean(dim), self.tangent.mean(dim))

    def dim(self) -> int:
        """As of a tensor."""
        return self.value.dim()


_RULES: dict[Any, Callable[..., Dual]] = {}


def _rule(*functions: Any) -> Callable[[Callable[..., Dual]], Callable[..., Dual]]:
    def register(rule: Callable[..., Dual]) -> Callable[..., Dual]:
        _RULES.update(dict.fromkeys(functions, rule))
        return rule

    return register


@_rule(torch.conv2d)
def _conv2d(x: Dual, weight: Tensor, bias: Tensor | None = None, *args: Any) -> Dual:
    return Dual(
        torch.conv2d(x.value, weight, bias, *args), torch.conv2d(x.tangent, weight, None, *args)
    )


@_rule(F.linear)
def _linear(x: Dual, weight: Tensor, bias: Tensor | None = None) -> Dual:
    return Dual(F.linear(x.value, weight, bias), F.linear(x.tangent, weight))


@_rule(F.batch_norm)
def _batch_norm(
    x: Dual,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Dual:
    if training:
        raise NotImplementedError("batch normalization in train mode couples the inputs")
    value = F.batch_norm(x.value, mean, var, weight, bias, False, momentum, eps)
    zero = torch.zeros_like(mean)
    return Dual(value, F.batch_norm(x.tangent, zero, var, weight, None, False, momentum, eps))


@_rule(F.relu, torch.relu)
def _relu(x: Dual, inplace: bool = False) -> Dual:
    value = torch.relu(x.value)
    return Dual(value, torch.ops.aten.threshold_backward(x.tangent, value, 0))


@_rule(F.softplus)
def _softplus(x: Dual, beta: float = 1, threshold: float = 20) -> Dual:
    tangent = torch.ops.aten.softplus_backward(x.tangent, x.value, beta, threshold)
    return Dual(F.softplus(x.value, beta, threshold), tangent)


@_rule(torch.special.ndtri)
def _ndtri(x: Dual) -> Dual:
    value = torch.special.ndtri(x.value)
    return Dual(value, x.tangent * (value * value / 2).exp() * math.sqrt(2 * math.pi))


@_rule(torch.log1p)
def _log1p(x: Dual) -> Dual:
    return Dual(torch.log1p(x.value), x.tangent / (1 + x.value))


@_rule(F.max_pool2d, F.max_pool2d_with_indices, torch.max_pool2d)
def _max_pool2d(x: Dual, *args: Any, **kwargs: Any) -> Dual:
    value, at = F.max_pool2d_with_indices(x.value, *args, **{**kwargs, "return_indices": True})
    return Dual(value, x.tangent.flatten(2).gather(2, at.flatten(2)).view_as(value))


def _linear_map(function: Callable[..., Tensor]) -> Callable[..., Dual]:
    """A rule for a function that is linear in its first argument."""

    def rule(x: Dual, *args: Any, **kwargs: Any) -> Dual:
        return Dual(function(x.value, *args, **kwargs), function(x.tangent, *args, **kwargs))

    return rule


for _function in (torch.flatten, F.adaptive_avg_pool2d, F.avg_pool2d):
    _RULES[_function] = _linear_map(_function)
