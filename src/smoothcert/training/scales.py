"""The noise scale of every training input: fixed, or its own (DDRS Algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothcert.noise.soft_radius import soft_radius_ascent_step
from smoothcert.training.method import Batch
from smoothcert.training.recipe import DataDependent
from smoothcert.training.team import Team


class FixedScale:
    """The same scale for every input, always."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def visit(self, model: nn.Module, batch: Batch) -> Tensor:
        """The scales [B] to train ``batch`` with."""
        return torch.full((len(batch.x),), self.scale, device=batch.x.device)

    def agree(self, idx: Tensor, ours: list[Tensor], team: Team) -> None:
        """All processes of ``team`` know the scales after a batch."""

    def statistics(self) -> dict[str, float]:
        """Numbers for the log of an epoch."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold to go on from here."""
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of ``tensors``."""


class DataDependentScale:
    """One scale a training input, improved at every visit and carried from epoch to epoch.

    DDRS, Algorithm 2: the scale of an input starts at the nominal one, is moved by ascent on
    the (augmented) input of the visit, written back, and then used for the noise of the step.
    The ascent runs in eval mode: in the released code batch normalization is in train mode
    there, so that the scale of an input depends on its batch and the ascent's noisy inputs
    enter the running statistics.

    Neither the paper nor its code bounds a scale. Where the network answers one class whatever
    the noise, the soft radius grows with the scale for ever; where the estimate is noisy, a
    scale can fall through zero, and noise of a negative scale is noise of the positive one
    whose ascent then runs the wrong way. Hence ``low`` and ``high``; a scale at a bound stays
    there until its gradient points inward. A gradient that is not finite moves nothing.
    """

    def __init__(
        self, options: DataDependent, nominal: float, n_inputs: int, device: torch.device
    ) -> None:
        self.options = options
        self.nominal = nominal
        self.scale = torch.full((n_inputs,), nominal, device=device)

    def visit(self, model: nn.Module, batch: Batch) -> Tensor:
        """Improve the scales of the inputs of ``batch`` and return them, [B]."""
        o = self.options
        scale = self.scale[batch.idx]
        stream = batch.stream("ascent")
        for _ in range(o.steps):
            scale = soft_radius_ascent_step(
                model,
                batch.x,
                scale,
                batch.noise,
                stream,
                n=o.n,
                step_size=o.step_size,
                clamp=o.clamp,
                bounds=(o.low * self.nominal, o.high * self.nominal),
            )
        self.scale[batch.idx] = scale
        return scale

    def agree(self, idx: Tensor, ours: list[Tensor], team: Team) -> None:
        """Tell the processes of ``team`` the scales of the batch ``idx``, visited by pieces."""
        if team.size == 1:
            return
        rows = idx.to(self.scale.device)
        moved = torch.zeros_like(self.scale)
        for piece in ours:
            mine = piece.to(self.scale.device)
            moved[mine] = self.scale[mine]
        values = moved[rows]
        team.sum([values])
        self.scale[rows] = values

    def statistics(self) -> dict[str, float]:
        """The distribution of the scales over the training inputs."""
        points = torch.tensor([0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
        names = ("min", "q05", "q25", "q50", "q75", "q95", "max")
        # torch.quantile takes at most 2^24 values: sort, and take the nearest ranks.
        ordered = self.scale.sort().values.cpu()
        ranks = (points * (len(ordered) - 1)).round().long()
        numbers = dict(zip(names, ordered[ranks].tolist(), strict=True))
        return {f"scale_{k}": v for k, v in numbers.items()} | {
            "scale_mean": ordered.double().mean().item()
        }

    def tensors(self) -> dict[str, Tensor]:
        """The scales [N], by position in the training set."""
        return {"scale": self.scale}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from the scales that a checkpoint holds; a parent of a fixed scale has none."""
        if tensors:
            self.scale.copy_(tensors["scale"])
