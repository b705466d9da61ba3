"""``smoothcert iss WHAT --out BASE``: the tables and figures of ISS that need no model of ours.

=========== ==============================================================================
table3      seconds to build the sample-size mapping
fig3, fig6  closed form: equal declines; samples against p_A
fig4        ISS against IAS by p_A (closed form), and with FILE the p_A of its inputs
fig1        ACR against average samples, from replays of FILE (figure 5 is the same, by model)
fig6-lower  ACR and samples by k0 and desired size, from replays of FILE
coverage    the exact failure probability of Algorithm 2, read in every way: figure and CSV
=========== ==============================================================================
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from smoothcert.budget import BUDGETS
from smoothcert.errors import SmoothcertError
from smoothcert.figures import iss as figures
from smoothcert.figures.style import save
from smoothcert.files import write_text

if TYPE_CHECKING:
    import argparse

    from smoothcert.replay import Record, Replay

WHAT = ("table3", "fig1", "fig3", "fig4", "fig6", "fig6-lower", "coverage")
FAMILIES = (
    ("IAS (fixed)", [f"fixed-{k}" for k in (8000, 12000, 20000, 30000, 45000, 60000)]),
    ("ISS, absolute", [f"iss_ad{u}-100000" for u in ("0.03", "0.05", "0.07", "0.10", "0.20")]),
    ("ISS, fresh", [f"iss-fresh_ad{u}-100000" for u in ("0.03", "0.05", "0.07", "0.10", "0.20")]),
    ("ISS, relative", [f"iss_rd{u}-100000" for u in ("0.05", "0.10", "0.20")]),
    ("sequential, price",
     [f"sequential_{u}-100000" for u in ("0.01", "0.02", "0.03", "0.05", "0.10")]),
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("file", nargs="?", metavar="FILE", help="published table, or votes (.npz)")
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.add_argument("--scale", type=float, help="noise scale (0.5 where no FILE is read)")
    parser.add_argument("--alpha", type=float, help="of a published table; default: found")
    parser.add_argument("--every", type=int, default=1, help="use every K-th input of FILE (1)")
    parser.add_argument("--repeats", type=int, default=3, help="draws of a replay (3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=120, help="p_A values of coverage (120)")
    parser.add_argument("--title")


def run(args: argparse.Namespace) -> int:
    """Make one; prints what was written."""
    if args.what == "table3":
        from smoothcert.tables import to_markdown, write_table
        from smoothcert.tables.iss import mapping_times

        table = mapping_times(args.scale or 0.5)
        write_table(args.out, table)
        print(to_markdown(table), end="")
        return 0
    if args.what == "coverage":
        _write(f"{args.out}.csv", _coverage())
    for path in save(_figure(args), args.out):
        print(path)
    return 0


def _figure(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    scale = args.scale or 0.5
    if args.what == "fig3":
        return figures.equal_decline(scale)
    if args.what == "fig6":
        return figures.sizes(scale)
    if args.what == "coverage":
        return figures.failures(scale, points=args.points)
    if args.what == "fig4":
        return figures.gain(record=_record(args) if args.file else None)
    record = _record(args)
    if args.what == "fig6-lower":
        return figures.stage_one(_stage_one(record, args))
    groups = [(name, _replays(record, slugs, args)) for name, slugs in FAMILIES]
    return figures.trade_off(groups, args.title or "ACR against samples (replay)")


def _record(args: argparse.Namespace) -> Record:
    from smoothcert.published import import_certificates
    from smoothcert.replay import record
    from smoothcert.votes import VoteStore

    if args.file is None:
        raise SmoothcertError(f"{args.what}: give a published table or votes as FILE")
    if args.file.endswith(".npz"):
        return record(VoteStore.read(args.file), args.every)
    if args.scale is None:
        raise SmoothcertError(f"{args.file}: give its noise scale with --scale")
    return record(import_certificates(args.file, args.scale, alpha=args.alpha), args.every)


def _replays(record: Record, slugs: list[str], args: argparse.Namespace) -> list[Replay]:
    from smoothcert.replay import replay_all

    budgets = [BUDGETS.parse(slug) for slug in slugs]
    return replay_all(record, budgets, repeats=args.repeats, seed=args.seed)


def _stage_one(
    record: Record, args: argparse.Namespace
) -> list[tuple[float, list[tuple[int, Replay]]]]:
    """For each share k0 / kbar, replays over the desired sizes."""
    out = []
    for share in (0.002, 0.01, 0.05, 0.1):
        sizes = (20_000, 50_000, 100_000)
        slugs = [
            f"iss_ad0.05-{n}" if share == 0.01 else f"iss_s{round(share * n)}_ad0.05-{n}"
            for n in sizes
        ]
        out.append((share, list(zip(sizes, _replays(record, slugs, args), strict=True))))
    return out


def _coverage() -> list[dict[str, object]]:
    from smoothcert.audits.coverage import exact_table
    from smoothcert.budget.psi import Decline, Mapping
    from smoothcert.noise import Gaussian

    settings = [
        (f"{kind.upper()} {u:g}", Mapping(Decline(**{kind: u}), 100_000, 0.001, 200), scale)
        for kind, u, scales in (
            ("ad", 0.05, (0.25, 0.5, 1.0)), ("ad", 0.1, (0.25, 0.5, 1.0)),
            ("rd", 0.01, (0.5,)), ("rd", 0.05, (0.5,)),
        )
        for scale in scales
    ]  # fmt: skip
    return exact_table(settings, Gaussian(1.0), 1)


def _write(path: str, rows: list[dict[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    print(path)
