"""One certificate table as one page: what is certified, where it abstains, some of the images.

The page is a single file, with its pictures inside.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from smoothcert.certificates import ABSTAIN, metrics
from smoothcert.certificates.inputs import data_of, images_of
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import printing
from smoothcert.report.render import render
from smoothcert.report.style import COLOURS, style

SHOWN = 8  # images of a kind


def html(run: Run, data_dir: str | None = None) -> str:
    """The page of a table.

    Images are shown where its record says which they are and they are still there; else the page
    says why not. Without labels there is no accuracy, and the curve is of certified inputs.
    Raises SmoothcertError for a table that cannot be measured.
    """
    table = run.table
    known = bool((table.label >= 0).all())
    groups, why = _groups(run, known, data_dir)
    abstains = np.flatnonzero(table.predict == ABSTAIN)
    return render(
        "one_table.html",
        style="page.css",
        name=run.path.name,
        facts=_facts(run),
        numbers=_numbers(run, known),
        curve=_curve(run, known),
        curve_words=(
            "Fraction of inputs certified correctly at each radius"
            if known
            else "Fraction of inputs certified at each radius, in any class"
        ),
        unit=printing.norm(run.norm),
        heads=["radius", "certified" if known else "certified in a class", "95% interval"],
        rows=_at_radii(run, known),
        abstains=[int(i) for i in table.idx[abstains]],
        groups=groups,
        why=why,
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    """What the table is of, in words."""
    record, table = run.record, run.table
    told = [
        ("data", run.dataset),
        ("model", record.get("arch") or run.arch),
        ("noise", run.noise),
        ("budget", run.budget),
        ("engine", record.get("engine")),
        ("precision", record.get("precision")),
        ("inputs", f"{len(table):,}"),
        ("samples per input", _mean_samples(run)),
        ("each certificate is wrong with probability at most", run.alpha),
    ]
    return [(name, str(value)) for name, value in told if value is not None]


def _mean_samples(run: Run) -> str | None:
    samples = run.table.optional("samples")
    return None if samples is None else f"{samples.mean():,.0f} on average"


def _numbers(run: Run, known: bool) -> list[tuple[str, str, str]]:
    """(name, value, interval); base and smoothed accuracy are called what they are."""
    table = run.table
    rows = []
    if run.base_accuracy is not None:
        rows.append(_percent("accuracy of the base classifier, without noise", run.base_accuracy))
    if known:
        clean = metrics.clean_accuracy(table)
        rows.append(_percent("accuracy of the smoothed classifier", clean))
        acr = metrics.average_certified_radius(table)
        interval = printing.radius_interval(acr)
        rows.append(("average certified radius", printing.radius(acr.value), interval))
    else:
        rows.append(("mean radius", printing.radius(table.radius.mean()), ""))
    rows.append(_percent("abstains", metrics.abstention_rate(table)))
    return rows


def _percent(name: str, found: Estimate) -> tuple[str, str, str]:
    return name, f"{printing.percent(found.value)}%", printing.percent_interval(found)


def _share(run: Run, known: bool, radii: NDArray[np.float64]) -> Estimate:
    """Certified accuracy, or without labels the share that is certified in any class."""
    if known:
        return metrics.certified_accuracy(run.table, radii)
    own = run.table.radius[run.table.predict != ABSTAIN]
    return metrics.proportion((own[None] >= radii[:, None]).sum(1), len(run.table))


def _at_radii(run: Run, known: bool) -> list[tuple[str, str, str]]:
    radii = metrics.default_radii([run.table], 12)
    found = _share(run, known, radii)
    return [
        (f"{r:g}", f"{printing.percent(found[i].value)}%", printing.percent_interval(found[i]))
        for i, r in enumerate(radii)
    ]


def _curve(run: Run, known: bool) -> str:
    """The curve with its 95% band, as a picture for the page."""
    finite = run.table.radius[np.isfinite(run.table.radius)]
    radii = np.unique(np.append(np.linspace(0, max(finite.max(initial=0), 0.1), 200), finite))
    found = _share(run, known, radii)
    with style():
        figure = Figure(figsize=(6.4, 3.6))
        axes = figure.subplots()
        look: dict[str, Any] = {"color": COLOURS[0], "step": "pre", "alpha": 0.18, "linewidth": 0}
        axes.fill_between(radii, 100 * found.low, 100 * found.high, **look)
        axes.plot(radii, 100 * found.value, drawstyle="steps-pre", color=COLOURS[0])
        axes.set(xlabel=f"{printing.norm(run.norm)} radius", ylim=(0, 100), xlim=(0, radii[-1]))
        axes.set_ylabel("certified, % of inputs")
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return _as_text(out.getvalue())


def _groups(
    run: Run, known: bool, data_dir: str | None
) -> tuple[list[tuple[str, list[dict[str, Any]]]], str]:
    """Some images by what was certified of them, and why there are none."""
    table = run.table
    first = "largest radii in the true class" if known else "largest radii"
    kinds = {
        first: (table.predict != ABSTAIN) & ((table.correct == 1) | (not known)),
        "abstains": table.predict == ABSTAIN,
    }
    if known:
        kinds["certified in a wrong class"] = (table.predict != ABSTAIN) & (table.correct == 0)
    order = np.argsort(-table.radius, kind="stable")
    chosen = {kind: order[rows[order]][:SHOWN] for kind, rows in kinds.items()}
    try:
        groups, data = [], data_of(run, data_dir)
        for kind, rows in chosen.items():
            if len(rows):
                pictures = images_of(run, rows=rows.tolist(), data=data)
                shown = [
                    _shown(run, int(i), x.numpy(), data.classes)
                    for i, x in zip(rows, pictures, strict=True)
                ]
                groups.append((kind, shown))
        return groups, ""
    except SmoothcertError as error:
        return [], str(error)


def _shown(run: Run, row: int, image: NDArray, classes: Sequence[str]) -> dict[str, Any]:
    """An image with what is said of it, its classes by name where they have names that are no
    numbers; raises SmoothcertError for a point."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise SmoothcertError(f"inputs of shape {image.shape} are not images")
    values = (image.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    out = io.BytesIO()
    Image.fromarray(np.broadcast_to(values, (*values.shape[:2], 3)).copy()).save(out, format="PNG")
    table = run.table
    label, predict = int(table.label[row]), int(table.predict[row])
    return {
        "source": _as_text(out.getvalue()),
        "idx": int(table.idx[row]),
        "label": _class(label, classes) if label >= 0 else "unknown",
        "predict": _class(predict, classes) if predict != ABSTAIN else "abstains",
        "radius": printing.radius(table.radius[row]),
    }


def _class(number: int, classes: Sequence[str]) -> str:
    named = number < len(classes) and classes[number] != str(number)
    return f"{number} ({classes[number]})" if named else str(number)


def _as_text(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
