"""``smoothcert nongaussian PART``: what the non-Gaussian noises are without a classifier.

``ablation`` and ``toy`` compute and write a CSV file; ``figure`` draws fig1, fig2, or what the
other two wrote.
"""

from __future__ import annotations

import argparse
from typing import Any

from smoothcert.cli.common import json_mapping
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.nongaussian.study.ablation import NUMBERS, Point, ablation
from smoothcert.papers.nongaussian.study.results import read_points, write_points
from smoothcert.papers.nongaussian.study.toy import ToyPoint, toy

HELP = "non-Gaussian noise without a classifier: ablation, toy example, figures"

_DEFAULTS: dict[str, dict[str, Any]] = {
    "ablation": {
        "d": [64, 784, 3072],
        "shares": [0, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98],
        "p": [0.6, 0.9, 0.99, 0.999],
        "numbers": NUMBERS,
        "seed": 0,
    },
    "toy": {
        "attacks": [0.1, 0.2],
        "accuracies": [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99],
        "k": [0, 0.25, 0.5, 1, 2, 3, 4, 4.5],
        "seed": 0,
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PART is ablation, toy or figure."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, text in (
        ("ablation", "certified radius against k at equal noise energy"),
        ("toy", "accuracy and robustness of a ball in five dimensions (figure 3)"),
    ):
        part = parts.add_parser(name, help=text, description=text)
        keys = ", ".join(_DEFAULTS[name])
        part.add_argument("--spec", metavar="JSON", default="{}", help=f"JSON or @FILE: {keys}")
        part.add_argument("--out", required=True, metavar="FILE.csv")
    figure = parts.add_parser("figure", help="a figure as PDF and PNG")
    figure.add_argument("name", choices=["fig1", "fig2", "fig3", "ablation"])
    figure.add_argument("file", nargs="?", metavar="CSV", help="for fig3 and ablation")
    figure.add_argument("--p", type=float, default=0.99, help="for ablation (default 0.99)")
    figure.add_argument("--out", required=True, metavar="BASE", help="writes BASE.pdf and BASE.png")


def run(args: argparse.Namespace) -> None:
    """Compute or draw."""
    if args.part == "figure":
        _figure(args)
        return
    spec = _spec(args.spec, args.part)
    if args.part == "ablation":
        points: list[Any] = ablation(
            *(spec[key] for key in ("d", "shares", "p", "seed", "numbers"))
        )
    else:
        points = toy(spec["attacks"], spec["accuracies"], spec["k"], spec["seed"])
    write_points(args.out, points)
    print(f"{args.out}: {len(points)} points")


def _spec(text: str, part: str) -> dict[str, Any]:
    spec = json_mapping(text, "--spec")
    spec.pop("code", None)
    known = _DEFAULTS[part]
    for key, value in spec.items():
        if key not in known:
            raise SmoothcertError(f"--spec: unknown key {key!r}; expected {', '.join(known)}")
        numbers = value if isinstance(known[key], list) else [value]
        whole = key in ("d", "numbers", "seed")
        if (
            not isinstance(numbers, list)
            or not numbers
            or any(isinstance(v, bool) or not isinstance(v, int if whole else (int, float))
                   for v in numbers)
        ):  # fmt: skip
            kind = "whole numbers" if whole else "numbers"
            raise SmoothcertError(f"--spec: {key}: expected {kind}, found {value!r}")
    return {**known, **spec}


def _figure(args: argparse.Namespace) -> None:
    from smoothcert.figures import save
    from smoothcert.papers.nongaussian import figures as nongaussian

    if (args.file is None) == (args.name in ("fig3", "ablation")):
        wanted = "a CSV file" if args.file is None else "no file"
        raise SmoothcertError(f"figure {args.name}: expected {wanted}")
    if args.name == "fig1":
        figure = nongaussian.figure1()
    elif args.name == "fig2":
        figure = nongaussian.figure2()
    elif args.name == "fig3":
        figure = nongaussian.figure3(read_points(args.file, ToyPoint))
    else:
        figure = nongaussian.ablation_figure(read_points(args.file, Point), args.p)
    for path in save(figure, args.out):
        print(path)
