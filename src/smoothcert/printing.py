"""Numbers as they are printed, the same way everywhere.

A radius (and an ACR) is printed rounded down, never up; the ends of an interval are rounded
outwards; percentages are rounded to nearest. Rounding works on the shortest decimal that reads
back as the number, so that a radius of 0.953 prints as 0.953 and not as 0.952.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from smoothcert.metrics import Estimate


def fixed(value: float, decimals: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """``value`` with ``decimals`` digits after the point; ``inf`` and ``nan`` by name."""
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    shown = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), rounding)
    return f"{abs(shown) if shown == 0 else shown:f}"


def radius(value: SupportsFloat, decimals: int = 3) -> str:
    """A certified radius or an ACR, rounded down."""
    return fixed(float(value), decimals, ROUND_FLOOR)


def percent(share: SupportsFloat, decimals: int = 1) -> str:
    """A share of 1 as a percentage without its sign, rounded to nearest."""
    return fixed(float(Decimal(repr(float(share))).scaleb(2)), decimals)


def radius_interval(estimate: Estimate, decimals: int = 3) -> str:
    """``[low, high]`` of an ACR, outwards."""
    low = fixed(float(estimate.low), decimals, ROUND_FLOOR)
    return f"[{low}, {fixed(float(estimate.high), decimals, ROUND_CEILING)}]"


def percent_interval(estimate: Estimate, decimals: int = 1) -> str:
    """``[low, high]`` of a share in percent, outwards."""
    low = fixed(100 * float(estimate.low), decimals, ROUND_FLOOR)
    return f"[{low}, {fixed(100 * float(estimate.high), decimals, ROUND_CEILING)}]"


def number(value: float) -> str:
    """A radius or scale that was chosen, at least two decimals: 0.25, 1.00, 0.125."""
    decimals = max(2, -int(Decimal(repr(float(value))).as_tuple().exponent))
    return fixed(value, decimals)


def norm(name: str) -> str:
    """``l2`` -> ``ℓ₂``."""
    return {"l1": "ℓ₁", "l2": "ℓ₂", "linf": "ℓ∞"}.get(name, name)
