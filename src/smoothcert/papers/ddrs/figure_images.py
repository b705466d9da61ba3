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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoothcert.certificates import CertificateTable
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import Dataset
from smoothcert.noise import Noise
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.style import style

STREAM = "illustration"  # the draws of these pictures; no certificate and no search uses them
CELL = 1.75  # inches


@dataclass(frozen=True)
class Scales:
    """The scales that one scaling chose: ``sigma`` [N] of the inputs ``idx`` [N], in pixels."""

    idx: NDArray[np.int64]
    sigma: NDArray[np.float64]
    scaling: str

    def of(self, idx: int) -> float:
        """The scale of one input."""
        return float(self.sigma[self.idx == idx][0])


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


def images(
    data: Dataset,
    noise: Noise,
    scales: Scales,
    *,
    rows: int = 3,
    seed: int = 0,
    fixed: CertificateTable | None = None,
    adapted: CertificateTable | None = None,
    title: str | None = None,
) -> Figure:
    """Each input clean, with noise of scale ``noise.scale``, and with noise of its own scale.

    ``data`` holds the whole split. ``fixed`` and ``adapted`` are certificates at the two scales:
    with them, prediction and radius stand below a picture. Raises SmoothcertError for an idx
    that the data lacks, or data that is no images.
    """
    sigma_0 = noise.scale
    if len(data.shape) != 3:
        raise SmoothcertError(f"data set {data.name}: holds points; expected images")
    beyond = scales.idx[(scales.idx < 0) | (scales.idx >= len(data))]
    if len(beyond):
        raise SmoothcertError(
            f"data set {data.name}: no input {beyond[0]}; expected an idx below {len(data)}"
        )
    chosen = examples(scales.sigma, sigma_0, rows)
    blocks = 1 if len(chosen) <= 4 else 2
    deep = -(-len(chosen) // blocks)
    with style():
        wide = CELL * (3 * blocks + 0.25 * (blocks - 1)) + 0.4
        figure = Figure(figsize=(wide, (CELL + 0.4) * deep + 1.1))
        widths = [1.0, 1.0, 1.0, 0.25] * blocks
        grid = figure.add_gridspec(deep, len(widths) - 1, width_ratios=widths[:-1])
        for i, (position, which) in enumerate(chosen):
            idx = int(scales.idx[position])
            left = 4 * (i // deep)
            panels = [figure.add_subplot(grid[i % deep, left + j]) for j in range(3)]
            _row_of_panels(panels, data, noise, idx, scales.of(idx), seed)
            _words(panels, data, idx, which, sigma_0, scales.of(idx), fixed, adapted)
        figure.suptitle(title or _title(data, noise, scales))
        below, above = (int(v) for v in _counts(scales.sigma, sigma_0))
        figure.supxlabel(
            f"σ* < σ₀ for {below} and σ* > σ₀ for {above} of {len(scales.idx)} inputs. The same"
            " draw of noise\nat both scales; pixels clipped to [0, 1] here only.",
            fontsize="small",
        )
    return figure


def _counts(sigma: NDArray[np.float64], sigma_0: float) -> tuple[int, int]:
    same = np.isclose(sigma, sigma_0, rtol=1e-9, atol=0)
    return int(((sigma < sigma_0) & ~same).sum()), int(((sigma > sigma_0) & ~same).sum())


def _title(data: Dataset, noise: Noise, scales: Scales) -> str:
    return f"{data.name}, σ₀ = {noise.scale:g} ({noise.name}), σ* by {scales.scaling}"


def _row_of_panels(
    panels: Sequence[Axes], data: Dataset, noise: Noise, idx: int, sigma: float, seed: int
) -> None:
    clean = data.images[idx]
    eps = noise.sample((1, *data.shape), generator(seed, STREAM, idx))[0]
    for axes, scale in zip(panels, (0.0, noise.scale, sigma), strict=True):
        picture = (clean + scale * eps).clamp(0, 1).numpy()
        look: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if len(picture) == 1 else {}
        shown = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
        axes.imshow(shown, interpolation="nearest", **look)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color("0.7")


def _words(
    panels: Sequence[Axes],
    data: Dataset,
    idx: int,
    which: str,
    sigma_0: float,
    sigma: float,
    fixed: CertificateTable | None,
    adapted: CertificateTable | None,
) -> None:
    label = int(data.labels[idx])
    panels[0].set_title(which, fontsize="small")
    panels[0].set_xlabel(f"input {idx}, {_name(data, label)}", fontsize="small")
    for axes, text, table in (
        (panels[1], f"σ₀ = {sigma_0:g}", fixed),
        (panels[2], f"σ* = {sigma:.3f}", adapted),
    ):
        axes.set_title(text, fontsize="small")
        if table is not None:
            axes.set_xlabel(_answer(data, table, idx), fontsize="small")


def _answer(data: Dataset, table: CertificateTable, idx: int) -> str:
    """``class 3, r = 0.412``, or what is wrong with it."""
    at = np.flatnonzero(table.idx == idx)
    if not len(at):
        return "not certified"
    predict = int(table.predict[at[0]])
    if predict < 0:
        return "abstains"
    wrong = "" if table.correct[at[0]] else " (wrong)"
    return f"{_name(data, predict)}{wrong}, r = {printed_radius(float(table.radius[at[0]]))}"


def _name(data: Dataset, label: int) -> str:
    """A class by its name, cut to what fits below a picture; ``class 3`` for digits."""
    name = data.classes[label] if label < len(data.classes) else str(label)
    name = f"class {name}" if name.isdigit() else name
    return name if len(name) <= 12 else f"{name[:11]}…"
