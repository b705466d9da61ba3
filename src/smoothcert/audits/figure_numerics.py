"""What other arithmetic changes of the same certificates, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from smoothcert.audits.numerics import Outcome
from smoothcert.audits.numerics_verdicts import Difference
from smoothcert.report.style import COLOURS, PANEL, style


def arithmetic(rows: Sequence[tuple[Outcome, Difference]], subject: str) -> Figure:
    """Left: votes and certificates that changed, logarithmic with 0 apart; right: time a vote."""
    names = [outcome.variant for outcome, _ in rows]
    y = np.arange(len(rows))[::-1]
    inputs = len(rows[0][0].table)
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.1, 1.4 + 0.42 * len(rows)))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        least = 0.3 / rows[0][1].of_votes
        series = (
            ("votes", "o", [d.votes / d.of_votes for _, d in rows]),
            ("radii", "s", [d.radii / inputs for _, d in rows]),
            ("predictions", "D", [d.predictions / inputs for _, d in rows]),
        )
        for i, (label, marker, values) in enumerate(series):
            shown = [v if r[0].differ is not None else np.nan
                     for v, r in zip(values, rows, strict=True)]  # fmt: skip
            left.plot(np.maximum(shown, least), y + 0.2 * (1 - i), marker, color=COLOURS[i],
                      markersize=5, label=label)  # fmt: skip
        for at, (outcome, _) in zip(y, rows, strict=True):
            if outcome.differ is None:
                left.annotate("its own noise: not comparable vote by vote", (2 * least, at),
                              fontsize=7, va="center", color="0.35")  # fmt: skip
        left.set_xscale("log")
        left.set_xlim(least / 2, 2)
        ticks = [t for t in 10.0 ** np.arange(-8, 1, 2) if t > 2 * least]
        left.set_xticks([least, *ticks], ["0", *(f"$10^{{{int(np.log10(t))}}}$" for t in ticks)])
        left.minorticks_off()
        left.set_yticks(y, names)
        left.set_ylim(-0.7, len(rows) - 0.3)
        left.set_xlabel("share changed by the arithmetic alone")
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        right.barh(y, [1e6 * d.seconds for _, d in rows], color=COLOURS[0], height=0.5)
        right.set_xlabel("µs a vote")
        figure.suptitle(f"{subject}, {inputs} inputs, {rows[0][0].n:,} votes each", fontsize=9)
    return figure
