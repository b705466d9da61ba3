"""Training curves: loss, accuracy under the noise of training, and the scales of DS2.

A column holds the logs of one method at one scale (fixed, DS2, fine-tuned), so that the six
trainings of DDRS stand side by side. A run that is fine-tuned from a finished model counts its
epochs anew; beside the log of that model its curve goes on where the model's ends.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training, number
from smoothcert.report.style import COLOURS, DASHES, PANEL, style

REQUIRED = ("epoch", "loss", "noisy_accuracy", "lr", "seconds")
# Of the scales of DS2, over the training inputs (training/scales.py).
QUANTILES = ("min", "q05", "q25", "q50", "q75", "q95", "max")


@dataclass(frozen=True)
class Log:
    """One model.log.csv: its columns, float64 [epochs], NaN where a row has no value.

    ``training``, ``dataset``, ``arch`` are of its path under ``models/``; None elsewhere.
    """

    path: Path
    columns: dict[str, NDArray[np.float64]]
    training: Training | None = None
    dataset: str | None = None
    arch: str | None = None

    @property
    def name(self) -> str:
        """The training's slug, else the name of its folder or file."""
        if self.training is not None:
            return self.training.slug
        stem = self.path.name.removesuffix(".csv").removesuffix(".log")
        return (self.path.parent.name or stem) if stem == "model" else stem

    @property
    def of(self) -> str:
        """Data and architecture, as far as known."""
        return ", ".join(v for v in (self.dataset, self.arch) if v)

    @property
    def adapted(self) -> NDArray[np.bool_]:
        """The epochs with data-dependent scales: bool [epochs]."""
        scales = self.columns.get("scale_q50")
        return np.zeros(len(self.columns["epoch"]), bool) if scales is None else np.isfinite(scales)

    @property
    def anew(self) -> bool:
        """Fine-tuned from a finished model: the epochs of that are not in the log."""
        variant = self.training.variant.split("_") if self.training else []
        return "ft" in variant or bool(self.adapted[0])


def read_log(path: str | os.PathLike[str]) -> Log:
    """Read the log of a training.

    Raises SmoothcertError for a file that is missing or no log, a log without epochs, epochs
    that do not rise, or a value that is no number; the message names file and line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such log of a training") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmoothcertError(f"{path}: cannot be read as the log of a training: {error}") from None
    names = rows[0] if rows else []
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise SmoothcertError(f"{path}:1: lacks the column {missing[0]!r}; found {names}")
    if len(rows) < 2:
        raise SmoothcertError(f"{path}: no epochs; expected at least one row")
    values = np.array([_numbers(path, i, row, names) for i, row in enumerate(rows[1:], 2)])
    columns = {name: values[:, i] for i, name in enumerate(names)}
    if not (np.diff(columns["epoch"]) > 0).all():
        raise SmoothcertError(f"{path}: column 'epoch': expected numbers that rise")
    return Log(path, columns, *_from_path(path))


def _numbers(path: Path, line: int, row: list[str], names: list[str]) -> list[float]:
    if len(row) != len(names):
        raise SmoothcertError(f"{path}:{line}: expected {len(names)} fields, found {len(row)}")
    values = []
    for name, text in zip(names, row, strict=True):
        try:
            values.append(float(text) if text else math.nan)
        except ValueError:
            raise SmoothcertError(
                f"{path}:{line}: column {name!r}: expected a number, found {text!r}"
            ) from None
        if name in REQUIRED and not math.isfinite(values[-1]):
            raise SmoothcertError(
                f"{path}:{line}: column {name!r}: expected a finite number, found {text!r}"
            )
    return values


def _from_path(path: Path) -> tuple[Training | None, str | None, str | None]:
    parts = path.absolute().parts[:-1]
    try:
        training = Training.parse(parts[-1]) if parts else None
    except SmoothcertError:
        return None, None, None
    if len(parts) > 3 and parts[-4] == "models":
        return training, parts[-3], parts[-2]
    return training, None, None


def training_curves(logs: Sequence[Log], title: str | None = None) -> Figure:
    """Panels of loss, accuracy and (if any log has them) scales, one set a method and scale."""
    groups: dict[Any, list[Log]] = {}
    for log in sorted(logs, key=_order):
        groups.setdefault(_column(log), []).append(log)
    rows = 3 if any(log.adapted.any() for log in logs) else 2
    with style():
        single = len(groups) == 1  # then side by side
        wide, high = (rows, 0.85) if single else (0.8 * len(groups), 0.68 * rows)
        figure = Figure(figsize=(PANEL[0] * wide + 0.3, PANEL[1] * high + 0.6))
        shape = (1, rows) if single else (rows, len(groups))
        panels = figure.subplots(*shape, squeeze=False, sharex="col")
        panels = panels.T if single else panels
        labels: dict[str, Any] = {}
        for column, group in zip(panels.T, groups.values(), strict=True):
            labels |= _set(column, group)
            if not single:
                column[0].set_title(_heading(group[0]))
            for axes in column if single else column[-1:]:
                axes.set_xlabel(_epochs(group))
        for axes, text in zip(
            panels[:, 0],
            ("loss, mean of the batches", "noisy accuracy (% of inputs)",
             "noise scale σ\n(pixels in [0, 1])"),
            strict=False,
        ):  # fmt: skip
            axes.set_ylabel(text)
        if rows == 3:
            labels |= _fan_legend()
        columns = min(len(labels), 2 if wide < 1.5 else 4)
        figure.legend(labels.values(), labels, loc="outside lower center", ncols=columns)
        figure.suptitle(title or _title(logs))
    return figure


def _order(log: Log) -> Any:
    """Columns by data and method, the methods as in the paper; in a column the parent first."""
    t = log.training
    if t is None:
        return (1, str(log.path))
    methods = ("cohen", "smoothadv", "macer")
    rank = methods.index(t.method) if t.method in methods else len(methods)
    key = (log.of, rank, t.method, t.noise, t.scale, log.anew, not _plain(log), t.slug)
    return (0, *map(str, key[:1]), *key[1:])


def _column(log: Log) -> Any:
    """What the logs of one column have in common; a log of unknown training stands alone."""
    if log.training is None:
        return log.path
    t = log.training
    return log.dataset, log.arch, t.method, t.noise, t.scale


def _title(logs: Sequence[Log]) -> str:
    common = {log.of for log in logs}
    of = f" ({common.pop()})" if len(common) == 1 and logs[0].of else ""
    names = " and ".join(log.name for log in logs) if len(logs) <= 2 else "Training"
    return f"{names}{of}"


def _heading(log: Log) -> str:
    if log.training is None:
        return log.name
    noise = "" if log.training.noise == "gaussian" else f", {log.training.noise}"
    return f"{log.training.method}{noise}, σ = {number(log.training.scale)}"


def _epochs(group: list[Log]) -> str:
    moved = _parent(group) is not None and any(log.anew for log in group)
    return "epoch (fine-tuning goes on from the fixed σ)" if moved else "epoch"


def _parent(group: list[Log]) -> Log | None:
    return next((log for log in group if _plain(log)), None)


def _plain(log: Log) -> bool:
    """Fixed scale, from scratch: what the others of its column start from."""
    t = log.training
    return t is not None and t.schedule == "fs" and not t.variant


def _set(panels: Sequence[Axes], group: list[Log]) -> dict[str, Any]:
    """Draw one set of panels; its lines by label."""
    parent = _parent(group)
    handles: dict[str, Any] = {}
    for i, log in enumerate(group):
        look: dict[str, Any] = {"color": COLOURS[i % 6], "linestyle": DASHES[i % len(DASHES)]}
        handles[_label(log)] = Line2D([], [], **look)
        x = log.columns["epoch"]
        own = np.ones(len(x), bool)
        if parent is not None and parent is not log:
            if log.anew:
                x = x + parent.columns["epoch"][-1]
            else:
                own = _own(log, parent)
        one: dict[str, Any] = {"marker": "o", "markersize": 3} if own.sum() == 1 else {}
        panels[0].plot(x[own], log.columns["loss"][own], **look, **one)
        panels[1].plot(x[own], 100 * log.columns["noisy_accuracy"][own], **look, **one)
        if len(panels) > 2:
            _scales(panels[2], x, own, log, look)
    panels[0].set_ylim(bottom=min(0.0, panels[0].get_ylim()[0]))
    panels[1].set_ylim(0, 102)
    return handles


def _own(log: Log, parent: Log) -> NDArray[np.bool_]:
    """The epochs of ``log`` since it branched from ``parent``, and the last before."""
    length = min(len(log.columns["epoch"]), len(parent.columns["epoch"]))
    same = np.ones(length, bool)
    for name in ("epoch", "loss", "noisy_accuracy"):
        same &= log.columns[name][:length] == parent.columns[name][:length]
    shared = length if same.all() else int(same.argmin())
    return np.arange(len(log.columns["epoch"])) >= shared - 1


def _label(log: Log) -> str:
    if log.training is None:
        return log.name
    meaning = {"fs": "fixed σ", "ds2": "each input its own σ"}.get(log.training.schedule)
    slug = f"{log.training.schedule}{log.training.variant}"
    return f"{slug}: {meaning}" if meaning else slug


def _scales(
    axes: Axes, x: NDArray[np.float64], own: NDArray[np.bool_], log: Log, look: dict[str, Any]
) -> None:
    """The distribution over the inputs where there is one, else the one scale of all."""
    on = log.adapted
    q = {name: log.columns.get(f"scale_{name}", np.full(len(x), np.nan)) for name in QUANTILES}
    middle = q["q50"].copy()
    if log.training is not None:
        middle[~on] = log.training.scale
        axes.axhline(log.training.scale, color="0.5", linewidth=0.7, zorder=1)
    axes.plot(x[own], middle[own], **look)
    if not on.any():
        return
    band: dict[str, Any] = {"color": look["color"], "linewidth": 0}
    axes.fill_between(x[on], q["q05"][on], q["q95"][on], alpha=0.18, **band)
    axes.fill_between(x[on], q["q25"][on], q["q75"][on], alpha=0.3, **band)
    for end in ("min", "max"):
        axes.plot(x[on], q[end][on], color=look["color"], linewidth=0.7, linestyle=":")


def _fan_legend() -> dict[str, Any]:
    shade: dict[str, Any] = {"facecolor": "0.3", "linewidth": 0}
    return {
        "σ: middle half of the training inputs": Patch(alpha=0.45, **shade),
        "σ: 5% to 95%": Patch(alpha=0.18, **shade),
        "σ: smallest and largest": Line2D([], [], color="0.3", linewidth=0.7, linestyle=":"),
    }
