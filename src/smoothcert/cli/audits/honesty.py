"""``smoothcert audit honesty [TABLE...] [--votes NPZ...] --out BASE``: tables as a whole.

--votes: all certificates of a store at once, under --budget (at alpha and at alpha / N).
TABLEs: those that differ in scale and scaling only are one choice of the best; its optimism.
Writes BASE.json, tables BASE-together.* and BASE-optimism.* (CSV, Markdown, LaTeX), and the
figure BASE.pdf, .png.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path
from typing import Any

from smoothcert.audits.honesty import Choice, Family
from smoothcert.certificates.runs import Run
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import Verdict, write_verdicts

KEYS = {"budget": str, "radii": str, "repeats": int, "seed": int}
FOLDS = (2, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="certificates (.tsv)")
    parser.add_argument("--votes", nargs="+", default=[], metavar="NPZ", help="vote stores")
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.epilog = (
        "budget: of the stores' certificates; radii: as of `smoothcert metrics`; repeats: random"
        " folds that are averaged (20)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Judge, tabulate and draw."""
    from smoothcert.audits.figure_honesty import honesty
    from smoothcert.audits.tables import families as families_table
    from smoothcert.audits.tables import optimism as optimism_table
    from smoothcert.core import provenance
    from smoothcert.report.style import save
    from smoothcert.report.write import to_markdown, write_table

    spec = {"repeats": 20, "seed": 0, "radii": None, **specification(args, KEYS)}
    if spec["repeats"] < 1:
        raise SmoothcertError(f"repeats {spec['repeats']}: expected at least 1")
    if not (args.votes or args.tables):
        raise SmoothcertError("audit honesty: expected --votes, TABLEs, or both")
    verdicts: list[Verdict] = []
    families = _families(args, spec, verdicts)
    chosen = _choices(args, spec, verdicts)
    base = Path(args.out)
    made = []
    if families:
        from smoothcert.certificates.metrics import default_radii

        radii = spec["radii"] or default_radii([f.plain for _, f in families], most=8)
        made.append(("together", families_table(families, radii)))
    if chosen:
        made.append(("optimism", optimism_table(chosen)))
    for name, table in made:
        write_table(base.with_name(f"{base.name}-{name}"), table)
        print(to_markdown(table), end="")
    for path in save(honesty(families, chosen), args.out):
        print(path)
    for verdict in verdicts:
        print(verdict)
    record = {"specification": spec, "files": [*args.votes, *args.tables],
              "made": provenance.record("cpu")}  # fmt: skip
    return write_verdicts(base.with_name(base.name + ".json"), "honesty", verdicts, record)


def _families(
    args: argparse.Namespace, spec: dict[str, Any], verdicts: list[Verdict]
) -> list[tuple[str, Family]]:
    from smoothcert.audits.honesty import together, together_verdicts
    from smoothcert.budget import BUDGETS
    from smoothcert.votes import VoteStore

    if args.votes and "budget" not in spec:
        raise SmoothcertError("budget is missing: give --budget or --spec")
    found = []
    for path in args.votes:
        store = VoteStore.read(path)
        about = store.identity
        parts = (about.get("dataset"), about.get("training"), about["noise"], about.get("scaling"))
        name = ", ".join(str(p) for p in parts if p)
        family = together(store, BUDGETS.parse(spec["budget"]))
        verdicts += together_verdicts(family, f"{name}, {spec['budget']}")
        found.append((name, family))
    return found


def _choices(
    args: argparse.Namespace, spec: dict[str, Any], verdicts: list[Verdict]
) -> list[tuple[str, int, Choice]]:
    from smoothcert.audits.honesty import choice_verdict, choices
    from smoothcert.certificates.metrics import default_radii, parse_radii
    from smoothcert.certificates.runs import read_runs

    def key(run: Run) -> tuple[str, ...]:
        parts = (run.dataset, run.arch, run.recipe, run.noise_name, run.budget)
        return tuple(str(p or "-") for p in parts)

    found: list[tuple[str, int, Choice]] = []
    runs = sorted(read_runs(args.tables), key=key) if args.tables else []
    tables = [run.table for run in runs]
    radii = default_radii(tables, most=10) if spec["radii"] is None else parse_radii(spec["radii"])
    for name, group in groupby(runs, key=key):
        members = list(group)
        if len(members) < 2:
            continue
        subject = ", ".join(name)
        for folds in FOLDS:
            choice = choices(
                [run.table for run in members], radii, folds, spec["repeats"], spec["seed"]
            )
            verdicts.append(choice_verdict(choice, len(members), subject))
            found.append((", ".join(name[:3]), len(members), choice))
    if args.tables and not found:
        raise SmoothcertError(
            "audit honesty: no two TABLEs that differ in noise scale or scaling only"
        )
    return found
