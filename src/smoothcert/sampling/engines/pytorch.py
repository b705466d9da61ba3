"""torch itself: any module, any device."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from smoothcert.compute.arithmetic import check_device, dtype_of
from smoothcert.models.own import arithmetic, device_of
from smoothcert.sampling.engines.base import Engine


class TorchEngine(Engine):
    """The module as it is, moved to ``device`` and ``precision``, in eval mode."""

    name: ClassVar[str] = "torch"

    def __init__(
        self, model: nn.Module, shape: Sequence[int], device: torch.device, precision: str
    ) -> None:
        check_device(precision, device)
        self._kind = dtype_of(precision)
        if arithmetic(model) != self._kind:
            model = copy.deepcopy(model).to(self._kind)
        if device_of(model) != device:
            model = model.to(device)
        super().__init__(model.eval(), shape, device, precision)

    @property
    def version(self) -> str:
        return str(torch.__version__)

    def logits(self, images: Tensor) -> Tensor:
        out: Tensor = self.model(images.to(self._kind))
        return out
