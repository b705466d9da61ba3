"""One job of the memory: certificates -> certificates that never clash, on disk.

DDRS Algorithm 3. Beside the table, a record counts the events and says how near the nearest
misses were; with ``orders``, a CSV file has the results under so many random orders.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.certificates import CertificateTable, memory, metrics, write_certificates
from smoothcert.certificates.balls import Neighbours, Pair, nearest_misses, survey
from smoothcert.certificates.runs import AXES, Run, read_run
from smoothcert.certificates.spec import DATA_SET, MemorySpec
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.core.slugs import number
from smoothcert.datasets import Dataset

EVENTS = (memory.NONE, memory.SAME, memory.TRIMMED, memory.INSIDE)
# Above this many inputs the nearest misses in l1 and linf, which need the distance of every
# pair, are looked for among a random part of them.
MOST_PAIRED = 4000


def run(spec: MemorySpec, file: Path, out: Path, data_dir: Path | None = None) -> dict[str, Any]:
    """Apply the memory to the certificates of ``file``, write the table ``out`` and its record.

    Returns what the record says of the memory. Raises SmoothcertError where certificates and
    data do not belong together.
    """
    certificates = read_run(file)
    if out.resolve() == certificates.path.resolve():
        raise SmoothcertError(f"--out {out}: would overwrite the certificates; choose another name")
    table = certificates.table
    norm = _norm(certificates, spec.norm)
    sequence = _order(spec.order, table.idx)
    data = _data(certificates, spec, data_dir)
    images = data.images[table.idx].numpy()
    points = np.ascontiguousarray(images.reshape(len(table), -1))
    start = time.perf_counter()
    near, misses = survey(points, table.predict, table.radius, norm)
    seconds = time.perf_counter() - start
    paired = len(table)
    if norm != "l2":
        part = _part(len(table), spec.seed)
        paired = len(part)
        found = nearest_misses(points[part], table.predict[part], table.radius[part], norm)
        misses = [_renamed(pair, part) for pair in found]
    start = time.perf_counter()
    after = memory.apply(table, points, sequence, near)
    seconds += time.perf_counter() - start
    counts = Counter(after.columns["memory_event"].tolist())
    about: dict[str, Any] = {
        "split": spec.split,
        "order": spec.order,
        "norm": norm,
        "certificates": str(file),
        "data_digest": data.digest,
        "inputs": len(table),
        "events": {event: counts[event] for event in EVENTS},
        "acr": {"raw": _acr(table), "memory": _acr(after)},
        "nearest_misses": [_miss(pair, table) for pair in misses],
        "nearest_misses_among": paired,
        "seconds": round(seconds, 6),
    }
    if spec.orders:
        rows = _random_orders(after, points, near, spec)
        _write_orders(out.with_suffix(".orders.csv"), rows)
        about["orders"] = {"seed": spec.seed, "orders": spec.orders, **_spread(rows)}
    axes = {axis: value for axis in AXES if (value := getattr(certificates, axis)) is not None}
    own = {"dataset": data.name, **axes, "memory": about, "code": spec.code}
    write_certificates(out, after, {**certificates.record, **own})
    return about


def _norm(certificates: Run, given: str | None) -> str:
    own = certificates.table.single("norm")
    if own is None and given is None:
        raise SmoothcertError(f"{certificates.path}: does not state its norm; give --norm")
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
            f'order {order!r}: expected "{DATA_SET}" or the seed of a random order'
        ) from None
    return numpy_generator(seed, "memory-order", 0).permutation(len(idx))


def _data(certificates: Run, spec: MemorySpec, data_dir: Path | None) -> Dataset:
    """The split that the certificates are of, checked to be that.

    Raises SmoothcertError for a repeated idx, one the split does not have, another label, or
    data of another digest than the certificates'.
    """
    path, table = certificates.path, certificates.table
    name = spec.dataset or certificates.dataset
    if name is None:
        raise SmoothcertError(f"{path}: does not state its data set; give --dataset")
    if certificates.dataset not in (None, name):
        raise SmoothcertError(f"dataset {name!r}: {path} was certified on {certificates.dataset}")
    if len(np.unique(table.idx)) != len(table):
        raise SmoothcertError(f"{path}: expected each idx once, found a duplicate")
    size = datasets.info(name).splits.get(spec.split)
    if size is not None and (wrong := table.idx[(table.idx < 0) | (table.idx >= size)]).size:
        raise SmoothcertError(f"{path}: idx {wrong[0]}: {name} {spec.split} has {size} inputs")
    data = datasets.load(name, spec.split, data_dir)
    recorded = certificates.record.get("data_digest")
    if recorded not in (None, data.digest):
        raise SmoothcertError(f"{path}: its certificates were made on other data than {name} here")
    differ = np.flatnonzero(data.labels[table.idx] != table.label)
    if len(differ):
        i = differ[0]
        raise SmoothcertError(
            f"{path}: idx {table.idx[i]} has label {table.label[i]};"
            f" in {name} {spec.split} it is {data.labels[table.idx[i]]}"
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
    after: CertificateTable, points: NDArray, near: Neighbours, spec: MemorySpec
) -> list[dict[str, float | str]]:
    """One row an order, that of the table first: events, ACR and certified accuracies."""
    raw = dict(after.columns)
    raw.update(predict=raw["predict_raw"], radius=raw["radius_raw"])
    table = type(after)(raw)
    radii = metrics.default_radii([table], most=11)
    rows = [_measured(str(spec.order), after, radii)]
    orders = memory.random_orders(len(table), spec.orders, spec.seed)
    for k, order in enumerate(orders):
        name = f"random {spec.seed}/{k}"
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
            f"accuracy_percent_{number(float(r))}": 100 * float(a)
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
