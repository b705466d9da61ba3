"""torch itself: any module, any device."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor

from smoothcert.compute.arithmetic import check_device, dtype_of
from smoothcert.models.fold import folded
from smoothcert.models.own import arithmetic, device_of
from smoothcert.sampling.engines.base import Engine

TENSOR_CORES = ("tf32", "float16", "bfloat16")  # whose kernels take images channels last


class TorchEngine(Engine):
    """The module moved to ``device`` and ``precision``, in eval mode.

    On a CPU as it is. On a GPU a network of this project computes with its batch normalizations
    folded, and where a GPU's matrix units do the products, images lie channels last; ``identity``
    says so. ``model`` stays as it was.
    """

    name: ClassVar[str] = "torch"

    def _open(self) -> None:
        check_device(self.precision, self.device)
        self._kind, gpu = dtype_of(self.precision), self.device.type == "cuda"
        # Before the weights are rounded to the precision: those that are folded round once.
        fast = folded(self.model) if gpu and self.precision != "float64" else None
        if arithmetic(self.model) != self._kind:
            self.model = copy.deepcopy(self.model).to(self._kind)
        if device_of(self.model) != self.device:
            self.model = self.model.to(self.device)
        self.model.eval()
        self._how = [] if fast is None else ["batch norm folded"]
        self._network = self.model if fast is None else fast.to(self.device, self._kind)
        self._layout = torch.preserve_format
        if gpu and self.precision in TENSOR_CORES and len(self.shape) == 3:
            self._how.append("channels last")
            self._layout = torch.channels_last
            own = copy.deepcopy(self.model) if fast is None else fast
            self._network = own.to(memory_format=self._layout)  # type: ignore[call-overload]

    @property
    def version(self) -> str:
        return str(torch.__version__)

    @property
    def identity(self) -> str:
        return " ".join([super().identity, *([f"({', '.join(self._how)})"] if self._how else [])])

    def logits(self, images: Tensor) -> Tensor:
        out: Tensor = self._network(images.to(self._kind, memory_format=self._layout))
        return out
