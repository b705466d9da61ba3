"""One search job: a model and a data set -> the noise scales of its inputs, resumable.

The inputs are searched in batches. A finished batch is kept beside the output until all are
done, so a killed run goes on from there and ends with the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoothcert import datasets
from smoothcert.compute.arithmetic import name_of
from smoothcert.compute.devices import choose_device
from smoothcert.core import provenance
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.core.scratch import Scratch
from smoothcert.datasets import Dataset
from smoothcert.models.doors import load_model
from smoothcert.models.own import arithmetic
from smoothcert.noise import NOISES, Noise
from smoothcert.sampling.checks import check_images
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.job import subject
from smoothcert.sampling.sampler import default_batch
from smoothcert.scaling.base import ChosenScales, Scaling
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.objective import saturated
from smoothcert.scaling.problem import N_SEL, OBJECTIVE, Problem
from smoothcert.scaling.spec import ScalesSpec
from smoothcert.votes.records import write_record

Progress = Callable[[int, int], None]  # passes through the network done now, and in all

COLUMNS = (
    "idx",
    "label",
    "scaling",
    "sigma",
    "sigma_0",
    "c_a",
    "objective",
    "objective_0",
    "hit_bound",
)
MEASURED = 100  # fresh samples behind the column ``objective``
_CLAMP = 0.001  # and the clamp of its class probabilities, the same for every scaling


def default_inputs(d: int, n: int, device: torch.device) -> int:
    """Inputs searched together, with ``n`` samples of dimension ``d`` each at a time."""
    samples = default_batch(d, device)
    if device.type != "cpu":
        samples = max(samples // 4, 16)  # a derivative may keep the activations of all layers
    return max(1, samples // n)


def default_together(d: int, device: torch.device) -> int:
    """Samples that are classified in one pass: as many as fill a GPU; 0, a block, on a CPU."""
    return 0 if device.type == "cpu" else default_batch(d, device)


def run(
    spec: ScalesSpec,
    model: str,
    out: Path,
    *,
    data_dir: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    data: Dataset | None = None,
) -> list[tuple[Any, ...]]:
    """Search, write the table ``out`` and its record, and return the table's rows.

    The rows are in the order of the data set, then of the scalings. ``data``: these inputs in
    place of the data set's own. Raises SmoothcertError for
    all that does not fit, before any search, and for an image or a network that cannot be used.
    """
    start = time.time()
    wanted, noise = spec.parse(), NOISES.parse(spec.noise)
    saturated(noise, _CLAMP)  # refuses a noise without a soft radius
    info = datasets.info(spec.dataset)
    where = choose_device(device)
    network, made = load_model(model, info, where)
    if (own := arithmetic(network)) != torch.float32:
        raise SmoothcertError(
            f"model: it computes in {name_of(own)}; expected float32, in which scales are searched"
        )
    if data is None:
        data = datasets.load(spec.dataset, spec.split, data_dir, skip=spec.skip, max=spec.max)
    batch = spec.batch or default_inputs(int(np.prod(data.shape)), wanted[0].together, where)
    network = network.eval().requires_grad_(False)
    engine = SearchEngine(
        open_engine(network, data.shape, where, spec.engine), wanted[0].cost.backward > 0
    )
    identity = {
        **spec.only(ScalesSpec).plain(),
        "search": wanted[0].search,
        "batch": batch,
        "engine": engine.identity,
        **subject(data, made, where),
    }
    with Scratch(out, identity) as scratch:
        job = _Job(engine, noise, data, wanted, spec.seed, batch, where, scratch, progress)
        table, seconds, hits = job.table()
        record = {
            "identity": identity,
            "model": made,
            "surroundings": provenance.record(str(where)),
            **({"engine_note": engine.note} if engine.note else {}),
            "wall_seconds": round(time.time() - start, 3),
            "inputs": len(data),
            "seconds": seconds,
            "hit_bound": hits,
        }
        write_record(out, record)
        lines = ["\t".join(COLUMNS), *("\t".join(map(str, row)) for row in table)]
        write_text(out, "\n".join(lines) + "\n")
        scratch.remove()
    return table


@dataclass
class _Job:
    """The search of one table, batch by batch, and then the measuring of what was found."""

    engine: SearchEngine
    noise: Noise
    data: Dataset
    wanted: list[Scaling]
    seed: int
    batch: int
    device: torch.device
    scratch: Scratch
    progress: Progress | None

    def __post_init__(self) -> None:
        self.n_sel = getattr(self.wanted[0], "n_sel", N_SEL)
        self.passes = {
            "search": self.n_sel + max(w.cost.forward for w in self.wanted),
            "objective": MEASURED * (1 + len(self.wanted)),
        }

    def table(self) -> tuple[list[tuple[Any, ...]], dict[str, Any], dict[str, int]]:
        """The rows, the seconds spent, and how many inputs met a bound."""
        searched = self._stage("search", self._search)
        c_a = np.concatenate([np.array(part["c_a"], np.int64) for part in searched])
        found = [
            w.pooled(_joined(searched, j), self.noise.scale) for j, w in enumerate(self.wanted)
        ]
        sigma = np.stack([f.sigma for f in found], 1)

        def measured(problem: Problem, rows: slice) -> dict[str, Any]:
            start = np.full((len(problem), 1), self.noise.scale)
            scales = torch.from_numpy(np.hstack([start, sigma[rows]]))
            classes = torch.from_numpy(c_a[rows])
            values = problem.soft_radii(scales, classes, _CLAMP, OBJECTIVE, MEASURED)
            return {"objective": values.tolist()}

        measurements = self._stage("objective", measured)
        objective = np.concatenate([np.array(part["objective"]) for part in measurements])
        names = [w.slug for w in self.wanted]
        table = [
            (
                int(self.data.idx[i]),
                int(self.data.labels[i]),
                name,
                float(sigma[i, j]),
                self.noise.scale,
                int(c_a[i]),
                float(objective[i, 1 + j]),
                float(objective[i, 0]),
                int(found[j].hit_bound[i]),
            )
            for i in range(len(self.data))
            for j, name in enumerate(names)
        ]
        voting = _sum(searched, "c_a_seconds")
        seconds = {
            # as if each scaling had been the only one, c_A included
            "scalings": {
                n: round(voting + f.seconds, 6) for n, f in zip(names, found, strict=True)
            },
            "searched": _sum(searched, "seconds"),
            "measured": _sum(measurements, "seconds"),  # the columns objective, objective_0
        }
        hits = {n: int(f.hit_bound.sum()) for n, f in zip(names, found, strict=True)}
        return table, seconds, hits

    def _stage(
        self, stage: str, work: Callable[[Problem, slice], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The parts of a stage, those at hand and the others made now."""
        parts = []
        for number, first in enumerate(range(0, len(self.data), self.batch)):
            rows = slice(first, first + self.batch)
            name = f"{stage}-{number:05d}"
            part = self.scratch.read(name)
            if part is None:
                start = time.perf_counter()
                part = work(self._problem(rows), rows)
                part["seconds"] = time.perf_counter() - start
                part = self.scratch.write(name, part)
            else:
                self._report(self.passes[stage] * len(self.data.idx[rows]))
            parts.append(part)
        return parts

    def _problem(self, rows: slice) -> Problem:
        images, idx = self.data.images[rows], self.data.idx[rows]
        check_images(images, idx)
        on_device = images.to(self.device)
        return Problem(
            self.engine, self.noise, on_device, idx.tolist(), self.seed, self._report,
            default_together(images[0].numel(), self.device),
        )  # fmt: skip

    def _report(self, passes: int) -> None:
        if self.progress:
            self.progress(passes, len(self.data) * sum(self.passes.values()))

    def _search(self, problem: Problem, rows: slice) -> dict[str, Any]:
        start = time.perf_counter()
        c_a = problem.c_a(self.n_sel).tolist()
        c_a_seconds = time.perf_counter() - start
        found = self.wanted[0].find(problem, self.wanted)
        return {
            "c_a": c_a,
            "c_a_seconds": c_a_seconds,
            "found": [
                {
                    "sigma": f.sigma.tolist(),
                    "hit_bound": f.hit_bound.tolist(),
                    "seconds": f.seconds,
                    "scores": None if f.scores is None else f.scores.tolist(),
                }
                for f in found
            ],
        }


def _joined(searched: list[dict[str, Any]], j: int) -> ChosenScales:
    """What was found for the j-th scaling in all batches."""
    parts = [part["found"][j] for part in searched]
    scores = [np.array(p["scores"]) for p in parts if p["scores"] is not None]
    return ChosenScales(
        np.concatenate([np.array(p["sigma"], np.float64) for p in parts]),
        np.concatenate([np.array(p["hit_bound"], bool) for p in parts]),
        sum(p["seconds"] for p in parts),
        np.concatenate(scores) if scores else None,
    )


def _sum(parts: list[dict[str, Any]], key: str) -> float:
    return round(sum(part[key] for part in parts), 6)


def summary(table: list[tuple[Any, ...]], slug: str) -> str:
    """One line about a scaling: the spread of its scales, and how often a bound was met."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table]
    rows = [row for row in rows if row["scaling"] == slug]
    low, mid, high = np.quantile([row["sigma"] for row in rows], [0, 0.5, 1])
    hits = sum(row["hit_bound"] for row in rows)
    gain = np.mean([row["objective"] - row["objective_0"] for row in rows])
    return (
        f"{len(rows)} inputs, sigma {low:.4f} to {high:.4f}, median {mid:.4f}"
        f" (from {rows[0]['sigma_0']:g}), soft radius {gain:+.4f}, {hits} met a bound"
    )
