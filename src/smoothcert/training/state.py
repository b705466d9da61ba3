"""The whole state of a training after some batch: to resume a killed run, or to branch.

One safetensors file, written atomically: tensors of the model, of the optimizer and of the
scales, and as JSON the epoch, the rows of the log and the record of the run; within an epoch also
the sums of its losses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.models.checkpoint import fill
from smoothcert.models.classifier import Classifier

FORMAT = "smoothcert-training-1"


@dataclass
class State:
    """``epoch`` epochs are done, ``rows`` are their lines of the log; ``within`` is of the next."""

    epoch: int
    record: dict[str, Any]
    rows: list[dict[str, float]] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    within: dict[str, float] | None = None

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of ``model``, ``optimizer``, ``scales`` or ``sums``."""
        return {
            k.removeprefix(f"{name}."): v
            for k, v in self.tensors.items()
            if k.startswith(f"{name}.")
        }


def gather(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scales: dict[str, Tensor],
    further: dict[str, Tensor],
) -> dict[str, Tensor]:
    """All tensors that the next batch depends on, on the CPU; ``further`` have their own names."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        found = {k: v for k, v in values.items() if isinstance(v, torch.Tensor)}
        tensors |= {f"optimizer.{index}.{k}": v for k, v in found.items()}
    tensors |= {f"scales.{k}": v for k, v in scales.items()} | further
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}


def restore(state: State, model: Classifier, optimizer: torch.optim.Optimizer, where: str) -> None:
    """Put ``state`` into the model and the optimizer (whose learning rate is kept)."""
    fill(model, state.part("model"), where)
    values: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.part("optimizer").items():
        index, _, key = name.partition(".")
        values.setdefault(int(index), {})[key] = tensor
    fresh = optimizer.state_dict()
    optimizer.load_state_dict({"state": values, "param_groups": fresh["param_groups"]})
    # In the file tensors are contiguous; in memory they lie as the weights that they belong to,
    # as in a run that was never killed.
    for parameter, kept in optimizer.state.items():
        for key, value in kept.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                kept[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def write(path: Path, state: State) -> None:
    """Write ``state`` to ``path``, atomically."""
    text = {
        "format": FORMAT,
        "epoch": state.epoch,
        "record": state.record,
        "rows": state.rows,
        "within": state.within,
    }
    with atomic(path) as temporary:
        temporary.write_bytes(to_bytes(state.tensors, {"smoothcert": json.dumps(text)}))


def read(path: Path) -> State | None:
    """The state in ``path``; None if the file is no training state but some other checkpoint.

    Raises SmoothcertError for a file that is damaged or no safetensors file at all.
    """
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise SmoothcertError(f"{path}: not a complete checkpoint: {error}") from None
    try:
        text = json.loads(metadata["smoothcert"])
    except (KeyError, ValueError):
        return None
    if text.get("format") != FORMAT:
        return None
    return State(text["epoch"], text["record"], text["rows"], tensors, text.get("within"))
