"""Named random streams: a draw is named, never taken from a global state."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def stream_seed(seed: int, purpose: str, *ids: int) -> int:
    """64 bits that depend on every part of the name and on nothing else."""
    name = "/".join((str(int(seed)), purpose, *(str(int(i)) for i in ids)))
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def generator(
    seed: int, purpose: str, *ids: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The torch generator of the stream (seed, purpose, ids), on ``device``.

    ``purpose`` names what the draw is for (``selection``, ``estimation``, ``ascent``, ...), so
    the noise that chose a class or a scale is never the noise that certifies. The draws are
    the same in any process, order, or cut into shards, on one kind of device.
    """
    import torch

    # manual_seed takes a signed 64-bit number.
    value = stream_seed(seed, purpose, *ids) - (1 << 63)
    return torch.Generator(device=device).manual_seed(value)


def numpy_generator(seed: int, purpose: str, *ids: int) -> np.random.Generator:
    """The NumPy generator of the stream (seed, purpose, ids)."""
    import numpy as np

    return np.random.Generator(np.random.PCG64DXSM(stream_seed(seed, purpose, *ids)))
