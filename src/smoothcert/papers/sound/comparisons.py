"""The comparisons of the table of what changes with a sound method. Imports nothing heavy.

A further one is an entry of :data:`COMPARISONS` and a function that makes its pairs of runs: one
of a paper's method and one of a sound one for the same purpose, on the same inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from smoothcert.report.output import Need

_HERE = "smoothcert.papers.sound"
_DDRS = ("ddrs_table1", "ddrs_table2", "ddrs_table3", "ddrs_table4")
_CERTIFIED = (
    "cohen", *_DDRS, "iss_table1", "iss_table5", "nongaussian_l1", "nongaussian_l2",
    "nongaussian_linf",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """``question``: what is put in the place of what. ``make`` is "module:function" of
    (files) -> :class:`smoothcert.papers.sound.table.Pairs`; ``needs`` have groups that start with
    ``key``, and no other comparison's."""

    key: str
    question: str
    needs: tuple[Need, ...]
    make: str


COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        key="both",
        question="both bounds instead of the top class only, same votes",
        needs=(
            *(Need("certificates", name, group="both") for name in _CERTIFIED),
            *(Need("votes", name, group="both_votes") for name in _CERTIFIED),
            *(Need("radius_tables", name, group="both_tables") for name in _CERTIFIED),
        ),
        make=f"{_HERE}.both:pairs",
    ),
    Comparison(
        key="scales",
        question="DDRS scales instead of the fixed one (sound only with a memory)",
        needs=(
            *(Need("certificates", name, group="scales") for name in _DDRS),
            *(Need("votes", name, group="scales_votes") for name in _DDRS),
        ),
        make=f"{_HERE}.both:scales",
    ),
    Comparison(
        key="iss",
        question="sound sample sizes instead of those of ISS",
        needs=(
            Need("certificates", "iss_table1", group="iss"),
            Need("certificates", "iss_table5", group="iss"),
        ),
        make=f"{_HERE}.sequential:pairs",
    ),
    Comparison(
        key="l1",
        question="box constraint, or all copies of splitting noise, instead of uniform noise in l1",
        needs=(Need("memorized", "ddrs_table4", group="l1"),),
        make=f"{_HERE}.l1:pairs",
    ),
    Comparison(
        key="grid",
        question="noise on a grid instead of float32 noise",
        needs=(Need("certificates", "sound_grid", group="grid"),),
        make=f"{_HERE}.grid:pairs",
    ),
    Comparison(
        key="dual",
        question="dual smoothing instead of DDRS scales, equal samples",
        needs=(Need("certificates", "ddrs_dual", group="dual"),),
        make=f"{_HERE}.dual:pairs",
    ),
)
