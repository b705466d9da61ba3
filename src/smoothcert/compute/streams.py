"""Named random streams: a draw is named, never taken from a global state."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch


def _stream_name(seed: int, purpose: str, *ids: int) -> bytes:
    return "/".join((str(int(seed)), purpose, *(str(int(i)) for i in ids))).encode()


def stream_seed(seed: int, purpose: str, *ids: int) -> int:
    """64 bits that depend on every part of the name and on nothing else."""
    name = _stream_name(seed, purpose, *ids)
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def generator(
    seed: int, purpose: str, *ids: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The torch generator of the stream (seed, purpose, ids), on ``device``.

    ``purpose`` names what the draw is for (``selection``, ``estimation``, ``ascent``, ...), so
    the noise that chose a class or a scale is never the noise that certifies. The draws are
    the same in any process, order, or cut into shards, on one kind of device.
    """
    stream = torch.Generator(device=device)
    if stream.device.type != "cpu":
        # manual_seed takes a signed 64-bit number; the device generators use all of it.
        return stream.manual_seed(stream_seed(seed, purpose, *ids) - (1 << 63))
    # The CPU generator would use 32 bits of a seed: among the 50,000 streams of one store two
    # would be equal in one of four runs. So the whole Mersenne Twister state is filled instead.
    state = _cpu_template().copy()
    words = state[_STATE].view(np.uint64)
    key = hashlib.shake_256(_stream_name(seed, purpose, *ids)).digest(4 * _WORDS)
    words[:] = np.frombuffer(key, np.dtype("<u4"))
    words[0] |= 1 << 31
    return stream.set_state(torch.from_numpy(state))


_WORDS = 624
_STATE = slice(24, 24 + 8 * _WORDS)  # after the initial seed, "left", "seeded" and "next"


@cache
def _cpu_template() -> NDArray[np.uint8]:
    """The state of a freshly seeded CPU generator, its layout verified."""
    state = torch.Generator().manual_seed(0x12345678).get_state().numpy()
    expected = 0x12345678
    for i, word in enumerate(state[_STATE].view(np.uint64)):
        # The reference initialization of the Mersenne Twister (Matsumoto and Nishimura 2002).
        if i:
            expected = (1812433253 * (expected ^ (expected >> 30)) + i) & 0xFFFFFFFF
        if word != expected:
            raise RuntimeError(
                f"torch {torch.__version__} has an unknown form of CPU generator state"
            )
    return state


def numpy_generator(seed: int, purpose: str, *ids: int) -> np.random.Generator:
    """The NumPy generator of the stream (seed, purpose, ids)."""
    return np.random.Generator(np.random.PCG64DXSM(stream_seed(seed, purpose, *ids)))
