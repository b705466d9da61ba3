"""Claims of ISS that need no data: its equations 3 to 5, evaluated by the library.

Sigma 0.5 and alpha 0.001 are those that fit figure 3; the paper states neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from smoothcert.budget.psi import Decline, Mapping, psi
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.figures import ALPHA, expected_radius, fixed_radius, radius_at
from smoothcert.report.claims import CHECKS, Claim, Finding, closed_form, printed_half_unit
from smoothcert.report.evidence import Evidence
from smoothcert.report.reference import cells

SIGMA, KBAR, LOW, HIGH = 0.5, 100_000, 0.51, 0.99
_SETTING = f"sigma {SIGMA}, alpha {ALPHA}, kbar {KBAR:,} (fitted: not stated)"


def _figure(evidence: Evidence, number: int) -> str:
    return evidence.first(f"figures/iss_fig{number}.png", "tables/iss_table3.csv")


@cache
def _size(p: float, bound: float) -> int:
    return int(psi(p, Decline(ad=bound), Gaussian(1.0), SIGMA, 1, kbar=KBAR, alpha=ALPHA))


def _decline(p: float, k: int) -> float:
    whole, less = radius_at(p, np.array([float(KBAR), float(k)]), SIGMA)
    return float(whole - less)


# The bound as printed, 0.0042, is anything from 0.00415 to 0.00425.
_BOUNDS = (0.00415, 0.0042, 0.00425)
_PRINTED = "met within the rounding of what is printed, of the bound (0.0042) and of the number"
# All three printed sizes (35,000, 50,000, 65,000) are multiples of 5,000.
_HALF_SIZE = 2_500


def _met(values: Sequence[float], claim: Claim, half: float | None = None) -> bool:
    """Whether the values at the ends of the printed bound and the stated number's rounding meet."""
    half = printed_half_unit(claim.value) if half is None else half
    return min(values) <= claim.number + half and max(values) >= claim.number - half


@CHECKS("iss", r"IAS samples for both inputs|ISS samples for x[12] \(p_A=([\d.]+)\)")
def sizes(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Sizes of equal decline."""
    at = [float(match[1])] if match[1] else [LOW, HIGH]
    low, middle, high = ([_size(p, u) for p in at] for u in reversed(_BOUNDS))
    ends = [sum(v) / len(v) for v in (low, middle, high)]
    why = f"equation 5, {_SETTING}; {_PRINTED} (sizes: multiples of 5,000)"
    why += "" if match[1] else "; the mean of the two sizes, so that both rules cost the same"
    text = f"{ends[1]:,.0f} ({ends[0]:,.0f} to {ends[2]:,.0f} as the bound is rounded)"
    return closed_form(text, _met(ends, claim, _HALF_SIZE), _figure(evidence, 3), why)


@CHECKS("iss", "decline bound that gives these sizes")
def bound(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The declines at the printed sizes."""
    at = {
        p: [_decline(p, k + e) for e in (_HALF_SIZE, 0, -_HALF_SIZE)]
        for p, k in ((LOW, 35_000), (HIGH, 65_000))
    }
    text = ", ".join(f"{v[1]:.5f} at {p:g}" for p, v in at.items())
    return closed_form(
        text, all(_met(v, claim) for v in at.values()), _figure(evidence, 3),
        f"equation 3 at 35,000 and 65,000 samples, {_SETTING}; {_PRINTED}",
    )  # fmt: skip


@CHECKS("iss", "decline at x2 when the samples go from 100,000 to 50,000"
        "|that decline as a multiple of the bound")  # fmt: skip
def decline(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    values = [_decline(HIGH, 50_000)]
    if "multiple" in claim.claim:
        values = [values[0] / u for u in _BOUNDS]
    text = f"{values[len(values) // 2]:.5f}" if len(values) == 1 else f"{values[1]:.3f}"
    why = f"equation 3, {_SETTING}; {_PRINTED}"
    return closed_form(text, _met(values, claim), _figure(evidence, 3), why)


@CHECKS("iss", "radius of x1 given up|radius of x2 gained|gain in the average over the two")
def exchanged(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """What ISS, at the printed sizes, changes against 50,000 samples each."""
    lost = _decline(LOW, 35_000) - _decline(LOW, 50_000)
    gained = _decline(HIGH, 50_000) - _decline(HIGH, 65_000)
    half, why = printed_half_unit(claim.value), f"equation 3 at the printed sizes, {_SETTING}"
    if "average" in claim.claim:
        ours, half = (gained - lost) / 2, 0.0005
        why += "; the paper takes it from two terms rounded to 0.001"
    else:
        ours = lost if "given up" in claim.claim else gained
    return closed_form(f"{ours:.5f}", _met([ours], claim, half), _figure(evidence, 3), why)


@cache
def crossing(scale: float) -> float:
    """The p_A above which ISS (U = 0.05) has the larger mean radius than 30,000 samples."""
    mapping = Mapping(Decline(ad=0.05), KBAR, ALPHA)

    def ahead(p: float) -> float:
        return expected_radius(p, mapping, KBAR // 100, scale) - fixed_radius(p, 30_000, scale)

    low, high = 0.9, 0.9999
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if ahead(middle) > 0 else (middle, high)
    return high


@CHECKS("iss", r"p_A above which ISS \(kbar=100,000, U=0.05\) certifies more than IAS at 30,000")
def ahead_from(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    each = {scale: crossing(scale) for scale in (0.25, 0.5, 1.0)}
    near = any(abs(p - claim.number) <= 0.01 for p in each.values())
    text = ", ".join(f"{p:.3f} (sigma {s:g})" for s, p in each.items())
    why = "mean radius by class probability, k0 = 1,000, alpha 0.001; met if within 0.01 at a sigma"
    return closed_form(text, near, _figure(evidence, 4), why)


@CHECKS("iss", "sample size is 0 for p_A at or below 0.5, for both declines")
def none_below_half(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    grid = np.linspace(0, 0.5, 501)
    most = max(
        int(psi(grid, d, Gaussian(1.0), SIGMA, 1, kbar=KBAR, alpha=ALPHA).max())
        for d in (Decline(ad=0.05), Decline(rd=0.05))
    )
    return closed_form(
        f"at most {most} over 501 values of p_A up to 0.5", most == 0, _figure(evidence, 6),
        "equation 5 for U_AD = 0.05 and U_RD = 0.05",
    )  # fmt: skip


@CHECKS("iss", "AD sizes rise with p_A; RD sizes first fall, then rise near p_A = 1")
def shapes(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    grid = np.linspace(0.51, 1.0, 491)
    ad, rd = (
        psi(grid, d, Gaussian(1.0), SIGMA, 1, kbar=KBAR, alpha=ALPHA).astype(float)
        for d in (Decline(ad=0.05), Decline(rd=0.01))
    )
    least = int(rd.argmin())
    rising = bool((np.diff(ad) >= 0).all())
    # Sizes are whole numbers: the last one may be up or down by one.
    falls, climbs = np.diff(rd[: least + 1]) <= 1, np.diff(rd[least:]) >= -1
    turns = 0 < least < len(rd) - 1 and bool(falls.all() and climbs.all())
    return closed_form(
        f"AD {'never falls' if rising else 'falls somewhere'}; RD {rd[0]:,.0f} at 0.51, least"
        f" {rd[least]:,.0f} at {grid[least]:.3f}, {rd[-1]:,.0f} at 1",
        rising and turns, _figure(evidence, 6), "equation 5, U_AD = 0.05 and U_RD = 0.01, steps of"
        " 0.001 in p_A",
    )  # fmt: skip


@CHECKS("iss", r"MAD of IAS-10.4 as a multiple of that of ISS-AD-50-0.05 \(more than\)")
def mad(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The printed MAD is the decline at p_A = 1, without sampling noise."""
    whole, less = radius_at(1.0, np.array([500_000.0, 104_000.0]), 1.0)
    ours = float(whole - less) / 0.05
    return closed_form(
        f"{ours:.2f}", ours > claim.number, evidence.first("tables/iss_table1.csv"),
        "decline at p_A = 1 from 500,000 to 104,000 samples at sigma 1, over U = 0.05: the printed"
        " MADs are these",
    )  # fmt: skip


@CHECKS("iss", "bounds U_RD that table 4 is said to report")
def bounds_of_table4(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The bounds in the row names of the paper's own table 4."""
    found = sorted({
        (cell.method or "").rpartition("-")[2]
        for cell in cells("iss", "table4")
        if (cell.method or "").startswith("ISS-RD")
    })  # fmt: skip
    return closed_form(
        " and ".join(found), set(found) == set(claim.value.split(" and ")),
        evidence.first("tables/iss_table4.csv"), "the row names of the paper's table 4",
    )  # fmt: skip
