"""What other arithmetic changes of the same certificates, and what it costs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from smoothcert.audits.described import described
from smoothcert.report.numbers import read_numbers, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, PANEL, style

_AXES = ("dataset", "arch", "training", "noise")


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of numerics."""
    return Picture(read_numbers([files.one()]).assign(output="audit_numerics"))


def draw(picture: Picture) -> Figure:
    """Left: votes and certificates that changed, logarithmic with 0 apart; right: time a
    vote, of the network alone."""
    rows = wide(picture.numbers)
    y = np.arange(len(rows))[::-1]
    inputs, n = int(picture.numbers.inputs.iloc[0]), int(rows.n.iloc[0])
    least = 0.3 / (inputs * n)
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.1, 1.4 + 0.42 * len(rows)))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        series = (
            ("votes", "o", rows.votes_changed / (inputs * n)),
            ("radii", "s", rows.radii_changed / inputs),
            ("predictions", "D", rows.predictions_changed / inputs),
        )
        for i, (label, marker, shares) in enumerate(series):
            left.plot(np.maximum(shares, least), y + 0.2 * (1 - i), marker, color=COLOURS[i],
                      markersize=5, label=label)  # fmt: skip
        left.annotate("the reference", (2 * least, y[0]), fontsize=7, va="center", color="0.35")
        for at in y[rows.votes_changed.isna()]:
            left.annotate("separate noise: votes not comparable", (2 * least, at),
                          fontsize=7, va="center", color="0.35")  # fmt: skip
        left.set_xscale("log")
        left.set_xlim(least / 2, 2)
        ticks = [t for t in 10.0 ** np.arange(-8, 1, 2) if t > 2 * least]
        left.set_xticks([least, *ticks], ["0", *(f"$10^{{{int(np.log10(t))}}}$" for t in ticks)])
        left.minorticks_off()
        left.set_yticks(y, list(rows.variant))
        left.set_ylim(-0.7, len(rows) - 0.3)
        left.set_xlabel("fraction changed by arithmetic alone")
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        right.barh(y, 1e6 * rows.seconds, color=COLOURS[0], height=0.5)
        for at, micro in zip(y, 1e6 * rows.seconds, strict=True):
            shown = f"{micro:,.0f}" if micro >= 100 else f"{micro:.3g}"
            right.annotate(shown, (micro, at), (3, 0), va="center",
                           textcoords="offset points", fontsize=7)  # fmt: skip
        right.margins(x=0.12)
        right.set_xlabel("µs per vote: the network alone,\nexcluding export and noise drawing")
        subject = described(rows.iloc[0].to_dict(), _AXES)
        figure.suptitle(f"{subject}, {inputs} inputs, {n:,} votes each", fontsize=9)
    return figure
