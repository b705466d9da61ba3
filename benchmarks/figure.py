"""The figure of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

BLUE, GREY, ORANGE = "#1f5fa8", "#b8b8b8", "#d9822b"


def draw(frame: pd.DataFrame, facts: Mapping[str, Any], path: Path) -> None:
    """Ratios to Cohen's loop, where the time goes, and curves of the library call."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    _ratios(axes[0, 0], frame)
    _shares(axes[0, 1], frame, facts)
    _curve(axes[1, 0], frame, "n")
    _curve(axes[1, 1], frame, "batch")
    peak = {k: v for k, v in facts.items() if k.startswith("matmul")}
    figure.suptitle(
        f"{facts['processor']}, {facts['cores']} cores; torch {facts['torch']};"
        f" {', '.join(f'{k} {v:g}' for k, v in peak.items())}",
        fontsize=9,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _ratios(axes: Axes, frame: pd.DataFrame) -> None:
    part = frame[(frame["part"] == "contenders")
                 & frame["measure"].astype(str).str.contains("cohen .*, fixed")]  # fmt: skip
    if part.empty:
        axes.set_axis_off()
        return
    names = [f"{c} ({a})" if c in ("cohen", "art") else c
             for c, a in zip(part["contender"], part["allocator"], strict=True)]  # fmt: skip
    part = part.assign(name=names)
    labels = list(dict.fromkeys(names))
    networks = list(dict.fromkeys(part["network"]))
    for k, (arch, colour) in enumerate(zip(networks, (BLUE, ORANGE, GREY), strict=False)):
        one = part[part["network"] == arch].set_index("name").reindex(labels)
        y = np.arange(len(labels)) + 0.27 * (k - 1)
        axes.barh(y, one["value"], height=0.25, color=colour, label=arch)
        axes.errorbar(
            one["value"], y, xerr=[one["value"] - one["low"], one["high"] - one["value"]],
            fmt="none", ecolor="black", elinewidth=0.8,
        )  # fmt: skip
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(np.arange(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("samples per CPU second, over Cohen's loop with its allocator fixed")
    axes.set_title("One core (median of the rounds, least and largest)", fontsize=10)
    axes.legend(fontsize=8)


def _shares(axes: Axes, frame: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    part = frame[frame["part"] == "shares"]
    if part.empty:
        axes.set_axis_off()
        return
    networks = list(dict.fromkeys(part["network"]))
    left = np.zeros(len(networks))
    for kind, colour in (("forward", BLUE), ("noise", ORANGE), ("counting", GREY)):
        share = part[part["measure"] == f"share of {kind}"].set_index("network")["value"]
        axes.barh(networks, share[networks], left=left, color=colour, label=kind)
        left += share[networks].to_numpy()
    rate = part[part["measure"].str.startswith("GFLOP")].set_index("network")["value"]
    peak = facts["matmul float32 GFLOP/s"]
    for y, arch in enumerate(networks):
        axes.text(
            0.02, y, f"{rate[arch]:.0f} GFLOP/s, {100 * rate[arch] / peak:.0f}% of the peak",
            va="center", color="white", fontsize=8,
        )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the sampler's time")
    axes.set_title("Where the time goes (onnxruntime, one core)", fontsize=10)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


def _curve(axes: Axes, frame: pd.DataFrame, axis: str) -> None:
    part = frame[(frame["part"] == "curves") & (frame["measure"] == f"µs a sample, by {axis}")]
    if part.empty:
        axes.set_axis_off()
        return
    for arch, colour in zip(dict.fromkeys(part["network"]), (BLUE, ORANGE), strict=False):
        one = part[part["network"] == arch]
        axes.fill_between(one["at"], one["low"], one["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(one["at"], one["value"], "o-", color=colour, label=arch)
    axes.set_xscale("log", base=2 if axis == "batch" else 10)
    axes.set_ylim(0)
    axes.set_xlabel({"n": "samples an input", "batch": "samples a pass"}[axis])
    axes.set_ylabel("µs a sample, wall")
    axes.set_title("The library call, one core, 4 inputs", fontsize=10)
    axes.legend(fontsize=8)
