"""DDRS figure 6 and its appendix: inputs under the fixed noise and under their own.

The same draw of noise is shown at both scales, so that two pictures of an input differ by the
scale alone. Pictures are clipped to [0, 1] for the eye; classifiers see the values unclipped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.certificates import sidecar
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import json_mapping
from smoothcert.datasets import Dataset
from smoothcert.noise import NOISES, Noise
from smoothcert.papers.ddrs.options import ImageOptions
from smoothcert.papers.ddrs.series import add_notes
from smoothcert.report import names as readable
from smoothcert.report.numbers import RADIUS, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.style import heading, style

STREAM = "illustration"  # the draws of these pictures; no certificate and no search uses them
CELL = 1.75  # inches


@dataclass(frozen=True)
class Scales:
    """The scales that one scaling chose: ``sigma`` [N] of the inputs ``idx`` [N], in pixels."""

    idx: NDArray[np.int64]
    sigma: NDArray[np.float64]
    scaling: str


def read_scales(path: str | os.PathLike[str], scaling: str | None = None) -> Scales:
    """The rows of ``scaling`` in a table of scales; without one, the last scaling in the table.

    Raises SmoothcertError for a table that cannot be read, has no such rows, or a scale that is
    not positive.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such table of noise scales") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SmoothcertError(f"{path}: cannot be read: {error}") from None
    names = lines[0].split("\t") if lines else []
    missing = [name for name in ("idx", "scaling", "sigma") if name not in names]
    if missing:
        raise SmoothcertError(f"{path}:1: lacks the column {missing[0]!r}; found {names}")
    rows = [_row(path, i, line, names) for i, line in enumerate(lines[1:], 2)]
    known = list(dict.fromkeys(row[1] for row in rows))
    chosen = scaling or (known[-1] if known else "")
    own = [(idx, sigma) for idx, slug, sigma in rows if slug == chosen]
    if not own:
        raise SmoothcertError(
            f"{path}: no rows of scaling {chosen!r}; found {', '.join(known) or 'none'}"
        )
    return Scales(
        np.array([idx for idx, _ in own], np.int64), np.array([s for _, s in own]), chosen
    )


def _row(path: Path, line: int, text: str, names: list[str]) -> tuple[int, str, float]:
    row = dict(zip(names, text.split("\t"), strict=False))
    try:
        idx, sigma = int(row["idx"]), float(row["sigma"])
        if not (np.isfinite(sigma) and sigma > 0):
            raise ValueError
    except (ValueError, KeyError):
        raise SmoothcertError(f"{path}:{line}: expected an idx and a positive sigma") from None
    return idx, row.get("scaling", ""), sigma


def examples(sigma: NDArray[np.float64], sigma_0: float, rows: int = 3) -> list[tuple[int, str]]:
    """(position, which) of inputs to show: ``rows`` of them by rising sigma.

    Three are the smallest (if below sigma_0), the one nearest to sigma_0 and the largest (if
    above it); another number is of inputs at even ranks from the smallest to the largest.
    """
    order = np.argsort(sigma, kind="stable")
    if rows != 3:
        ranks = np.linspace(0, len(sigma) - 1, min(rows, len(sigma))).round().astype(int)
        return [(int(order[r]), f"rank {r + 1} of {len(sigma)}") for r in ranks]
    nearest = int(np.abs(np.log(sigma / sigma_0)).argmin())
    chosen: dict[int, str] = {}
    if sigma[order[0]] < sigma_0:
        chosen[int(order[0])] = "smallest σ*"
    chosen.setdefault(nearest, "σ* nearest to σ₀")
    if sigma[order[-1]] > sigma_0:
        chosen.setdefault(int(order[-1]), "largest σ*")
    return list(chosen.items())


def measure(files: Files, options: ImageOptions) -> Picture:
    """Inputs clean, with noise of the fixed scale, and with noise of their own scale.

    ``scales=FILE`` is the table of scales, whose record says data and noise. The other files are
    certificates at the fixed scale and at the scales shown, as far as there are any: with them,
    prediction and radius stand below a picture. Raises SmoothcertError for certificates of
    something else, an idx that the data lacks, or data that is no images.
    """
    path = files.one("scales")
    identity = _identity(path)
    runs = read_runs(files[""])
    of_runs = next((run.scaling for run in runs if run.scaling != "fixed"), None)
    scales = read_scales(path, options.scaling or of_runs)
    fixed, adapted = _certificates(runs, identity, scales.scaling)
    data = datasets.load(identity["dataset"], identity["split"])
    noise = NOISES.parse(identity["noise"])
    seed = identity["seed"] if options.seed is None else options.seed
    _check(data, scales)
    rows: list[Row] = []
    pictures = []
    for position, chosen_as in examples(scales.sigma, noise.scale, options.rows):
        idx, sigma = int(scales.idx[position]), float(scales.sigma[position])
        pictures.append(_pictures(data, noise, idx, sigma, seed))
        rows.append({
            "dataset": data.name, "noise": noise.slug, "scaling": scales.scaling, "idx": idx,
            "chosen_as": chosen_as, "class": _name(data, int(data.labels[idx])),
            **_answer(data, fixed, idx, "fixed"), **_answer(data, adapted, idx, "own"),
            "scale_0": Number(noise.scale, unit=RADIUS), "scale": Number(sigma, unit=RADIUS),
        })  # fmt: skip
    below, above = _counts(scales.sigma, noise.scale)
    total = len(scales.idx)
    rows.append({
        "dataset": data.name, "noise": noise.slug, "scaling": scales.scaling,
        "below": Number(below, inputs=total), "above": Number(above, inputs=total),
    })  # fmt: skip
    about = f"{data.name}, {readable.noise(noise.slug)}, σ* by {readable.scaling(scales.scaling)}"
    notes = (
        f"{about}. σ* < σ₀ for {below} and σ* > σ₀ for {above} of {total} inputs. Same noise"
        " draw at both scales; pixels clipped to [0, 1] here only."
    )
    more = {"pictures": pictures, "notes": notes, "title": options.title}
    return Picture(frame("ddrs_images", rows), more)


def _identity(path: Path) -> dict[str, Any]:
    """Data, noise, split and seed of a table of scales, from its record."""
    record = sidecar(path)
    if not record.exists():
        raise SmoothcertError(
            f"{record}: no such record; it states which data the scales belong to"
        )
    identity = json_mapping(f"@{record}", str(record)).get("identity")
    known = {"seed": 0, "split": "test", **(identity if isinstance(identity, dict) else {})}
    for key in ("dataset", "noise"):
        if not isinstance(known.get(key), str):
            raise SmoothcertError(f"{record}: lacks {key}, to which the scales belong")
    return known


def _certificates(
    runs: Sequence[Run], identity: dict[str, Any], scaling: str
) -> tuple[Run | None, Run | None]:
    """Those at the fixed scale and those at the scales shown, as far as they are given."""
    by_scaling: dict[str | None, Run] = {}
    for run in runs:
        if run.scaling not in ("fixed", scaling):
            raise SmoothcertError(
                f"{run.path}: scaling {run.scaling}; expected fixed or {scaling}, which are shown"
            )
        if (run.dataset, run.noise) != (identity["dataset"], identity["noise"]):
            raise SmoothcertError(
                f"{run.path}: for {run.dataset} and {run.noise}; expected {identity['dataset']} and"
                f" {identity['noise']}, as the scales"
            )
        if run.scaling in by_scaling:
            raise SmoothcertError(f"{run.path}: a second table of scaling {run.scaling}")
        by_scaling[run.scaling] = run
    return by_scaling.get("fixed"), by_scaling.get(scaling)


def _check(data: Dataset, scales: Scales) -> None:
    if len(data.shape) != 3:
        raise SmoothcertError(f"data set {data.name}: holds points; expected images")
    beyond = scales.idx[(scales.idx < 0) | (scales.idx >= len(data))]
    if len(beyond):
        raise SmoothcertError(
            f"data set {data.name}: no input {beyond[0]}; expected an idx below {len(data)}"
        )


def _pictures(
    data: Dataset, noise: Noise, idx: int, sigma: float, seed: int
) -> list[NDArray[np.float32]]:
    """Three pictures [channels, height, width]: clean, at the fixed scale, at its own."""
    clean = data.images[idx]
    eps = noise.sample((1, *data.shape), generator(seed, STREAM, idx))[0]
    return [(clean + s * eps).clamp(0, 1).numpy() for s in (0.0, noise.scale, sigma)]


def _counts(sigma: NDArray[np.float64], sigma_0: float) -> tuple[int, int]:
    same = np.isclose(sigma, sigma_0, rtol=1e-9, atol=0)
    return int(((sigma < sigma_0) & ~same).sum()), int(((sigma > sigma_0) & ~same).sum())


def _answer(data: Dataset, run: Run | None, idx: int, key: str) -> Row:
    """What is predicted (``class 3``, "abstains", ...) and the certified radius, if any."""
    if run is None:
        return {f"answer_{key}": None}
    at = np.flatnonzero(run.table.idx == idx)
    if not len(at):
        return {f"answer_{key}": "not certified"}
    predict = int(run.table.predict[at[0]])
    if predict < 0:
        return {f"answer_{key}": "abstains"}
    wrong = "" if run.table.correct[at[0]] else " (wrong)"
    radius = Number(float(run.table.radius[at[0]]), unit=RADIUS)
    return {f"answer_{key}": f"{_name(data, predict)}{wrong}", f"certified_{key}": radius}


def _name(data: Dataset, label: int) -> str:
    """A class by its name, cut to what fits below a picture; ``class 3`` for digits."""
    name = data.classes[label] if label < len(data.classes) else str(label)
    name = f"class {name}" if name.isdigit() else name
    return name if len(name) <= 12 else f"{name[:11]}…"


# --- how it is drawn -----------------------------------------------------------------------


def draw(picture: Picture) -> Figure:
    """A row of three pictures an input, in two blocks where there are many."""
    inputs = [part for _, part in picture.numbers[picture.numbers.idx.notna()].groupby("row")]
    blocks = 1 if len(inputs) <= 4 else 2
    deep = -(-len(inputs) // blocks)
    with style():
        wide = CELL * (3 * blocks + 0.25 * (blocks - 1)) + 0.4
        figure = Figure(figsize=(wide, (CELL + 0.4) * deep + 1.3))
        widths = ([1.0, 1.0, 1.0, 0.25] * blocks)[:-1]
        grid = figure.add_gridspec(deep, len(widths), width_ratios=widths)
        for i, (part, shown) in enumerate(zip(inputs, picture.more["pictures"], strict=True)):
            left = 4 * (i // deep)
            panels = [figure.add_subplot(grid[i % deep, left + j]) for j in range(3)]
            for axes, image in zip(panels, shown, strict=True):
                _show(axes, image)
            _words(panels, part)
        heading(figure, picture.more["title"])
        add_notes(figure, picture.more["notes"])
    return figure


def _show(axes: Axes, image: NDArray[np.float32]) -> None:
    look: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if len(image) == 1 else {}
    shown = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axes.imshow(shown, interpolation="nearest", **look)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("0.7")


def _words(panels: Sequence[Axes], numbers: pd.DataFrame) -> None:
    about, values = numbers.iloc[0], dict(zip(numbers.metric, numbers.value, strict=True))
    titles = (about.chosen_as, f"σ₀ = {values['scale_0']:g}", f"σ* = {values['scale']:.3f}")
    below = [f"input {int(about.idx)}, {about['class']}"]
    for key in ("fixed", "own"):
        radius = values.get(f"certified_{key}")
        reach = "" if radius is None else f", r = {printed_radius(radius)}"
        below.append(f"{about[f'answer_{key}'] or ''}{reach}")
    for axes, title, text in zip(panels, titles, below, strict=True):
        axes.set_title(title, fontsize="small")
        axes.set_xlabel(text, fontsize="small")
