"""``smoothcert lbrs``: locally biased smoothing, its experiments and their figures.

``spiral`` and ``image`` measure, ``certify`` certifies a smooth network, ``figure`` draws what
the first two wrote, ``claims`` compares it with the paper's claims.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.cli.common import json_mapping
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, write_text
from smoothcert.lbrs import norms
from smoothcert.lbrs.results import (
    SPIRAL_COLUMNS,
    read_accuracies,
    read_spiral,
    spiral_rows,
    write_rows,
)

# Parts of a specification; "code" is the fingerprint by which the workflow sees changed code.
_PARTS = {
    "spiral": {"spiral", "bias", "shown", "grid", "exact", "code"},
    "image": {"task", "recipe", "sweep", "code"},
    "certify": {"task", "recipe", "norms", "bias", "head", "code"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, text, out in (
        ("spiral", "the spiral with a linear SVM (figures 1 and 2)", "BASE.npz, .csv, .json"),
        ("image", "accuracy of one class against the rest (figures 3 to 6)", "BASE.csv, .json"),
        ("certify", "certificates of a smooth network", "BASE/NORM-FORM-bBIAS.tsv, .json"),
    ):
        part = parts.add_parser(name, help=text, description=text)
        part.add_argument("--spec", metavar="JSON", default="{}", help="JSON or @FILE")
        part.add_argument("--out", required=True, metavar="BASE", help=f"writes {out}")
        if name == "image":
            part.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    figure = parts.add_parser("figure", help="a figure of the paper as PDF and PNG")
    figure.add_argument("name", choices=["regions", "radii", "sweep", "attack"])
    figure.add_argument("files", nargs="+", metavar="FILE", help="what spiral or image wrote")
    figure.add_argument("--out", required=True, metavar="BASE", help="writes BASE.pdf and BASE.png")
    figure.add_argument("--title", help="title")
    claims = parts.add_parser("claims", help="the paper's claims beside what was measured")
    claims.add_argument("--spiral", metavar="NPZ", required=True)
    claims.add_argument("files", nargs="+", metavar="NAME=CSV", help="accuracies of a data set")
    claims.add_argument("--out", required=True, metavar="BASE", help="writes BASE.csv and BASE.md")


def run(args: argparse.Namespace) -> None:
    {"spiral": _spiral, "image": _image, "certify": _certify, "figure": _figure, "claims": _claims}[
        args.part
    ](args)


def _spec(args: argparse.Namespace, **defaults: Any) -> dict[str, Any]:
    spec = json_mapping(args.spec, "--spec")
    for key in spec:
        if key not in _PARTS[args.part]:
            known = ", ".join(sorted(_PARTS[args.part]))
            raise SmoothcertError(f"--spec: unknown key {key!r}; expected {known}")
    return {**defaults, **spec}


def _numbers(spec: dict[str, Any], key: str) -> np.ndarray:
    """An ascending list of numbers >= 0."""
    try:
        values = np.array(spec[key], np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if (
        values.ndim != 1
        or not len(values)
        or not (values >= 0).all()
        or (np.diff(values) <= 0).any()
    ):
        raise SmoothcertError(
            f"--spec: {key}: expected ascending numbers >= 0, found {spec[key]!r}"
        )
    return values


def _record(base: Path, spec: dict[str, Any], device: str | None = None, **more: Any) -> None:
    from smoothcert.core import provenance

    record = {"specification": spec, **more, "made": provenance.record(device)}
    write_text(base.with_name(base.name + ".json"), json.dumps(record, indent=1, sort_keys=True))


def _spiral(args: argparse.Namespace) -> None:
    from smoothcert.lbrs import spiral
    from smoothcert.training.settings import from_mapping

    spec = _spec(args, spiral={}, bias=[0, 1, 3, 10], shown=[0, 1, 3, 10], grid=300, exact=200)
    settings = from_mapping(spiral.Spiral, spec["spiral"], "--spec: spiral")
    for key in ("grid", "exact"):
        if not isinstance(spec[key], int) or spec[key] < 0:
            raise SmoothcertError(f"--spec: {key}: expected an integer >= 0, found {spec[key]!r}")
    out, about = spiral.run(
        settings, _numbers(spec, "bias"), _numbers(spec, "shown"), spec["grid"], spec["exact"]
    )
    base = Path(args.out)
    _record(base, spec, **about)
    with atomic(base.with_name(base.name + ".npz")) as temporary:
        np.savez_compressed(temporary, **out)  # type: ignore[arg-type]
    rows = spiral_rows(out)
    write_rows(base.with_name(base.name + ".csv"), SPIRAL_COLUMNS, rows)
    for row in rows:
        if row["base"] == "linear-svm" and row["bias"] in out["shown"]:
            radii = row.get("published_true_radius", float("nan")), row["tight_true_radius"]
            print(
                f"{row['norm']} bias {row['bias']:g}: accuracy {row['accuracy']:.3f}, true average"
                f" radius {radii[0]:.3f} as published, {radii[1]:.3f} tight, "
                f"{row['base_true_radius']:.3f} of the base classifier"
            )


def _image(args: argparse.Namespace) -> None:
    from smoothcert.lbrs import image
    from smoothcert.lbrs.train import Recipe
    from smoothcert.training.settings import from_mapping

    spec = _spec(args)
    task = from_mapping(image.Task, spec.get("task", {}), "--spec: task")
    recipe = from_mapping(Recipe, spec.get("recipe", {}), "--spec: recipe")
    sweep = from_mapping(image.Sweep, spec.get("sweep", {}), "--spec: sweep")
    device = _device(args.device)
    rows = image.run(task, recipe, sweep, device)
    base = Path(args.out)
    _record(base, spec, device)
    write_rows(base.with_name(base.name + ".csv"), image.COLUMNS, rows)
    cnn = next(row for row in rows if row["method"] == "cnn")
    print(
        f"{base}.csv: {len(rows)} accuracies; base network {cnn['correct']}/{cnn['inputs']} clean"
    )


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _certify(args: argparse.Namespace) -> None:
    from smoothcert.certificates import write_certificates
    from smoothcert.certificates.metrics import average_certified_radius
    from smoothcert.lbrs import image, smooth
    from smoothcert.lbrs.train import Recipe
    from smoothcert.training.settings import from_mapping

    spec = _spec(args, norms=["l2"], bias=[1.0], head="logit")
    task = from_mapping(image.Task, spec.get("task", {}), "--spec: task")
    recipe = from_mapping(Recipe, spec.get("recipe", {}), "--spec: recipe")
    bias = tuple(float(b) for b in _numbers(spec, "bias"))
    wanted = tuple(norms.check(n) for n in spec["norms"])
    tables, about = smooth.run(task, recipe, wanted, bias, spec["head"])
    folder = Path(args.out)
    for (norm, form, value), table in tables.items():
        path = folder / f"{norm}-{form}-b{value:g}.tsv"
        about_table = {"norm": norm, "form": form, "bias": value}
        write_certificates(path, table, {"specification": spec, **about, **about_table})
        acr = average_certified_radius(table).value
        print(f"{path}: accuracy {table.correct.mean():.3f}, ACR {float(acr):.4f}")


def _figure(args: argparse.Namespace) -> None:
    from smoothcert.papers.lbrs import figures
    from smoothcert.report.style import save

    if args.name in ("regions", "radii"):
        if len(args.files) != 1:
            raise SmoothcertError(f"figure {args.name}: expected one .npz, found {len(args.files)}")
        figure = getattr(figures, args.name)(read_spiral(args.files[0]), args.title)
    else:
        figure = getattr(figures, args.name)(read_accuracies(args.files), args.title)
    for path in save(figure, args.out):
        print(path)


def _claims(args: argparse.Namespace) -> None:
    from smoothcert.papers.lbrs import verdicts as claims

    named: dict[str, list[str]] = {}
    for text in args.files:
        name, equals, path = text.partition("=")
        if not equals or not name:
            raise SmoothcertError(f"claims: expected NAME=CSV, found {text!r}")
        named.setdefault(name, []).append(path)
    accuracies = {name: read_accuracies(paths) for name, paths in named.items()}
    found = claims.judge(read_spiral(args.spiral), accuracies)
    base = Path(args.out)
    write_rows(base.with_name(base.name + ".csv"), claims.COLUMNS, found)
    text = claims.markdown(found)
    write_text(base.with_name(base.name + ".md"), text)
    print(text)
