"""What the figures of DDRS share: their runs by data and method, and the words beneath them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from matplotlib.figure import Figure

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs.runs import (
    base,
    common,
    is_fixed,
    memory_changes,
    own_scale,
    scaling,
    steps,
)
from smoothcert.report.printing import number, percent
from smoothcert.report.reference import NotComparable, Row


@dataclass(frozen=True)
class Group:
    """Data, architecture and method (Cohen, SmoothAdv, MACER, Yang) of a row of panels.

    ``n`` is the samples an input, where one figure has several; runs of different n have
    different largest radii and are not compared.
    """

    dataset: str
    arch: str
    method: str
    n: int | None

    @property
    def of(self) -> str:
        """Data and architecture, and samples where they tell groups apart."""
        return f"{self.dataset}, {self.arch}" + (f", n = {self.n:,}" if self.n else "")


def groups(runs: Iterable[Run], what: str, method: str | None = None) -> dict[Group, list[Run]]:
    """The runs by group, those of ``method`` only if given; in each the inputs in common.

    Raises SmoothcertError if there are none.
    """
    found: dict[Group, list[Run]] = {}
    for run in runs:
        name = base(run)
        if name is not None and method in (None, name):
            group = Group(run.dataset or run.path.name, run.arch or "unknown network", name, run.n)
            found.setdefault(group, []).append(run)
    if not found:
        raise SmoothcertError(
            f"{what}: expected certificates of {method or 'Cohen, SmoothAdv, MACER or Yang'},"
            " with the training noise; found none"
        )
    if len({group.n for group in found}) == 1:
        found = {replace(group, n=None): members for group, members in found.items()}
    return {group: common(members) for group, members in found.items()}


def in_paper(run: Run) -> bool:
    """Fixed smoothing, DS or DS2 at the scale of training, as in figures 3 to 5."""
    trained = run.trained
    if trained is None or not own_scale(run) or "_ft" in trained.variant:
        return False
    return scaling(run).name == "ascent" or is_fixed(run)


def sigma_0(run: Run) -> float:
    """The scale at which the search starts, that of the run's noise."""
    if run.sigma is None:
        raise SmoothcertError(f"{run.path}: its noise scale is unknown")
    return run.sigma


def best(runs: Sequence[Run]) -> Run:
    """The run of the largest ACR; the first of equals."""
    return max(runs, key=lambda run: float(metrics.average_certified_radius(run.table).value))


def with_steps(text: str, run: Run) -> str:
    """``Cohen-DS, K = 900``; the text alone where there are no steps."""
    return text if steps(run) is None else f"{text}, K = {steps(run)}"


def with_settings(text: str, run: Run) -> str:
    """``grid, n = 4``: the text with the number in the scaling's slug and what is not usual."""
    how = scaling(run)
    parts = []
    for field in fields(how):
        value = getattr(how, field.name)
        if value is True:
            parts.append(field.name)
        elif field.metadata.get("main") or value != field.default:
            parts.append(f"{field.name} = {value:g}")
    return ", ".join([text, *parts])


def start_text(run: Run) -> str:
    """``σ₀ = 0.25``, or λ₀ for uniform noise."""
    return f"{'λ' if run.noise_name == 'uniform' else 'σ'}₀ = {number(sigma_0(run))}"


def radius_text(norm: str) -> str:
    """The label of an axis of radii."""
    math = {"l1": r"$\ell_1$", "l2": r"$\ell_2$"}.get(norm, norm)
    return f"certified {math} radius r (pixels in [0, 1])"


# --- small print ---------------------------------------------------------------------------


def add_notes(figure: Figure, words: str) -> None:
    """Small print below everything, in lines that fit the width of the figure."""
    wide = int(figure.get_figwidth() * 13.5)
    figure.supxlabel("\n".join(textwrap.wrap(words, wide)), fontsize="small")


def small_print(*texts: str) -> str:
    """The texts that say something, as one."""
    return " ".join(text for text in texts if text)


def inputs_note(runs: Sequence[Run]) -> str:
    """``500 inputs, n = 100,000, α = 0.001.``: what the runs have, whichever that is."""
    counts = " or ".join(f"{n:,}" for n in sorted({len(run.table) for run in runs}))
    sizes = sorted({run.n for run in runs if run.n is not None})
    alphas = sorted({run.alpha for run in runs if run.alpha is not None})
    samples = f", n = {' or '.join(f'{n:,}' for n in sizes)}" if sizes else ""
    failure = f", α = {' or '.join(f'{a:g}' for a in alphas)}" if alphas else ""
    return f"{counts} inputs{samples}{failure}."


def memory_note(runs: Sequence[Run]) -> str:
    """What the memory changed in these runs; a word where it was not applied."""
    changes = {i: n for i, run in enumerate(runs) if (n := memory_changes(run)) is not None}
    if not changes:
        adapted = any(scaling(run).name != "fixed" for run in runs)
        return "Certificates without the memory of Section 3.5." if adapted else ""
    total = sum(len(runs[i].table) for i in changes)
    changed = sum(changes.values())
    share = percent(changed / total, 2)
    return f"The memory of Section 3.5 changed {changed:,} of {total:,} certificates ({share}%)."


def paper_note(rows: Sequence[Row | NotComparable]) -> str:
    """Where the marks are from, or why there are none."""
    sources = dict.fromkeys(row.source for row in rows if isinstance(row, Row))
    if sources:
        return f"Circles: the paper's values ({', '.join(sources)})."
    reasons = dict.fromkeys(row.reason for row in rows if isinstance(row, NotComparable))
    return f"The paper's values are not shown: {', '.join(reasons)}." if reasons else ""
