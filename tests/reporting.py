"""Generated certificates on workflow paths, for the tests of tables, figures and notebooks."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.special import ndtr, ndtri

from smoothcert.certificates import make_table, write_certificates
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.report.style import style


def certificates(
    root, dataset="digits", arch="tiny_cnn", sigmas=(0.25, 0.5), inputs=80, n=2000, record=None
):
    """One table a noise scale, from simulated votes; returns their paths."""
    shared = np.random.default_rng(0)
    label, ease = shared.integers(0, 10, inputs), shared.normal(size=inputs)
    paths = []
    for sigma in sigmas:
        rng = np.random.default_rng(int(1000 * sigma))
        count = rng.binomial(n, ndtr(1.3 - sigma + ease + 0.3 * rng.normal(size=inputs)))
        lower = clopper_pearson_lower(count, n, 0.001)
        answer = np.where(rng.random(inputs) < 0.9, label, (label + 1) % 10)
        table = make_table(
            idx=np.arange(inputs),
            label=label,
            predict=np.where(lower > 0.5, answer, -1),
            radius=sigma * ndtri(np.maximum(lower, 0.5)),
            time=0.25,
            p_lower=lower,
            count=count,
            n=n,
            n0=100,
            alpha=0.001,
            sigma=sigma,
            noise=f"gaussian-{sigma:.2f}",
            norm="l2",
            budget=f"fixed-{n}",
            scaling="fixed",
        )
        folder = root / "certificates" / dataset / arch / f"cohen-fs-{sigma:.2f}"
        path = folder / f"gaussian-{sigma:.2f}" / "fixed" / f"fixed-{n}.tsv"
        write_certificates(path, table, record or {"seed": 7, "device": "cpu"})
        paths.append(str(path))
    return paths


def fits(figure):
    """Whether nothing of a figure, its heading and legends included, leaves its page."""
    with style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.get_tightbbox(canvas.get_renderer())  # inches
    width, height = figure.get_size_inches()
    return min(box.x0, box.y0) > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02


def words(figure):
    """What the legends and texts of a figure say, one line each."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    said = [text.get_text() for one in legends if one for text in one.get_texts()]
    return said + [text.get_text() for axes in figure.axes for text in axes.texts]
