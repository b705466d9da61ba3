"""``smoothcert audit memory-soundness TABLE --model FILE --out BASE``: certificates whose noise
scale depends on the input, attacked without memory and with it.

TABLE holds raw certificates (before any memory). Writes BASE.json (verdicts), BASE.tsv (a row an
attacked certificate) and BASE.npz (the witnesses, if any). ``--recheck BASE.npz`` confirms
witnesses again, with fresh votes and other seeds; it ends with 1 if one of them does not hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from smoothcert.audits.deployed import Deployed
from smoothcert.budget.fixed import Fixed
from smoothcert.cli.audits.subjects import Subject
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError

KIND = "memory-soundness"
KEYS = {
    "max": int,
    "steps": int,
    "copies": int,
    "unrolled": int,
    "lines": int,
    "held": int,
    "boundary": int,
    "votes": int,
    "reach": float,
    "orders": int,
    "seeds": int,
    "budget": str,
    "seed": int,
    "scale_seed": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", nargs="?", metavar="TABLE", help="raw certificates (.tsv)")
    parser.add_argument("--model", required=True, metavar="FILE", help="their classifier")
    parser.add_argument("--out", metavar="BASE", help="writes BASE.json, .tsv and .npz")
    parser.add_argument("--recheck", metavar="NPZ", help="witnesses to confirm again")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.epilog = (
        "max: certificates that are attacked (200); steps, copies: of a gradient attack, noises of"
        " a step (20, 64); unrolled: steps that stand for the ascent (20); lines: to other inputs"
        " (2); held: own scales found on a climb (4); boundary: decisions of a walk (6);"
        " votes: that score a proposal (500); reach: share of the radius that is searched (0.997);"
        " orders: random orders of the memory (100); seeds: of the search for the scale that"
        " confirm (5); budget: of confirming votes (default: as many as the table has); seed: of"
        " the audit; scale_seed: with which the table's scales were found (0)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Attack, or recheck; 1 where a promise of ours is broken or a witness does not hold."""
    from smoothcert.cli.audits.subjects import subject

    spec = specification(args, KEYS)
    if args.recheck:
        return _recheck(args, spec)
    if args.table is None or args.out is None:
        raise SmoothcertError("audit memory-soundness: expected TABLE and --out BASE")
    of = subject(args.table, args.model, args.data_dir, args.device)
    return _audit(args, spec, of)


def _audit(args: argparse.Namespace, spec: dict[str, Any], of: Subject) -> int:
    from dataclasses import fields, replace

    from smoothcert.audits.adversary import Effort
    from smoothcert.audits.attacked import write_attacked
    from smoothcert.audits.memory_soundness import Audit, Plan
    from smoothcert.core import provenance
    from smoothcert.report.verdict import write_verdicts

    base = Path(args.out)
    slug = spec.get("budget") or of.run.budget
    if slug is None:
        raise SmoothcertError(f"{args.table}: its budget is unknown; give --budget")
    if "predict_raw" in of.run.table.columns:
        raise SmoothcertError(f"{args.table}: certificates after a memory; expected the raw ones")
    effort = Effort(**{f.name: spec[f.name] for f in fields(Effort) if f.name in spec})
    names = {"max": "most", "orders": "orders", "seeds": "seeds", "seed": "seed",
             "scale_seed": "scale_seed"}  # fmt: skip
    plan = Plan(effort, **{names[k]: spec[k] for k in names if k in spec})
    witness_file = base.with_name(base.name + ".npz")
    audit = Audit(
        of.run.table, of.images, _deployed(of, str(of.run.scaling or "fixed")),
        _fixed(slug), f"{of.name}, {of.run.scaling}, {of.run.budget}", plan,
        _silent if args.quiet else _say, witness_file.name,
    )  # fmt: skip
    report = audit.run()
    about = {
        "dataset": of.run.dataset, "noise": of.noise.slug, "scaling": audit.deployed.scaling.slug,
        "budget": slug, "model_digest": of.run.record.get("model_digest"),
        "subject": audit.name, "seed": plan.seed,
    }  # fmt: skip
    replace(report.witnesses, about=about).write(witness_file)
    write_attacked(base.with_name(base.name + ".tsv"), report.rows)
    for verdict in report.verdicts:
        print(verdict)
    made = {"table": args.table, "specification": spec, "about": about}
    return write_verdicts(
        base.with_name(base.name + ".json"), KIND, report.verdicts,
        {**made, "made": provenance.record(args.device)},
    )  # fmt: skip


def _fixed(slug: str) -> Fixed:
    """A budget of confirming votes; another one's largest size and alpha."""
    from smoothcert.budget import BUDGETS
    from smoothcert.budget.fixed import Fixed

    budget = BUDGETS.parse(slug)
    return budget if isinstance(budget, Fixed) else Fixed(budget.n, budget.alpha)


def _deployed(of: Subject, scaling: str) -> Deployed:
    from smoothcert.audits.deployed import Deployed
    from smoothcert.scaling import SCALINGS

    return Deployed(of.sampler, SCALINGS.parse(scaling), tuple(of.images.shape[1:]))


def _recheck(args: argparse.Namespace, spec: dict[str, Any]) -> int:
    import numpy as np

    from smoothcert import datasets
    from smoothcert.audits.deployed import Deployed
    from smoothcert.audits.witness import Witnesses, again
    from smoothcert.compute.devices import job_device
    from smoothcert.models.classifier import Classifier
    from smoothcert.noise import NOISES
    from smoothcert.sampling.sampler import Sampler, default_batch
    from smoothcert.sampling.job import load_model
    from smoothcert.scaling import SCALINGS

    old = Witnesses.read(args.recheck)
    if len(old) == 0:
        print(f"{args.recheck}: no witness to check")
        return 0
    about = old.about
    info = datasets.info(about["dataset"])
    network, made = load_model(args.model, info)
    wanted = about.get("model_digest")
    if wanted is not None and wanted != made["digest"]:
        raise SmoothcertError(
            f"{args.recheck}: witnesses against the model {wanted[:12]}; {args.model} is"
            f" {made['digest'][:12]}"
        )
    where, noise = job_device(args.device), NOISES.parse(about["noise"])
    shape = tuple(old.x1.shape[1:])
    batch = default_batch(int(np.prod(shape)), where)
    trace = isinstance(network, Classifier) and where.type == "cpu"
    sampler = Sampler(network, noise, info.n_classes, batch, where, trace=trace)
    deployed = Deployed(sampler, SCALINGS.parse(about["scaling"]), shape)
    budget = _fixed(spec.get("budget") or about["budget"])
    seed = spec.get("seed", int(about["seed"]) + 1)
    new = again(deployed, old, budget, seed, spec.get("seeds", 5))
    held, distance = new.broken(noise.norm), new.distance(noise.norm)
    same = np.isclose(new.sigma_2[:, 0], old.sigma_2[:, 0], rtol=1e-4)
    for i in range(len(old)):
        print(
            f"idx {old.idx[i]}: {'BROKEN' if held[i] else 'does not hold'};"
            f" class {new.predict_1[i]} certified again to {new.again_radius[i]:.4f} at scale"
            f" {new.sigma_1[i]:.4f}; at distance {distance[i]:.4f} its own scale"
            f" {new.sigma_2[i, 0]:.4f}{'' if same[i] else ' (was another here)'} gives"
            f" {new.predict_2[i].tolist()}; at the frozen scale class {new.frozen[i]}"
        )
    print(f"{args.recheck}: {int(held.sum())} of {len(old)} witnesses hold")
    return int(not held.all())


def _say(what: str, done: int, of: int) -> None:
    import sys

    print(f"{what} {done} of {of}", file=sys.stderr)


def _silent(what: str, done: int, of: int) -> None:
    pass
