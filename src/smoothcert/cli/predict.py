"""``smoothcert predict``: the smoothed classifier's answer, with abstention (Cohen, PREDICT)."""

from __future__ import annotations

import argparse
from pathlib import Path

from smoothcert.certificates.certification import predict
from smoothcert.cli.common import require, specification
from smoothcert.cli.sample import KEYS, add_sampling_arguments, sample
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.core.slugs import number
from smoothcert.votes import VoteStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As for ``sample``, with n votes an input and the level of the test."""
    add_sampling_arguments(parser)
    parser.add_argument("--model", required=True, metavar="FILE", help="or package.module:function")
    parser.add_argument("--n", type=int, default=1000, help="votes an input (default 1000)")
    parser.add_argument("--alpha", type=float, default=0.001, help="default 0.001")
    parser.add_argument("--out", required=True, metavar="TSV", help="idx label predict correct")


def run(args: argparse.Namespace) -> int:
    """Sample, predict, write the table, print accuracy and abstentions."""
    spec = specification(args, KEYS)
    for key in ("budget", "look"):
        if key in spec:
            raise SmoothcertError(f"{key}: predict takes --n and --alpha")
    require(spec, "dataset", "noise")
    predict([[args.n]], args.alpha)  # refuses an (n, alpha) that can never answer
    votes = Path(args.out).with_suffix(".votes.npz")
    level = "" if args.alpha == 0.001 else f"_a{number(args.alpha)}"
    sample(args, {**spec, "budget": f"fixed{level}_s1-{args.n}", "look": args.n}, votes)
    store = VoteStore.read(votes)
    counts = store.estimation.dense(store.n_classes)
    answer = predict(counts, args.alpha)
    lines = ["idx\tlabel\tpredict\tcorrect"]
    for idx, label, p in zip(store.idx, store.label, answer, strict=True):
        lines.append(f"{idx}\t{label}\t{p}\t{int(p == label)}")
    write_text(args.out, "\n".join(lines) + "\n")
    correct, abstain = (answer == store.label).mean(), (answer == -1).mean()
    print(f"{args.out}: {len(store)} inputs, correct {correct:.1%}, abstains {abstain:.1%}")
    return 0
