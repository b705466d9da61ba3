"""``smoothcert replay FILE --budget SLUG...``: published certificates under other budgets."""

from __future__ import annotations

import argparse
import csv
import io

import numpy as np

from smoothcert.budget import BUDGETS
from smoothcert.certificates import metrics
from smoothcert.certificates.published import import_certificates
from smoothcert.certificates.replay import Record, Replay, record, replay_all
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report import printing
from smoothcert.votes import VoteStore

NOTE = (
    "A replay draws the recorded votes again without replacement; it is no new certificate.\n"
    "The certified class is taken as chosen; abstentions (votes unknown) stay abstentions and\n"
    "cost the samples of a class of probability {abstained:g}. Samples include selection votes."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table does not say its noise scale."""
    parser.add_argument(
        "file", metavar="FILE", help="a published table (.tsv, .gz) or votes (.npz)"
    )
    parser.add_argument(
        "--budget", nargs="+", required=True, metavar="SLUG",
        help="the first is what the others are compared with",
    )  # fmt: skip
    parser.add_argument("--scale", type=float, help="Gaussian noise scale (of a table)")
    parser.add_argument("--n", type=int, default=100_000, help="samples of the table (100,000)")
    parser.add_argument("--alpha", type=float, help="the table's; default: found from the radii")
    parser.add_argument("--every", type=int, default=1, help="use every K-th input (1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=10, help="draws to average over (10)")
    parser.add_argument("--look", type=int, default=200, help="granularity of sizes (200)")
    parser.add_argument("--abstained", type=float, default=0.5, help="see below (0.5)")
    parser.add_argument("--counts", choices=["lowest", "random"], default="lowest")
    parser.add_argument("--radii", help="0,0.25,... or START:STOP:STEP")
    parser.add_argument("--strict", action="store_true", help="accuracy at radius > r, not >= r")
    parser.add_argument("--out", metavar="CSV", help="also write the numbers in full precision")
    parser.epilog = NOTE.format(abstained=0.5)


def run(args: argparse.Namespace) -> int:
    """Replay, print a table, and write it."""
    if args.every < 1 or args.repeats < 1 or args.look < 1:
        raise SmoothcertError("--every, --repeats and --look: expected at least 1")
    budgets = [BUDGETS.parse(slug) for slug in args.budget]
    published = record(_store(args), args.every)
    replays = replay_all(
        published, budgets, repeats=args.repeats, seed=args.seed, look=args.look,
        abstained=args.abstained, counts=args.counts,
    )  # fmt: skip
    radii = metrics.parse_radii(args.radii) if args.radii else _radii(published, replays)
    rows = [_row(one, replays[0], radii, args.strict) for one in replays]
    print(_summary(published) + "\n" + _table(rows) + "\n" + NOTE.format(abstained=args.abstained))
    if args.out:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(args.out, text.getvalue())
    return 0


def _store(args: argparse.Namespace) -> VoteStore:
    if args.file.endswith(".npz"):
        return VoteStore.read(args.file)
    if args.scale is None:
        raise SmoothcertError(f"{args.file}: give its noise scale with --scale")
    return import_certificates(args.file, args.scale, args.n, args.alpha)


def _radii(published: Record, replays: list[Replay]) -> np.ndarray:
    top = max(float(one.radius.max(initial=0.0)) for one in replays)
    step = 0.25 if top < 2 else 0.5
    return metrics.radius_grid(0, step * int(top / step), step)


def _row(one: Replay, first: Replay, radii: np.ndarray, strict: bool) -> dict[str, object]:
    samples, acr = one.average_samples(), one.acr()
    more, gain = one.against(first)
    accuracy = one.certified_accuracy(radii, strict)
    row: dict[str, object] = {"budget": one.budget.slug}
    for name, estimate in (
        ("samples", samples), ("samples_difference", more),
        ("acr", acr), ("acr_difference", gain),
    ):  # fmt: skip
        row[name] = float(estimate.value)
        row[f"{name}_low"], row[f"{name}_high"] = float(estimate.low), float(estimate.high)
    row |= {"mad": one.mad(), "beyond_record": one.beyond}
    for r, value in zip(radii, accuracy.value, strict=True):
        row[f"accuracy_{r:g}"] = 100 * float(value)
    return row


def _summary(published: Record) -> str:
    return (
        f"{len(published)} inputs, {published.noise.slug}, {published.size:,} recorded votes each;"
        f" {int((published.predict < 0).sum())} abstentions, {int(published.correct.sum())} correct"
    )


def _table(rows: list[dict[str, object]]) -> str:
    """Fixed-width text: differences are against the first budget, paired, with 95% intervals."""
    accuracies = [key for key in rows[0] if key.startswith("accuracy_")]
    head = ["budget", "samples", "ACR", "ACR difference (95%)", "MAD"]
    lines = [head + [key.removeprefix("accuracy_") for key in accuracies]]
    for i, row in enumerate(rows):
        values = {k: float(v) for k, v in row.items() if k != "budget"}  # type: ignore[arg-type]
        difference = "" if i == 0 else (
            f"{values['acr_difference']:+.4f} [{values['acr_difference_low']:+.4f},"
            f" {values['acr_difference_high']:+.4f}]"
        )  # fmt: skip
        lines.append([
            str(row["budget"]), f"{values['samples']:,.0f}", printing.radius(values["acr"]),
            difference, f"{values['mad']:.3f}", *(f"{values[key]:.1f}" for key in accuracies),
        ])  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
