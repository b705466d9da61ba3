"""The memory against an adversary: its inputs presented after those they attack, and before.

With memory the promise is that no two stored balls of different classes intersect, so a query
inside a stored ball gets its class. It is checked with overlaps.py, which shares nothing with
the memory. What the memory cannot promise is that a certificate does not depend on what was
asked before: an attacker who comes first plants a ball of his own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothcert.audits.overlap import overlaps
from smoothcert.audits.pair_bounds import Floats, Ints
from smoothcert.certificates import ABSTAIN, memory
from smoothcert.compute.geometry import ORDERS

# A trimmed ball touches the one it was trimmed for, up to the rounding of a difference.
_TOUCH = 1 - 1e-12


@dataclass(frozen=True)
class Answers:
    """What the memory made of N inputs and M attacking ones in one order of presentation."""

    clashes: int  # pairs of stored balls of different classes that intersect
    captured: int  # of the N, those that got another class than their own certificate's
    trimmed: int  # of the others, those whose radius was cut
    lost: float  # sum of the radii the N have lost, pixels
    inside: int  # of the M, those inside the stored ball that they attack
    obeyed: int  # of these, those that are answered as it promises


def either_order(
    points: np.ndarray,
    predict: Ints,
    radius: Floats,
    attacks: np.ndarray,
    attack_predict: Ints,
    attack_radius: Floats,
    target: Ints,
    norm: str,
) -> tuple[Answers, Answers]:
    """Inputs [N, ...] first, and attacks [M >= 1, ...] first.

    ``target`` [M] is the position of the input whose ball an attack lies in. All with the raw
    certificates that they get without memory.
    """
    n, m = len(predict), len(attack_predict)
    every = np.concatenate([points.reshape(n, -1), attacks.reshape(m, -1)])
    classes = np.concatenate([predict, attack_predict])
    radii = np.concatenate([radius, attack_radius])
    near = memory.neighbours(every, radii, norm)
    inputs, attackers = np.arange(n), np.arange(n, n + m)
    answers = []
    for order in (np.concatenate([inputs, attackers]), np.concatenate([attackers, inputs])):
        after = memory.remember(classes, radii, near, order)
        scan = overlaps(every, after.predict, after.radius * _TOUCH, norm)
        gap = np.linalg.norm(
            every[n:].astype(np.float64) - every[target].astype(np.float64),
            ord=ORDERS[norm],
            axis=1,
        )
        within = gap < after.radius[target]
        if order[0] == attackers[0]:  # an abstention before there was a ball promises nothing
            within &= after.predict[n:] != ABSTAIN
        own = predict != ABSTAIN
        captured = own & (after.predict[:n] != predict)
        lost = np.where(captured, radius, radius - after.radius[:n])[own]
        answers.append(
            Answers(
                clashes=scan.count,
                captured=int(captured.sum()),
                trimmed=int((own & ~captured & (after.radius[:n] < radius)).sum()),
                lost=float(lost.sum()),
                obeyed=int((within & (after.predict[n:] == after.predict[target])).sum()),
                inside=int(within.sum()),
            )
        )
    return answers[0], answers[1]
