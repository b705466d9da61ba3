"""OpenVINO: float32 and, where the processor has it, bfloat16."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import torch
from torch import Tensor

from smoothcert.core.errors import SmoothcertError
from smoothcert.models.graph import graph_of
from smoothcert.sampling.engines.base import Engine, NotHere

HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine(Engine):
    """The exported graph, compiled once for each thread and each number of images.

    In bfloat16 its matrix products are of bfloat16 numbers summed in float32; what is between
    them may be either. Raises NotHere for another device or precision, and for a processor
    without bfloat16; NotExported as :func:`graph_of`; SmoothcertError without the package.
    """

    name: ClassVar[str] = "openvino"

    def _open(self) -> None:
        if self.device.type != "cpu":
            raise NotHere(f"it runs on CPUs here, not on {self.device}")
        if self.precision not in HINTS:
            raise NotHere(f"it computes in {' or '.join(HINTS)}, not in {self.precision}")
        try:
            import openvino
        except ImportError:
            raise SmoothcertError(
                "engine openvino: needs the package openvino (pip install 'smoothcert[openvino]')"
            ) from None
        self._core = openvino.Core()
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision == "bfloat16" and "BF16" not in able:
            raise NotHere("this processor has no bfloat16")
        self._graph = graph_of(self.model.eval(), self.shape)
        self._version = openvino.get_version().partition("-")[0]
        self._local = threading.local()

    @property
    def version(self) -> str:
        return self._version

    def logits(self, images: Tensor) -> Tensor:
        (out,) = self._request(len(images)).infer({0: images.numpy()}, share_inputs=True).values()
        return torch.from_numpy(out)

    def _request(self, n: int) -> Any:
        """Compiled for ``n`` images: fixed sizes are faster, and the sampler's passes have one."""
        requests = self._local.__dict__.setdefault("requests", {})
        if n not in requests:
            network = self._core.read_model(self._graph)
            network.reshape({0: [n, *self.shape]})
            options = {
                "INFERENCE_PRECISION_HINT": HINTS[self.precision],
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
            }
            compiled = self._core.compile_model(network, "CPU", options)
            requests[n] = compiled.create_infer_request()
        return requests[n]
