"""What a whole table is worth: certified accuracy at alpha and alpha / N, and optimism."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from smoothcert.audits.honesty import Choice, Family
from smoothcert.certificates import metrics
from smoothcert.report import curves
from smoothcert.report.printing import norm as symbol
from smoothcert.report.style import COLOURS, DASHES, PANEL, style


def honesty(
    families: Sequence[tuple[str, Family]], choices: Sequence[tuple[str, int, Choice]]
) -> Figure:
    """A panel of curves for the first families, and one of optimism for the choices."""
    wide = int(bool(families)) + int(bool(choices))
    with style():
        figure = Figure(figsize=(PANEL[0] * max(wide, 1), PANEL[1] * 1.25))
        panels = list(figure.subplots(1, max(wide, 1), squeeze=False)[0])
        if families:
            axes = panels.pop(0)
            for i, (name, family) in enumerate(families[: len(COLOURS)]):
                for j, (table, note) in enumerate(
                    ((family.plain, f"α = {family.alpha:g} each"),
                     (family.joint, f"α/{len(family.plain)} each"))
                ):  # fmt: skip
                    radii, accuracy = curves.curve([table], strict=False)
                    curves.draw(axes, radii, accuracy, band=False, color=COLOURS[i],
                                linestyle=DASHES[j], label=f"{name}: {note}")  # fmt: skip
                below = metrics.corrected_accuracy(
                    family.plain, radii := curves.breakpoints([family.plain]), family.alpha,
                    rho=family.alpha,
                )  # fmt: skip
                axes.plot(
                    radii, 100 * below, drawstyle="steps-pre", color=COLOURS[i], linestyle=":",
                    linewidth=1.0, label=f"{name}: less what may be wrong",
                )  # fmt: skip
            norm = symbol(families[0][1].plain.single("norm") or "l2")
            axes.set_xlabel(f"certified {norm} radius r (pixels in [0, 1])")
            axes.set_ylabel("correct with radius ≥ r (% of inputs)")
            axes.set_ylim(0, 102)
            axes.set_title("One by one, and all at once")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7)
        if choices:
            axes = panels.pop(0)
            for i, (name, settings, choice) in enumerate(choices):
                colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
                value, low, high = (
                    100 * v
                    for v in (choice.optimism.value, choice.optimism.low, choice.optimism.high)
                )
                label = f"{name}: best of {settings}, {choice.folds} folds"
                axes.plot(choice.radii, value, color=colour, linestyle=dash, marker="o",
                          markersize=3.5, label=label)  # fmt: skip
                axes.fill_between(choice.radii, low, high, color=colour, alpha=0.13, linewidth=0)
            axes.axhline(0, color="0.3", linewidth=0.9)
            axes.set_xlabel("radius r (pixels in [0, 1])")
            axes.set_ylabel("optimism (points of certified accuracy)")
            axes.set_title("Choosing the best setting on the test inputs")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7)
    return figure
