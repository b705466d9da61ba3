"""``smoothcert memory CERTIFICATES.tsv --out FILE.tsv``: certificates that never clash (DDRS).

DDRS Algorithm 3: the inputs are presented to a memory of certified balls, one after the other,
which changes class and radius of a later one where two balls of different classes would
intersect. FILE.tsv has the columns predict_raw, radius_raw and memory_event more; FILE.json
counts the events and says how near the nearest misses were. With ``orders``, the results under
so many random orders of the inputs are in FILE.orders.csv, and their spread in FILE.json.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import CertificateTable, memory, metrics, write_certificates
from smoothcert.certificates.balls import Neighbours, Pair, nearest_misses, survey
from smoothcert.certificates.runs import AXES, Run, read_run
from smoothcert.cli.common import Kind, add_spec, specification
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.datasets import Dataset
from smoothcert.report import printing

KEYS: dict[str, Kind] = {
    "dataset": str, "split": str, "norm": str, "order": (str, int), "orders": int, "seed": int,
}  # fmt: skip
DATA_SET = "data set"
EVENTS = (memory.NONE, memory.SAME, memory.TRIMMED, memory.INSIDE)
# Above this many inputs the nearest misses in l1 and linf, which need the distance of every
# pair, are looked for among a random part of them.
MOST_PAIRED = 4000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="CERTIFICATES", help="a certificate table (.tsv, .gz)")
    parser.add_argument("--out", required=True, metavar="TSV")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.epilog = (
        "dataset: default: what the certificates are of; norm: where the table does not say;"
        ' order: "data set" (default) or the seed of a random one; orders: so many random'
        " orders are tried, named by seed (0)"
    )
    add_spec(parser, {key: str if key == "order" else kind for key, kind in KEYS.items()})  # type: ignore[misc]


def run(args: argparse.Namespace) -> int:
    """Apply the memory, write the table and its record, print what happened."""
    defaults = {"split": "test", "order": DATA_SET, "orders": 0, "seed": 0}
    spec = {**defaults, **specification(args, KEYS)}
    if spec["orders"] < 0:
        raise SmoothcertError(f"orders {spec['orders']}: expected at least 0")
    out = Path(args.out)
    certificates = read_run(args.file)
    if out.resolve() == certificates.path.resolve():
        raise SmoothcertError(f"--out {out}: would replace the certificates; choose another name")
    table = certificates.table
    norm = _norm(certificates, spec)
    sequence = _order(spec["order"], table.idx)
    data = _data(certificates, spec, args.data_dir)
    images = data.images[table.idx].numpy()
    points = np.ascontiguousarray(images.reshape(len(table), -1))
    start = time.perf_counter()
    near, misses = survey(points, table.predict, table.radius, norm)
    seconds = time.perf_counter() - start
    paired = len(table)
    if norm != "l2":
        part = _part(len(table), spec["seed"])
        paired = len(part)
        found = nearest_misses(points[part], table.predict[part], table.radius[part], norm)
        misses = [_renamed(pair, part) for pair in found]
    start = time.perf_counter()
    after = memory.apply(table, points, sequence, near)
    seconds += time.perf_counter() - start
    counts = Counter(after.columns["memory_event"].tolist())
    about: dict[str, Any] = {
        **{k: spec[k] for k in ("split", "order")},
        "norm": norm,
        "certificates": str(args.file),
        "data_digest": data.digest,
        "inputs": len(table),
        "events": {event: counts[event] for event in EVENTS},
        "acr": {"raw": _acr(table), "memory": _acr(after)},
        "nearest_misses": [_miss(pair, table) for pair in misses],
        "nearest_misses_among": paired,
        "seconds": round(seconds, 6),
    }
    if spec["orders"]:
        rows = _random_orders(after, points, near, spec)
        _write_orders(out.with_suffix(".orders.csv"), rows)
        about["orders"] = {"seed": spec["seed"], "orders": spec["orders"], **_spread(rows)}
    axes = {axis: value for axis in AXES if (value := getattr(certificates, axis)) is not None}
    own = {"dataset": data.name, **axes, "memory": about, "code": spec.get("code")}
    write_certificates(out, after, {**certificates.record, **own})
    print(f"{out}: {summary(about)}")
    return 0


def summary(about: dict[str, Any]) -> str:
    """One line: how often the memory changed something, and how near it came to that."""
    events = about["events"]
    changed = events[memory.TRIMMED] + events[memory.INSIDE]
    text = (
        f"{about['inputs']} inputs, {about['norm']}: {changed} changed"
        f" ({events[memory.TRIMMED]} trimmed, {events[memory.INSIDE]} inside another's ball),"
        f" {events[memory.SAME]} overlap their own class"
    )
    if about["nearest_misses"]:
        pair = about["nearest_misses"][0]
        text += (
            f"; nearest balls of different classes: idx {pair['idx'][0]} and {pair['idx'][1]},"
            f" {pair['ratio']:.3g} times the sum of their radii apart"
        )
    if "orders" in about:
        low, high = about["orders"]["acr"]["low"], about["orders"]["acr"]["high"]
        text += f"; ACR in {about['orders']['orders']} random orders: {low:.6g} to {high:.6g}"
    return text


def _norm(certificates: Run, spec: dict[str, Any]) -> str:
    own, given = certificates.table.single("norm"), spec.get("norm")
    if own is None and given is None:
        raise SmoothcertError(f"{certificates.path}: does not say its norm; give --norm")
    if own is not None and given not in (None, own):
        raise SmoothcertError(f"norm {given!r}: {certificates.path} has {own} radii")
    return own or str(given)


def _order(order: str | int, idx: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions of the rows in the order of the queries."""
    if order == DATA_SET:
        return np.argsort(idx, kind="stable")
    try:
        seed = int(order)
    except ValueError:
        raise SmoothcertError(
            f'order {order!r}: expected "{DATA_SET}" or the seed of a random one'
        ) from None
    return numpy_generator(seed, "memory-order", 0).permutation(len(idx))


def _data(certificates: Run, spec: dict[str, Any], data_dir: str | None) -> Dataset:
    """The split that the certificates are of, checked to be that.

    Raises SmoothcertError for a repeated idx, one the split does not have, another label, or
    data of another digest than the certificates'.
    """
    from smoothcert import datasets

    path, table = certificates.path, certificates.table
    name = spec.get("dataset") or certificates.dataset
    if name is None:
        raise SmoothcertError(f"{path}: does not say its data set; give --dataset")
    if certificates.dataset not in (None, name):
        raise SmoothcertError(f"dataset {name!r}: {path} is of {certificates.dataset}")
    if len(np.unique(table.idx)) != len(table):
        raise SmoothcertError(f"{path}: expected each idx once, found one repeated")
    size = datasets.info(name).splits.get(spec["split"])
    if size is not None and (wrong := table.idx[(table.idx < 0) | (table.idx >= size)]).size:
        raise SmoothcertError(f"{path}: idx {wrong[0]}: {name} {spec['split']} has {size} inputs")
    data = datasets.load(name, spec["split"], data_dir)
    recorded = certificates.record.get("data_digest")
    if recorded not in (None, data.digest):
        raise SmoothcertError(f"{path}: its certificates are of other data than {name} here")
    differ = np.flatnonzero(data.labels[table.idx] != table.label)
    if len(differ):
        i = differ[0]
        raise SmoothcertError(
            f"{path}: idx {table.idx[i]} has label {table.label[i]};"
            f" in {name} {spec['split']} it is {data.labels[table.idx[i]]}"
        )
    return data


def _part(n: int, seed: int) -> NDArray[np.int64]:
    if n <= MOST_PAIRED:
        return np.arange(n)
    return np.sort(numpy_generator(seed, "memory-pairs").permutation(n)[:MOST_PAIRED])


def _renamed(pair: Pair, part: NDArray[np.int64]) -> Pair:
    return type(pair)(int(part[pair.left]), int(part[pair.right]), pair.distance, pair.ratio)


def _miss(pair: Pair, table: CertificateTable) -> dict[str, Any]:
    ends = [pair.left, pair.right]
    return {
        "idx": table.idx[ends].tolist(),
        "predict": table.predict[ends].tolist(),
        "radius": table.radius[ends].tolist(),
        "distance": pair.distance,
        "ratio": pair.ratio,
    }


# --- other orders --------------------------------------------------------------------------


def _random_orders(
    after: CertificateTable, points: NDArray, near: Neighbours, spec: dict[str, Any]
) -> list[dict[str, float | str]]:
    """One row an order, that of the table first: events, ACR and certified accuracies."""
    raw = dict(after.columns)
    raw.update(predict=raw["predict_raw"], radius=raw["radius_raw"])
    table = type(after)(raw)
    radii = metrics.default_radii([table], most=11)
    rows = [_measured(str(spec["order"]), after, radii)]
    orders = memory.random_orders(len(table), spec["orders"], spec["seed"])
    for k, order in enumerate(orders):
        name = f"random {spec['seed']}/{k}"
        rows.append(_measured(name, memory.apply(table, points, order, near), radii))
    return rows


def _measured(name: str, table: CertificateTable, radii: NDArray) -> dict[str, float | str]:
    counts = Counter(table.columns["memory_event"].tolist())
    accuracy = metrics.certified_accuracy(table, radii).value
    return {
        "order": name,
        **{event.replace(" ", "_"): counts[event] for event in EVENTS},
        "acr": _acr(table),
        **{
            f"accuracy_percent_{printing.number(float(r))}": 100 * float(a)
            for r, a in zip(radii, accuracy, strict=True)
        },
    }


def _acr(table: CertificateTable) -> float:
    return float(metrics.average_certified_radius(table).value)


def _write_orders(path: Path, rows: list[dict[str, float | str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _spread(rows: list[dict[str, float | str]]) -> dict[str, dict[str, float]]:
    """Of the random orders: mean, standard deviation and ends of each measure."""
    out = {}
    for key in rows[0].keys() - {"order"}:
        values = np.array([float(row[key]) for row in rows[1:]])
        out[key] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
            "low": float(values.min()),
            "high": float(values.max()),
        }
    return out
