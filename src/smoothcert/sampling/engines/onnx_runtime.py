"""ONNX Runtime: the fastest float32 on CPUs for the networks that export."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from smoothcert.models.graph import graph_of, session
from smoothcert.sampling.engines.base import Engine, NotHere


class OnnxRuntimeEngine(Engine):
    """The exported graph, float32, on the calling thread of a CPU.

    Raises NotHere for another device or precision, NotExported as :func:`graph_of`.
    """

    name: ClassVar[str] = "onnxruntime"

    def _open(self) -> None:
        if self.device.type != "cpu":
            raise NotHere(f"it runs on CPUs, not on {self.device}")
        if self.precision != "float32":
            raise NotHere(f"it computes in float32, not in {self.precision}")
        self._session = session(graph_of(self.model.eval(), self.shape), "engine onnxruntime")
        self._name = self._session.get_inputs()[0].name

    @property
    def version(self) -> str:
        import onnxruntime

        return str(onnxruntime.__version__)

    def logits(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(None, {self._name: images.numpy()})[0])
