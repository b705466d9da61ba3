"""``smoothcert iss WHAT [FILE...] --out BASE``: tables and figures of ISS.

Those of certificates are the table ``iss`` of ``smoothcert table``.

=========== ==============================================================================
table2      settings: the paper's, and of the certificate tables FILE
table3      seconds to build the sample-size mapping
fig3, fig6  closed form: equal declines; samples against p_A
fig4        ISS against IAS by p_A (closed form), and with FILE the p_A of its inputs
fig1        ACR against average samples, from replays of each FILE (5 is the same, by model)
fig6-lower  ACR and samples by k0 and desired size, from replays of one FILE
replay      budgets replayed on each FILE, as a table
coverage    the exact failure probability of Algorithm 2, read in every way: figure and CSV
=========== ==============================================================================

What is replayed is a published certificate table (.tsv, .gz) or votes of one size (.npz).
"""

from __future__ import annotations

import argparse
import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from smoothcert.budget import BUDGETS
from smoothcert.budget.psi import Mapping
from smoothcert.certificates.replay import Record, Replay
from smoothcert.certificates.runs import Run
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.tables import Table

TABLES = ("table2", "table3", "replay")
FIGURES = ("fig1", "fig3", "fig4", "fig6", "fig6-lower", "coverage")
KEYS = {
    "scale": float,
    "alpha": float,
    "kbar": int,
    "every": int,
    "repeats": int,
    "seed": int,
    "look": int,
    "points": int,
    "rounds": int,
    "title": str,
}
_DEFAULTS: dict[str, Any] = {
    "scale": None, "alpha": None, "kbar": 100_000, "every": 1, "repeats": 3, "seed": 0,
    "look": 200, "points": 120, "rounds": 2, "title": None,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=sorted((*TABLES, *FIGURES)))
    parser.add_argument("files", nargs="*", metavar="FILE", help="see above")
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.epilog = (
        "scale: of the noise (0.5 where no FILE is read; else found); alpha: of a published table"
        " (found); kbar: desired samples (100000); every: use every K-th input; repeats: draws of"
        " a replay (3); look: granularity of sizes (200); points, rounds: search of coverage."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Make one; prints what was written."""
    spec = {**_DEFAULTS, **specification(args, KEYS)}
    for key in ("kbar", "every", "repeats", "look", "points"):
        if spec[key] < 1:
            raise SmoothcertError(f"{key} {spec[key]}: expected at least 1")
    if args.what in ("fig1", "fig6-lower", "replay", "table2") and not args.files:
        raise SmoothcertError(f"iss {args.what}: expected at least one FILE")
    if args.what in TABLES:
        from smoothcert.tables import to_markdown, write_table

        table = _table(args.what, args.files, spec)
        write_table(args.out, table)
        print(to_markdown(table), end="")
        return 0
    from smoothcert.report.style import save

    if args.what == "coverage":
        _write(f"{args.out}.csv", _coverage(spec))
    for path in save(_figure(args.what, args.files, spec), args.out):
        print(path)
    return 0


def families(kbar: int, look: int) -> list[tuple[str, list[str]]]:
    """The budgets of figures 1 and 5: fixed sizes, and kinds with ``kbar`` desired samples."""
    sizes = sorted(
        {look * max(1, round(s * kbar / look)) for s in (0.08, 0.12, 0.2, 0.3, 0.45, 0.6)}
    )
    absolute, relative = ("0.03", "0.05", "0.07", "0.10", "0.20"), ("0.05", "0.10", "0.20")
    prices = ("0.01", "0.02", "0.03", "0.05", "0.10")
    return [
        ("IAS (fixed)", [f"fixed-{n}" for n in sizes]),
        ("ISS, absolute", [f"iss_ad{u}-{kbar}" for u in absolute]),
        ("ISS, fresh", [f"iss-fresh_ad{u}-{kbar}" for u in absolute]),
        ("ISS, relative", [f"iss_rd{u}-{kbar}" for u in relative]),
        ("sequential, price", [f"sequential_{u}-{kbar}" for u in prices]),
    ]


def compared(kbar: int, look: int) -> list[str]:
    """The budgets of a replay's table; the first is what the others are compared with."""
    half, third = (look * max(1, round(s * kbar / look)) for s in (0.674, 0.26))
    return [
        f"fixed-{kbar}", f"fixed-{half}", f"fixed-{third}",
        *(f"iss_{u}-{kbar}" for u in ("ad0.05", "ad0.10", "rd0.01", "rd0.05")),
        f"iss-fresh_ad0.05-{kbar}", f"sequential_0.02-{kbar}", f"sequential_decide0.50-{kbar}",
        f"sequential_grid0.50-{kbar}",
    ]  # fmt: skip


def _table(what: str, files: list[str], spec: dict[str, Any]) -> Table:
    if what == "table2":
        from smoothcert.certificates.runs import read_runs
        from smoothcert.papers.iss.settings_table import settings

        return settings(read_runs(files))
    if what == "table3":
        from smoothcert.papers.iss.tables import mapping_times

        return mapping_times(spec["scale"] or 0.5, spec["kbar"])
    from smoothcert.papers.iss.replay_table import Replayed, replayed
    from smoothcert.report.table import Options

    models = []
    for file in files:
        name, record, published = _read(file, spec)
        kbar = record.size
        models.append(
            Replayed(name, _replays(record, compared(kbar, spec["look"]), spec), published)
        )
    return replayed(models, Options(title=spec["title"]))


def _figure(what: str, files: list[str], spec: dict[str, Any]) -> Figure:
    from smoothcert.papers.iss import figures

    scale, kbar = spec["scale"] or 0.5, spec["kbar"]
    if what == "fig3":
        return figures.equal_decline(scale)
    if what == "fig6":
        return figures.sizes(scale)
    if what == "coverage":
        return figures.failures(scale, kbar, points=spec["points"])
    if what == "fig4":
        name, record = _read(files[0], spec)[:2] if files else ("", None)
        return figures.gain(record=record, name=name)
    if what == "fig6-lower":
        name, record, _ = _read(files[0], spec)
        return figures.stage_one(_stage_one(record, spec), name)
    panels = []
    for file in files:
        name, record, _ = _read(file, spec)
        groups = families(record.size, spec["look"])
        panels.append((name, [(label, _replays(record, slugs, spec)) for label, slugs in groups]))
    return figures.trade_off(panels, spec["title"])


def _read(file: str, spec: dict[str, Any]) -> tuple[str, Record, Run | None]:
    """A name for print, the votes, and for a published table what it is of."""
    from smoothcert.certificates.published import import_certificates
    from smoothcert.certificates.replay import record
    from smoothcert.certificates.runs import read_run
    from smoothcert.votes import VoteStore

    if file.endswith(".npz"):
        store = VoteStore.read(file)
        about = store.identity
        known = (about.get("dataset"), about.get("training"), about["noise"])
        return ", ".join(k for k in known if k), record(store, spec["every"]), None
    published = read_run(file)
    scale = spec["scale"] or published.sigma
    if scale is None:
        raise SmoothcertError(f"{file}: its name does not say the noise scale; give --scale")
    name = ", ".join(k for k in (published.dataset, published.training, published.noise) if k)
    votes = record(import_certificates(file, scale, alpha=spec["alpha"]), spec["every"])
    return name or Path(file).name, votes, replace(published, record={})


def _replays(record: Record, slugs: list[str], spec: dict[str, Any]) -> list[Replay]:
    from smoothcert.certificates.replay import replay_all

    budgets = [BUDGETS.parse(slug) for slug in slugs]
    settings = {key: spec[key] for key in ("repeats", "seed", "look")}
    return replay_all(record, budgets, **settings)


def _stage_one(
    record: Record, spec: dict[str, Any]
) -> list[tuple[float, list[tuple[int, Replay]]]]:
    """For each share k0 / kbar, replays over the desired sizes."""
    look = spec["look"]
    sizes = [look * max(1, round(s * record.size / look)) for s in (0.2, 0.5, 1.0)]
    out = []
    for share in (0.002, 0.01, 0.05, 0.1):
        slugs = [
            f"iss_ad0.05-{n}" if share == 0.01 else f"iss_s{max(1, round(share * n))}_ad0.05-{n}"
            for n in sizes
        ]
        out.append((share, list(zip(sizes, _replays(record, slugs, spec), strict=True))))
    return out


def _coverage(spec: dict[str, Any]) -> list[dict[str, object]]:
    from smoothcert.audits.coverage import exact_table
    from smoothcert.budget.psi import Decline
    from smoothcert.noise import Gaussian

    # A relative decline of a Gaussian radius is the same at every scale.
    settings = [
        (f"{kind.upper()} {u:g}", _mapping(Decline(**{kind: u}), spec["kbar"]), scale)
        for kind, u, scales in (
            ("ad", 0.05, (0.25, 0.5, 1.0)), ("ad", 0.1, (0.25, 0.5, 1.0)),
            ("rd", 0.01, (0.5,)), ("rd", 0.05, (0.5,)),
        )
        for scale in scales
    ]  # fmt: skip
    points = (max(11, spec["points"] * 2 // 3), max(21, spec["points"] * 10 // 3))
    return exact_table(settings, Gaussian(1.0), 1, points=points, rounds=spec["rounds"])


def _mapping(decline: Any, kbar: int) -> Mapping:
    from smoothcert.budget.psi import Mapping

    return Mapping(decline, kbar, 0.001, max(1, kbar // 500))  # 200 samples of 100,000


def _write(path: str, rows: list[dict[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    print(path)
