"""Training curves: loss, accuracy under the noise of training, and the scales of DS2.

A column holds the logs of one method at one scale (fixed, DS2, fine-tuned), so that the six
trainings of DDRS stand side by side. A run that is fine-tuned from a finished model counts its
epochs anew; beside the log of that model its curve goes on where the model's ends. Losses and
errors have logarithmic axes, on which 95% and 98% are apart.
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
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training, number
from smoothcert.papers.cohen.options import Titled
from smoothcert.report import names
from smoothcert.report.numbers import PERCENT, RADIUS, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, heading, style

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
    def data(self) -> str:
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
        raise SmoothcertError(f"{path}: no such training log") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmoothcertError(f"{path}: cannot be read as a training log: {error}") from None
    names = rows[0] if rows else []
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise SmoothcertError(f"{path}:1: lacks the column {missing[0]!r}; found {names}")
    if len(rows) < 2:
        raise SmoothcertError(f"{path}: no epochs; expected at least one row")
    values = np.array([_numbers(path, i, row, names) for i, row in enumerate(rows[1:], 2)])
    columns = {name: values[:, i] for i, name in enumerate(names)}
    if not (np.diff(columns["epoch"]) > 0).all():
        raise SmoothcertError(f"{path}: column 'epoch': expected increasing numbers")
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


def measure(files: Files, options: Titled) -> Picture:
    """A row an epoch of each log, as far as it is the log's own; ``at`` is its place on the axis.

    ``column`` holds what is drawn together: the trainings of one method and scale.
    """
    logs = sorted(map(read_log, files.some()), key=_order)
    columns: dict[Any, list[Log]] = {}
    for log in logs:
        columns.setdefault(_column(log), []).append(log)
    rows: list[Row] = []
    for column, group in enumerate(columns.values()):
        parent = next((log for log in group if _plain(log)), None)
        moved = parent is not None and any(log.anew for log in group)
        for place, log in enumerate(group):
            at, own = log.columns["epoch"], np.ones(len(log.columns["epoch"]), bool)
            if parent is not None and parent is not log:
                if log.anew:
                    at = at + parent.columns["epoch"][-1]
                else:
                    own = _own(log, parent)
            labels: Row = {
                "dataset": log.dataset, "arch": log.arch,
                "training": None if log.training is None else log.training.slug,
                "column": column, "heading": _heading(log), "place": place, "series": _label(log),
                "continued": "yes" if moved else "no",
            }  # fmt: skip
            rows += [
                {**labels, **_epoch(log, i), "at": float(at[i])}
                for i in np.flatnonzero(own).tolist()
            ]
    common = {log.data for log in logs}
    data = common.pop() if len(common) == 1 else ""
    return Picture(frame("training_curves", rows), {"title": options.title, "data": data})


def _epoch(log: Log, i: int) -> Row:
    """The numbers of one epoch; the scale is the median over the inputs, or the one of all."""
    row: Row = {
        "epoch": int(log.columns["epoch"][i]),
        "loss": Number(float(log.columns["loss"][i])),
        "noisy_accuracy": Number(100 * float(log.columns["noisy_accuracy"][i]), unit=PERCENT),
    }
    if log.adapted[i]:
        each = {name: float(log.columns[f"scale_{name}"][i]) for name in QUANTILES}
        return {**row, **{f"scale_{n}": Number(v, unit=RADIUS) for n, v in each.items()}}
    return (
        row if log.training is None else {**row, "scale": Number(log.training.scale, unit=RADIUS)}
    )


def _order(log: Log) -> Any:
    """Columns by data and method, the methods as in the paper; in a column the parent first."""
    t = log.training
    if t is None:
        return (1, str(log.path))
    methods = list(names.METHODS)
    rank = methods.index(t.method) if t.method in methods else len(methods)
    return (0, log.data, rank, t.method, t.noise, t.scale, log.anew, not _plain(log), t.slug)


def _column(log: Log) -> Any:
    """What the logs of one column have in common; a log of unknown training stands alone."""
    if log.training is None:
        return log.path
    t = log.training
    return log.dataset, log.arch, t.method, t.noise, t.scale


def _plain(log: Log) -> bool:
    """Fixed scale, from scratch: what the others of its column start from."""
    t = log.training
    return t is not None and t.schedule == "fs" and not t.variant


def _own(log: Log, parent: Log) -> NDArray[np.bool_]:
    """The epochs of ``log`` since it branched from ``parent``, and the last before."""
    length = min(len(log.columns["epoch"]), len(parent.columns["epoch"]))
    same = np.ones(length, bool)
    for name in ("epoch", "loss", "noisy_accuracy"):
        same &= log.columns[name][:length] == parent.columns[name][:length]
    shared = length if same.all() else int(same.argmin())
    return np.arange(len(log.columns["epoch"])) >= shared - 1


def _heading(log: Log) -> str:
    if log.training is None:
        return log.name
    noise = "" if log.training.noise == "gaussian" else f", {log.training.noise}"
    return f"{names.method(log.training.method)}{noise}, σ = {number(log.training.scale)}"


def _label(log: Log) -> str:
    if log.training is None:
        return log.name
    schedule = log.training.schedule
    words = {"fs": "fixed σ", "ds2": "per-input σ (DS2)"}.get(schedule, schedule)
    return f"{words}{names.variant(log.training.variant)}"


# --- how it is drawn -----------------------------------------------------------------------


def draw(picture: Picture) -> Figure:
    """Panels of loss, accuracy and (if any log has them) scales, one set a method and scale."""
    numbers, title = picture.numbers, picture.more["title"] or ""
    groups = [part for _, part in numbers.groupby("column")]
    rows = 3 if (numbers.metric == "scale_q50").any() else 2
    with style():
        single = len(groups) == 1  # then side by side
        wide, high = (rows, 0.85) if single else (0.8 * len(groups), 0.68 * rows)
        figure = Figure(figsize=(PANEL[0] * wide + 0.3, PANEL[1] * high + 0.6))
        shape = (1, rows) if single else (rows, len(groups))
        panels = figure.subplots(*shape, squeeze=False, sharex="col")
        panels = panels.T if single else panels
        labels: dict[str, Any] = {}
        for column, part in zip(panels.T, groups, strict=True):
            labels |= _set(column, part)
            about = part.iloc[0]
            column[0].set_title(about.heading)
            moved = " (fine-tuning continues from the fixed σ)" if about.continued == "yes" else ""
            for axes in column if single else column[-1:]:
                axes.set_xlabel(f"epoch{moved}")
        _logarithmic(panels[1])
        if rows == 3 and numbers[numbers.metric == "scale"].value.nunique() == 1:
            _same_height(panels[2])
        for axes, text in zip(
            panels[:, 0],
            ("mean batch loss", "noisy error (% of inputs)",
             "noise scale σ\n(pixels in [0, 1])"),
            strict=False,
        ):  # fmt: skip
            axes.set_ylabel(text)
        if rows == 3:
            labels |= _fan_legend()
        columns = min(len(labels), 2 if wide < 1.5 else 4)
        figure.legend(labels.values(), labels, loc="outside lower center", ncols=columns)
        data = f" ({picture.more['data']})" if picture.more["data"] else ""
        heading(figure, f"{title}{data}")
    return figure


def _set(panels: Sequence[Axes], numbers: pd.DataFrame) -> dict[str, Any]:
    """Draw one set of panels; its lines by label."""
    handles: dict[str, Any] = {}
    place: Any
    for place, part in numbers.groupby("place"):
        look: dict[str, Any] = {"color": COLOURS[place % 6]}
        look["linestyle"] = DASHES[place % len(DASHES)]
        handles[part.series.iloc[0]] = Line2D([], [], **look)
        by_epoch = part.pivot(index="at", columns="metric", values="value")
        by_epoch.index = by_epoch.index.astype(float)
        one: dict[str, Any] = {"marker": "o", "markersize": 3} if len(by_epoch) == 1 else {}
        panels[0].plot(by_epoch.index, by_epoch.loss, **look, **one)
        panels[1].plot(by_epoch.index, 100 - by_epoch.noisy_accuracy, **look, **one)
        if len(panels) > 2:
            _scales(panels[2], by_epoch, part, look)
    _logarithmic(panels[:1])
    return handles


def _logarithmic(panels: Sequence[Axes]) -> None:
    """One logarithmic axis with plain numbers for panels; none where nothing is above 0."""
    lines = [line.get_ydata() for axes in panels for line in axes.get_lines()]
    values = np.concatenate([np.asarray(line, float) for line in lines])
    positive = values[values > 0]
    if not len(positive):
        return
    low, high = positive.min() / 1.15, positive.max() * 1.15
    powers = 10.0 ** np.arange(-6, 4)
    ticks = np.multiply.outer(powers, [1, 2, 5] if high > 5 * low else range(1, 10)).ravel()
    for axes in panels:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(low, high)
        axes.set_yticks(ticks[(ticks >= low) & (ticks <= high)])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _same_height(panels: Sequence[Axes]) -> None:
    """One range of y for panels that are of the same noise."""
    ends = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def _scales(
    axes: Axes, by_epoch: pd.DataFrame, numbers: pd.DataFrame, look: dict[str, Any]
) -> None:
    """The distribution over the inputs where there is one, else the one scale of all."""
    each = by_epoch.reindex(columns=["scale", *(f"scale_{name}" for name in QUANTILES)])
    slug = numbers.training.iloc[0]
    if slug is not None:
        axes.axhline(Training.parse(slug).scale, color="0.5", linewidth=0.7, zorder=1)
    axes.plot(each.index, each.scale_q50.fillna(each.scale), **look)
    fan = each[each.scale_q50.notna()]
    if fan.empty:
        return
    band: dict[str, Any] = {"color": look["color"], "linewidth": 0}
    axes.fill_between(fan.index, fan.scale_q05, fan.scale_q95, alpha=0.18, **band)
    axes.fill_between(fan.index, fan.scale_q25, fan.scale_q75, alpha=0.3, **band)
    for end in (fan.scale_min, fan.scale_max):
        axes.plot(fan.index, end, color=look["color"], linewidth=0.7, linestyle=":")


def _fan_legend() -> dict[str, Any]:
    shade: dict[str, Any] = {"facecolor": "0.3", "linewidth": 0}
    return {
        "σ: middle half of the training inputs": Patch(alpha=0.45, **shade),
        "σ: 5% to 95%": Patch(alpha=0.18, **shade),
        "σ: smallest and largest": Line2D([], [], color="0.3", linewidth=0.7, linestyle=":"),
    }
