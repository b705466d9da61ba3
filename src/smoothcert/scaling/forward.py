"""What computes a search: the engine of the votes, and with it the derivative of the network.

A search takes as many derivatives as K steps have samples, a derivative costs some passes, and an
engine is two to five times as fast as torch: so the derivative is carried forward by the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.graph import NotExported, exported, session
from smoothcert.models.mode import wide
from smoothcert.models.own import arithmetic, probes
from smoothcert.sampling.engines.base import Engine, NotHere
from smoothcert.sampling.engines.onnx_runtime import OnnxRuntimeEngine
from smoothcert.scaling.dual import Dual

_PASS = 32  # samples of one pass of the graph: with more, what it holds leaves the cache

# (noisy images [M, *shape], the noise in them [M, *shape]) -> (softmax outputs [M, C], their
# derivatives along the noise [M, C])
Carried = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Softmax(nn.Module):
    """The softmax outputs of a network with their derivatives, by the rules of :class:`Dual`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, noisy: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(Dual(noisy, eps))
        p, slope = wide(logits.value).softmax(1), wide(logits.tangent)
        return p, p * (slope - (p * slope).sum(1, keepdim=True))


class SearchEngine:
    """An engine for a search: its logits, and the derivative along the noise.

    ``softmax`` carries the derivative forward: by ONNX Runtime where that is the engine and the
    network exports with its derivative, else by torch; it is None where forward mode has no rule
    for what the network does, and torch takes reverse mode. ``note`` says in a line why something
    slower is used, if so. Without ``derivative`` none is prepared. Raises SmoothcertError for a
    network without derivatives.
    """

    def __init__(self, engine: Engine, derivative: bool = True) -> None:
        self.engine = engine
        self.note = engine.note
        self.softmax: Carried | None = None
        self._by = ""
        if derivative:
            self._open()

    @property
    def model(self) -> nn.Module:
        return self.engine.model

    @property
    def identity(self) -> str:
        """What computes, with versions: the engine, and torch where it takes the derivatives."""
        return self.engine.identity + self._by

    def logits(self, images: Tensor) -> Tensor:
        """As :meth:`Engine.logits`."""
        return self.engine.logits(images)

    def _open(self) -> None:
        x = probes(self.engine.shape).to(self.engine.device, arithmetic(self.model))
        eps = torch.randn(x.shape, generator=generator(0, "probe-noise")).to(x)
        softmax = Softmax(self.model).eval()
        try:
            with torch.inference_mode():
                expected = softmax(x, eps)
        except Exception:  # whatever the rules, or somebody's forward, may raise
            _check_reverse(self.model, x)
            self._by = ", derivatives in reverse mode"
            if self.engine.name != "torch":
                self._by = f", derivatives by torch {torch.__version__} in reverse mode"
            return
        self.softmax = softmax
        if self.engine.name == "torch":
            return
        self._by = f", derivatives by torch {torch.__version__}"
        if not isinstance(self.engine, OnnxRuntimeEngine):
            return
        try:
            graph = _Graph(softmax, x, eps)
            _check_equal(graph(x, eps), expected)
        except (NotExported, NotHere, SmoothcertError) as why:
            self.note = f"derivatives by torch: onnxruntime does not compute them: {why}"
            return
        self.softmax, self._by = graph, ""


class _Graph:
    """The exported :class:`Softmax`, run by ONNX Runtime on the calling thread."""

    def __init__(self, softmax: Softmax, x: Tensor, eps: Tensor) -> None:
        graph = exported(softmax, {"noisy": x[:2], "noise": eps[:2]}, ["softmax", "slope"])
        self._session = session(graph, "engine onnxruntime")

    def __call__(self, noisy: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        a, b = noisy.numpy(), eps.numpy()
        parts = [
            self._session.run(None, {"noisy": a[k : k + _PASS], "noise": b[k : k + _PASS]})
            for k in range(0, len(a), _PASS)
        ]
        p, slope = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        return torch.from_numpy(p), torch.from_numpy(slope)


def _check_equal(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    """Raise NotHere unless the softmax outputs are torch's to 1e-4, and their derivatives to 1%
    of their norm: rounding moves a unit at its kink to the other side."""
    (p, slope), (p_torch, slope_torch) = found, expected
    off = float((p - p_torch).abs().max())
    part = float((slope - slope_torch).norm() / slope_torch.norm().clamp(min=1e-12))
    if not off <= 1e-4 or not part <= 0.01:
        raise NotHere(
            f"on fixed inputs softmax outputs are off by {off:.2g}, derivatives by {part:.1%}"
        )


def _check_reverse(model: nn.Module, x: Tensor) -> None:
    """Raise SmoothcertError unless the logits are a function of the images to autograd."""
    with torch.enable_grad():
        if not model(x.clone().requires_grad_()).requires_grad:
            raise SmoothcertError(
                "model: it is not differentiable in its images; use a search without derivatives,"
                " such as grid-hard-n200"
            )


def _gate(g: Any, tangent: Any, value: Any, threshold: Any) -> Any:
    """The derivative of a ReLU: HardSigmoid is 0 up to 0, and 1 from 3e-39 on."""
    return g.op("Mul", tangent, g.op("HardSigmoid", value, alpha_f=3e38, beta_f=0.0))


def _softplus(g: Any, tangent: Any, value: Any, beta: Any, threshold: Any) -> Any:
    """That of softplus, a sigmoid; torch's threshold changes it by less than 1e-8."""
    return g.op("Mul", tangent, g.op("Sigmoid", g.op("Mul", value, beta)))


# What the exporter does not know: the rules of Dual that are derivatives of torch's own.
for _name, _rule in (("threshold_backward", _gate), ("softplus_backward", _softplus)):
    torch.onnx.register_custom_op_symbolic(f"aten::{_name}", _rule, 17)
