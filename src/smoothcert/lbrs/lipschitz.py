"""The constant L of Theorem 8: how fast the gradient of a base classifier can change.

L must be an upper bound over the whole space for a certificate to hold. This module gives one
for linear classifiers (0), for Gaussian kernel machines, and for feed-forward networks of affine
layers and smooth activations. A ReLU network has none: its gradient jumps. ``sampled`` is an
estimate from below, for judging a bound; it is never a certificate's L.

For z(x) of a network with pre-activations z_i and beta_i = dz / dh_i, the gradient at unit h_i of
layer i, the Hessian is the sum over layers of J_i' diag(beta_i s''(z_i)) J_i with J_i = dz_i/dx.
Every factor is bounded: beta_i by interval arithmetic through the later layers, J_i by operator
norms of the earlier ones. Convolutions are bounded on a torus, by Fourier transform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.classifier import Kernel
from smoothcert.lbrs.settings import Head

if TYPE_CHECKING:
    import torch
    from torch import nn

# Singular values and sums are computed in float64: this covers their rounding many times over.
_ROUNDING = 1 + 1e-9
# sup |(tanh(z/2))'| and sup |(tanh(z/2))''|, the latter 1/2 * 2 / (3 sqrt 3)
_TANH_FIRST, _TANH_SECOND = 0.5, 1 / (3 * math.sqrt(3))


@dataclass(frozen=True)
class Bounds:
    """Bounds of a score over the whole input space, in (norm, dual norm).

    Attributes:
        score: Lipschitz constant of the score: sup ||grad||_*.
        gradient: Lipschitz constant of its gradient, the L of Theorem 8.
    """

    score: float
    gradient: float

    def through(self, head: Head) -> Bounds:
        """The bounds of g = tanh(z/2) from those of z; those of z itself for a logit head."""
        if head == "logit":
            return self
        return Bounds(
            _TANH_FIRST * self.score, _TANH_FIRST * self.gradient + _TANH_SECOND * self.score**2
        )


def kernel_bounds(kernel: Kernel, norm: str) -> Bounds:
    """For g = sum_i a_i exp(-gamma ||x - c_i||^2) + b, any norm.

    The Hessian of one term's kernel has eigenvalues in 2 gamma [-1, 2 exp(-3/2)]; with P and N
    the sums of positive and negative a_i, those of g lie within 2 gamma times
    max(P + 2 exp(-3/2) N, N + 2 exp(-3/2) P). The gradient is at most sqrt(2 gamma / e) (P + N).
    """
    positive = float(np.maximum(kernel.weights, 0).sum())
    negative = float(np.maximum(-kernel.weights, 0).sum())
    share = 2 * math.exp(-1.5)
    l2 = 2 * kernel.gamma * max(positive + share * negative, negative + share * positive)
    slope = math.sqrt(2 * kernel.gamma / math.e) * (positive + negative)
    widen = _l2_per_unit(norm, kernel.centers.shape[1])
    return Bounds(slope * widen * _ROUNDING, l2 * widen**2 * _ROUNDING)


def network_bounds(module: nn.Module, shape: tuple[int, ...], norm: str) -> Bounds:
    """For the binary logit (second output less first) of a feed-forward network.

    Args:
        module: Linear, Conv2d, Flatten and Softplus, Tanh or Sigmoid in ``Sequential`` order,
            one that is used twice counted twice, or a ``smoothcert.models`` classifier of them.
        shape: of one input, (C, H, W) or (d,).
        norm: the threat model; l1, l2 or linf.

    Returns:
        Bounds on the logit's gradient and its Lipschitz constant, valid everywhere.

    Raises:
        SmoothcertError: a layer whose gradient is not Lipschitz (ReLU) or is not known here, a
            module with a forward of its own or hooks, or more than two outputs.
    """
    layers, curves = _layers(module, shape)
    geometry.check(norm)
    spectral = [layer.norm() for layer in layers[:-1]]
    last = layers[-1].matrix()
    if len(last) > 2:
        raise SmoothcertError(f"network: expected one or two outputs, found {len(last)}")
    weight = last[1] - last[0] if len(last) == 2 else last[0]
    # beta_i in [low, high], from the last hidden layer down.
    low = high = weight
    length = float(np.linalg.norm(weight))
    intervals = [(low, high)]
    for layer, curve, size in zip(
        reversed(layers[1:-1]), reversed(curves[1:]), reversed(spectral[1:]), strict=True
    ):
        low, high = curve.first * np.minimum(low, 0), curve.first * np.maximum(high, 0)
        low, high = layer.transposed_interval(low, high)
        columns = layer.column_norms() * curve.first * length  # |beta_n| <= ||w_n|| ||s' beta||
        low, high = np.maximum(low, -columns), np.minimum(high, columns)
        length *= curve.first * size
        intervals.append((low, high))
    intervals.reverse()

    up = down = both = 0.0
    before = 1.0  # ||J|| of what feeds layer i, in (l2, l2) beyond the first layer
    widen = layers[0].from_norm(norm)
    for i, (layer, curve) in enumerate(zip(layers[:-1], curves, strict=True)):
        low, high = intervals[i]
        sides = []
        for side in (np.maximum(high, 0), np.maximum(-low, 0), np.maximum(high, -low)):
            scaled = layer.scaled(np.sqrt(curve.second * side))
            size = scaled.from_norm(norm) if i == 0 else scaled.norm() * before
            sides.append(size**2)
        # beta s'' has the sign of beta only where s'' >= 0.
        up += sides[0] if curve.convex else sides[2]
        down += sides[1] if curve.convex else sides[2]
        both += sides[2]
        before = curve.first * (widen if i == 0 else before * spectral[i])
    # A symmetric matrix between -down and up has l2 norm at most the larger of the two; in the
    # other norms the form is not bounded by its diagonal, so the absolute weights count.
    gradient = max(up, down) if norm == "l2" else both
    score = _score_bound(layers, curves, spectral, intervals[0], norm, weight)
    return Bounds(score * _ROUNDING, gradient * _ROUNDING**2)


def _score_bound(
    layers: list[_Affine],
    curves: list[_Curve],
    spectral: list[float],
    first: tuple[np.ndarray, np.ndarray],
    norm: str,
    weight: np.ndarray,
) -> float:
    """sup ||grad z||_*: the smaller of the product of norms and the interval bound."""
    product = layers[0].from_norm(norm) * float(np.linalg.norm(weight))
    product *= math.prod(spectral[1:]) * math.prod(c.first for c in curves)
    low, high = (curves[0].first * v for v in (np.minimum(first[0], 0), np.maximum(first[1], 0)))
    low, high = layers[0].transposed_interval(low, high)
    return min(product, float(geometry.dual_length(np.maximum(high, -low), norm)))


def sampled(module: nn.Module, inputs: torch.Tensor, norm: str = "l2", steps: int = 20) -> float:
    """A LOWER estimate of L: the largest Hessian norm seen at ``inputs`` [N, ...], l2 only.

    Power iteration on Hessian-vector products of the binary logit. It shows how loose a bound
    is; no certificate may use it.
    """
    import torch

    from smoothcert.lbrs.classifier import binary_logit

    if norm != "l2":
        raise SmoothcertError(f"norm {norm!r}: the estimate is for l2 only")
    weight = next(module.parameters())
    x = inputs.to(weight).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(binary_logit(module(x)).sum(), x, create_graph=True)
    vector = torch.ones_like(x)
    size = torch.zeros(len(x))
    for _ in range(steps):
        vector = vector / vector.flatten(1).norm(dim=1).clamp_min(1e-30).view(
            -1, *[1] * (x.ndim - 1)
        )
        (vector,) = torch.autograd.grad(gradient, x, vector, retain_graph=True)
        size = vector.flatten(1).norm(dim=1)
    return float(size.max())


@dataclass(frozen=True)
class _Curve:
    """Bounds of an activation's first (in [0, first]) and second derivative.

    The latter is in [0, second] for a convex one, else in [-second, second].
    """

    first: float
    second: float
    convex: bool


def _curve(module: nn.Module) -> _Curve | None:
    from torch import nn

    if isinstance(module, nn.Softplus):
        # torch's softplus is linear above its threshold, where its slope jumps by
        # exp(-threshold), 2e-9 at the default: below float32 rounding. The bound is that of the
        # softplus itself.
        if module.beta <= 0 or module.threshold < 20:
            raise SmoothcertError(
                f"Softplus(beta={module.beta:g}, threshold={module.threshold:g}): expected a "
                "positive beta and a threshold of at least 20"
            )
        return _Curve(1.0, module.beta / 4, convex=True)
    if isinstance(module, nn.Tanh):
        return _Curve(1.0, 4 / (3 * math.sqrt(3)), convex=False)
    if isinstance(module, nn.Sigmoid):
        return _Curve(0.25, 1 / (6 * math.sqrt(3)), convex=False)
    return None


def _layers(module: nn.Module, shape: tuple[int, ...]) -> tuple[list[_Affine], list[_Curve]]:
    """Affine layers (one more than activations) of a sequential network."""
    from torch import nn

    from smoothcert.models.classifier import Classifier

    factor = np.ones(1)
    if type(module) is Classifier and not (module._forward_hooks or module._forward_pre_hooks):
        factor, module = 1 / _double(module.std).ravel(), module.network
    layers: list[_Affine] = []
    curves: list[_Curve] = []
    for part in _in_order(module):
        if isinstance(part, nn.Flatten):
            if (part.start_dim, part.end_dim) != (1, -1):
                raise SmoothcertError(f"layer {part}: expected a Flatten of all but the batch")
            shape = (math.prod(shape),)
            continue
        curve = _curve(part)
        if curve is not None:
            curves.append(curve)
        elif isinstance(part, nn.Linear):
            if shape != (part.in_features,):
                raise SmoothcertError(
                    f"layer {part}: expected an input of shape {(part.in_features,)}, found"
                    f" {shape} (a Flatten before it?)"
                )
            layers.append(_Dense(_double(part.weight)))
            shape = (part.out_features,)
        elif isinstance(part, nn.Conv2d):
            if len(shape) != 3 or shape[0] != part.in_channels:
                raise SmoothcertError(
                    f"layer {part}: expected an input of {part.in_channels} channels, found"
                    f" shape {shape}"
                )
            layers.append(_Convolution.of(part, shape))
            shape = layers[-1].out_shape
        else:
            reason = "its gradient is not Lipschitz" if _kinked(part) else "not known here"
            raise SmoothcertError(
                f"layer {type(part).__name__}: {reason}; expected Linear, Conv2d, Flatten and "
                "Softplus, Tanh or Sigmoid"
            )
        if len(layers) - len(curves) not in (0, 1):
            raise SmoothcertError("network: expected affine layers and activations to alternate")
    if len(layers) != len(curves) + 1 or len(layers) < 2:
        raise SmoothcertError("network: expected activations between affine layers")
    if np.any(factor != 1):
        layers[0] = layers[0].after_scaling(factor)
    return layers, curves


def _in_order(module: nn.Module) -> Iterator[nn.Module]:
    """The layers in the order in which they are called, one that is used twice twice.

    That order is known of ``Sequential`` alone. Raises SmoothcertError for anything that computes
    something else than its class does: a forward of its own, or a hook.
    """
    from torch import nn

    kinds: tuple[type[nn.Module], ...] = (
        nn.Sequential, nn.Flatten, nn.Linear, nn.Conv2d, nn.Softplus, nn.Tanh, nn.Sigmoid
    )  # fmt: skip
    kind = next((k for k in kinds if isinstance(module, k)), None)
    if kind is not None:
        plain = type(module).forward is kind.forward and "forward" not in vars(module)
        plain &= type(module).__call__ is nn.Module.__call__
        if not plain:
            raise SmoothcertError(
                f"layer {type(module).__name__}: overrides forward; expected that of"
                f" torch's {kind.__name__}"
            )
        if module._forward_hooks or module._forward_pre_hooks:
            raise SmoothcertError(f"layer {type(module).__name__}: has hooks; expected none")
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _in_order(part)
    else:
        yield module


def _kinked(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, nn.ReLU | nn.LeakyReLU | nn.MaxPool2d | nn.Hardtanh | nn.PReLU)


def _double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _l2_per_unit(norm: str, d: int) -> float:
    """sup ||u||_2 over ||u|| <= 1."""
    return math.sqrt(d) if geometry.check(norm) == "linf" else 1.0


class _Affine:
    """A linear map R^m -> R^n (flat vectors) as far as bounds need it."""

    out_shape: tuple[int, ...]
    inputs: int

    def norm(self) -> float:
        """An upper bound of the (l2, l2) operator norm."""
        raise NotImplementedError

    def matrix(self) -> np.ndarray:
        raise NotImplementedError

    def apply(self, transform: Any, v: np.ndarray) -> np.ndarray:
        """transform(W) v, with the entrywise ``transform`` (abs, square) applied to W."""
        raise NotImplementedError

    def transpose(self, transform: Any, v: np.ndarray) -> np.ndarray:
        """transform(W)' v."""
        raise NotImplementedError

    def scaled(self, factor: np.ndarray) -> _Affine:
        """A map that bounds diag(factor) W, factor >= 0."""
        raise NotImplementedError

    def after_scaling(self, factor: np.ndarray) -> _Affine:
        """W diag(factor) with one factor a channel (or one for all)."""
        raise NotImplementedError

    def transposed_interval(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The interval of W' v for v in [low, high]."""
        plus, minus = (lambda w: np.maximum(w, 0)), (lambda w: np.minimum(w, 0))
        return (
            self.transpose(plus, low) + self.transpose(minus, high),
            self.transpose(plus, high) + self.transpose(minus, low),
        )

    def column_norms(self) -> np.ndarray:
        """l2 norms of the columns, [m]."""
        return np.sqrt(self.transpose(np.square, np.ones(math.prod(self.out_shape))))

    def from_norm(self, norm: str) -> float:
        """An upper bound of the operator norm from ``norm`` to l2."""
        if norm == "l1":
            return float(self.column_norms().max())  # exact: the ball's corners
        if norm == "l2":
            return self.norm()
        rows = self.apply(np.abs, np.ones(self.inputs))
        return min(float(np.linalg.norm(rows)), math.sqrt(self.inputs) * self.norm())


class _Dense(_Affine):
    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight
        self.out_shape, self.inputs = (len(weight),), weight.shape[1]

    def norm(self) -> float:
        return float(np.linalg.norm(self.weight, 2))

    def matrix(self) -> np.ndarray:
        return self.weight

    def apply(self, transform: Any, v: np.ndarray) -> np.ndarray:
        return transform(self.weight) @ v

    def transpose(self, transform: Any, v: np.ndarray) -> np.ndarray:
        return transform(self.weight).T @ v

    def scaled(self, factor: np.ndarray) -> _Dense:
        return _Dense(factor[:, None] * self.weight)

    def after_scaling(self, factor: np.ndarray) -> _Dense:
        return _Dense(self.weight * np.repeat(factor, self.inputs // len(factor)))


class _Convolution(_Affine):
    """A zero-padded strided 2-D convolution: kernel [out, in, h, w], input (C, H, W)."""

    def __init__(
        self, kernel: np.ndarray, stride: int, padding: int, shape: tuple[int, ...]
    ) -> None:
        self.kernel, self.stride, self.padding, self.shape = kernel, stride, padding, shape
        side = [
            (s + 2 * padding - k) // stride + 1
            for s, k in zip(shape[1:], kernel.shape[2:], strict=True)
        ]
        self.out_shape, self.inputs = (len(kernel), *side), math.prod(shape)

    @classmethod
    def of(cls, module: nn.Conv2d, shape: tuple[int, ...]) -> _Convolution:
        padding = module.padding
        plain = (
            module.groups == 1
            and set(module.dilation) == {1}
            and module.padding_mode == "zeros"
            and len(set(module.stride)) == 1
            and not isinstance(padding, str)
            and len(set(padding)) == 1
            and len(shape) == 3
        )
        if not plain:
            raise SmoothcertError(
                f"layer {module}: expected a plain zero-padded convolution, equal in both "
                "directions"
            )
        return cls(_double(module.weight), module.stride[0], int(padding[0]), shape)

    def norm(self) -> float:
        return convolution_norm(self.kernel, self.stride, self.shape[1:])

    def matrix(self) -> np.ndarray:
        raise SmoothcertError("network: expected a Linear layer at the end")

    def apply(self, transform: Any, v: np.ndarray) -> np.ndarray:
        import torch
        from torch.nn import functional

        kernel = torch.from_numpy(np.ascontiguousarray(transform(self.kernel)))
        x = torch.from_numpy(np.ascontiguousarray(v)).reshape(1, *self.shape)
        out = functional.conv2d(x, kernel, None, self.stride, self.padding)
        return out.numpy().ravel()

    def transpose(self, transform: Any, v: np.ndarray) -> np.ndarray:
        import torch
        from torch.nn.grad import conv2d_input

        kernel = torch.from_numpy(np.ascontiguousarray(transform(self.kernel)))
        upstream = torch.from_numpy(np.ascontiguousarray(v)).reshape(1, *self.out_shape)
        back = conv2d_input((1, *self.shape), kernel, upstream, self.stride, self.padding)
        return back.numpy().ravel()

    def scaled(self, factor: np.ndarray) -> _Convolution:
        # One factor a channel keeps it a convolution; its largest bounds the true map.
        channel = factor.reshape(len(self.kernel), -1).max(axis=1)
        kernel = self.kernel * channel[:, None, None, None]
        return _Convolution(kernel, self.stride, self.padding, self.shape)

    def after_scaling(self, factor: np.ndarray) -> _Convolution:
        kernel = self.kernel * factor.reshape(1, -1, 1, 1)
        return _Convolution(kernel, self.stride, self.padding, self.shape)


def convolution_norm(kernel: np.ndarray, stride: int, size: tuple[int, ...]) -> float:
    """An upper bound of the l2 norm of a zero-padded convolution, any padding.

    Args:
        kernel: [out, in, h, w].
        stride: in both directions.
        size: height and width of the input.

    A stride s is a convolution of stride 1 over the s^2 phases of the input as channels; zero
    padding is a circular convolution on a torus large enough not to wrap around, cut down to a
    part of its inputs and outputs. The latter's singular values are those of the kernel's
    Fourier transform at each frequency.
    """
    out, channels, height, width = kernel.shape
    taps = [-(-height // stride), -(-width // stride)]
    whole = np.zeros((out, channels, taps[0] * stride, taps[1] * stride))
    whole[:, :, :height, :width] = kernel
    phases = whole.reshape(out, channels, taps[0], stride, taps[1], stride)
    phases = phases.transpose(0, 1, 3, 5, 2, 4).reshape(out, -1, *taps)
    torus = [-(-n // stride) + k + 1 for n, k in zip(size, taps, strict=True)]
    spectrum = np.fft.fft2(phases, torus).transpose(2, 3, 0, 1)
    return float(np.linalg.norm(spectrum, 2, axis=(2, 3)).max())
