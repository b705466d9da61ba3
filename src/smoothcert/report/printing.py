"""Numbers as they are printed, the same way everywhere.

A radius (and an ACR) is printed rounded down, never up; the ends of an interval are rounded
outwards; percentages are rounded to nearest. Rounding works on the shortest decimal that reads
back as the number, so that a radius of 0.953 prints as 0.953 and not as 0.952.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import SupportsFloat

from smoothcert.certificates.metrics import Estimate
from smoothcert.report.numbers import (
    DECLINE,
    GAIN,
    MINUTES,
    PERCENT,
    POINTS,
    RADIUS,
    SAMPLES,
    SECONDS,
    SPREAD,
    Number,
)

UNKNOWN = "-"


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


def signed(value: float, decimals: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number with its sign, and without one where it prints as 0."""
    text = fixed(value, decimals, rounding)
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def parts(number: Number) -> list[str]:
    """A number as a cell shows it: value, ``[low, high]`` and ``/ paper``, as far as they exist."""
    shown = [_value(number)]
    if not number.brief and number.low is not None and number.high is not None:
        shown.append(interval(number))
    if number.paper is not None and number.paper.text:
        shown.append(f"/ {number.paper.text}")
    return shown


def interval(number: Number) -> str:
    """``[low, high]``, rounded outwards; nothing where there is no interval."""
    if number.low is None or number.high is None:
        return ""
    if number.unit == SAMPLES:
        return f"[{math.floor(number.low):,}, {math.ceil(number.high):,}]"
    digits = {RADIUS: 3, PERCENT: 1, GAIN: 4, POINTS: 1}.get(number.unit, 3)
    show = signed if number.unit in (GAIN, POINTS) else fixed
    return f"[{show(number.low, digits, ROUND_FLOOR)}, {show(number.high, digits, ROUND_CEILING)}]"


def _value(number: Number) -> str:
    value = number.value
    if number.unit == RADIUS:
        return radius(value)
    if number.unit == PERCENT:
        return fixed(round(value, 9), 1)  # 100 times a share is not always the nearest double
    if number.unit == GAIN:
        return signed(value, 4)
    if number.unit == POINTS:
        low, high = number.low, number.high
        beyond = low is not None and high is not None and (low > 0 or high < 0)
        star = "*" if beyond else ""
        return f"{signed(round(value, 9), 1)}{star}"
    if number.unit == SAMPLES:
        return f"{value:,.0f}"
    if number.unit in (SECONDS, MINUTES):
        return f"{value:.3g}"
    if number.unit in (DECLINE, SPREAD):
        return fixed(value, 3 if number.unit == DECLINE else 4)
    return f"{value:g}"
