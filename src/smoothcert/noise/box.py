"""Larger l1 radii of uniform noise where inputs stay in [0, 1] (Voracek and Hein, ICML 2023).

The cubes of half-width lam about x and x + delta overlap in the part prod (1 - |delta_i| / 2 lam)
of their volume, so a class probability moves by at most ``move`` = 1 - that. Without further
knowledge the least l1 length for a given move is that of one coordinate alone, 2 lam move: the
plain radius lam (p_A - p_B), with move = (p_A - p_B) / 2. But a pixel of [0, 1] cannot move by more
than max(x_i, 1 - x_i), and -log(1 - u) is convex: the longest reach for its length goes to as few
coordinates as possible, those of most room first. (Any allowed delta is majorized by that filling,
and a sum of increasing convex functions is at most what it is at what majorizes.) So the radius is
the length of the filling at which the move is reached. It exceeds the plain one where that exceeds
the largest room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def box_radius(move: ArrayLike, lam: ArrayLike, room: ArrayLike) -> Floats:
    """The l1 radius [...] for class probabilities that may each move by ``move`` [...].

    ``lam`` [...]: half-width of the noise; ``room`` [d] or [..., d]: how far each coordinate can
    move (1: any pixel). Where the whole box moves a probability by less, the radius is the sum of
    the rooms, which no input of the box exceeds.
    """
    move, lam = np.broadcast_arrays(np.asarray(move, float), np.asarray(lam, float))
    room = -np.sort(-np.broadcast_to(np.asarray(room, float), (*move.shape, np.shape(room)[-1])))
    width = 2 * lam[..., None]
    # The overlap left, and the length used, after each whole coordinate.
    left = np.cumprod(np.maximum(1 - room / width, 0.0), -1)
    used = np.cumsum(room, -1)
    left = np.concatenate([np.ones_like(width), left], -1)
    used = np.concatenate([np.zeros_like(width), used], -1)
    wanted = 1 - np.maximum(move, 0.0)[..., None]
    whole = (left[..., 1:] > wanted).sum(-1)[..., None]  # coordinates used up
    before = np.take_along_axis(left, whole, -1)
    rest = width * (1 - wanted / before)
    rest = np.where(whole == room.shape[-1], 0.0, rest)
    return np.asarray((np.take_along_axis(used, whole, -1) + rest)[..., 0])
