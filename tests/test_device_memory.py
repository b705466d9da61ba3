"""What audits, searches and trainings keep of a network at once fits a GPU; counted without one."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from smoothcert import datasets, models
from smoothcert.audits import smooth_attack
from smoothcert.audits.catalogue import ATTACK_ACCURACY, FALSIFICATION, MEMORY_SOUNDNESS
from smoothcert.audits.settings import Search
from smoothcert.audits.smooth_attack import Target, ascend
from smoothcert.compute.memory import ACTIVATIONS, in_chunks
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import activations
from smoothcert.models.activations import at_once, saved_bytes
from smoothcert.noise import Gaussian
from smoothcert.scaling import SCALINGS
from smoothcert.scaling.job import default_inputs
from smoothcert.workflow import audits, experiments
from smoothcert.workflow.planning.passes import training_plan

CUDA = torch.device("cuda")
MOST = 32 << 30
CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())


def out_of_memory(*_: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 108.00 GiB.\nmore")


def test_work_that_finds_no_memory_is_halved_and_comes_in_order() -> None:
    asked = []

    def work(part: slice) -> list[int]:
        asked.append(part.stop - part.start)
        if part.stop - part.start > 3:
            out_of_memory()
        return list(range(part.start, part.stop))

    assert [i for part in in_chunks(work, 20, 16) for i in part] == list(range(20))
    assert asked == [16, 8, 4, *[2] * 10]
    with pytest.raises(SmoothcertError, match=r"one input.*Tried to allocate 108"):
        in_chunks(out_of_memory, 5, 4)


def test_an_attack_that_runs_out_of_memory_finds_what_it_finds_with_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = models.build("tiny_cnn", 10, (1, 8, 8)).eval().requires_grad_(False)
    x, y = torch.rand(7, 1, 8, 8), torch.arange(7)
    radius = torch.full((7,), 0.4, dtype=torch.float64)
    target = Target(model, Gaussian(0.25), x, y, torch.full((7,), 0.25), radius, list(range(7)))
    search = Search(steps=3, copies=4)
    enough = ascend(target, x, "lead", search, 0)
    gradients = smooth_attack.gradient_of
    refused = []

    def scarce(objective: Any) -> Any:
        def direction(z: torch.Tensor) -> torch.Tensor:
            if len(z) > 2:
                refused.append(len(z))
                out_of_memory()
            return gradients(objective)(z)

        return direction

    monkeypatch.setattr(smooth_attack, "gradient_of", scarce)
    assert torch.allclose(ascend(target, x, "lead", search, 0), enough, atol=1e-6)
    assert refused == [7, 3] * 3


def test_what_a_network_keeps_is_counted_as_on_a_real_batch() -> None:
    """relu(w x) of 8 values: its output is kept, 4 bytes each; and of a softmax of 3, 12 bytes."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 8), torch.nn.ReLU())
    net.requires_grad_(False)
    head = torch.nn.Sequential(net, torch.nn.Linear(8, 3)).requires_grad_(False)
    assert saved_bytes(head, (2, 2, 2)) == 8 * 4 + 3 * 4
    model = models.build("resnet20", 10, (3, 32, 32)).requires_grad_(False)
    real = activations._counted(model, (3, 32, 32), False)
    assert saved_bytes(model, (3, 32, 32)) == real
    assert next(model.parameters()).device.type == "cpu"
    assert at_once(model, (3, 32, 32), 64, torch.device("cpu")) is None
    assert at_once(model, (3, 32, 32), 64, CUDA) == ACTIVATIONS // (64 * real)


@functools.cache
def network(dataset: str, arch: str) -> tuple[torch.nn.Module, tuple[int, ...]]:
    info = datasets.info(dataset)
    with torch.device("meta"):
        made = models.ARCHITECTURES.parse(arch).network(info.shape, info.n_classes)
    return made.requires_grad_(False), tuple(info.shape)


def cells(*kinds: Any) -> set[tuple[str, str]]:
    return {(r["dataset"], r["arch"]) for kind in kinds for r in audits.runs(CONFIG, kind)}


def test_every_audit_of_every_network_keeps_less_than_32_gb() -> None:
    seen = {}
    for kind in (FALSIFICATION, ATTACK_ACCURACY, MEMORY_SOUNDNESS):
        given = CONFIG["audits"][kind.key]
        options = {k: v for k, v in given.items() if k in kind.settings.model_fields}
        effort = kind.settings.check(options, "audits")
        twice = kind is MEMORY_SOUNDNESS
        # as Tactics._passes, with the ascent unrolled
        copies = (
            effort.copies * 2 + effort.unrolled * effort.copies // 4 if twice else effort.copies
        )
        for dataset, arch in sorted(cells(kind)):
            model, shape = network(dataset, arch)
            each = saved_bytes(model, shape, twice)
            inputs = at_once(model, shape, copies, CUDA, twice)
            assert inputs
            seen[kind.name, dataset, arch] = inputs * copies * each
    assert len(seen) >= 5
    assert max(seen.values()) <= MOST, seen


def test_every_search_and_every_training_keeps_less_than_32_gb() -> None:
    searches, trainings = set(), {}
    for run in experiments.all_runs(CONFIG):
        cell = run["dataset"], run["arch"]
        if experiments.search_of(run["scaling"]):
            searches.add((*cell, SCALINGS.parse(run["scaling"]).together))
        trainings[(*cell, run["training"].rpartition("-")[0])] = run
    kept = {}
    for dataset, arch, together in searches:
        model, shape = network(dataset, arch)
        inputs = default_inputs(math.prod(shape), together, CUDA)
        kept["search", dataset, arch, together] = inputs * together * saved_bytes(model, shape)
    assert len(kept) >= 3
    for (dataset, arch, name), run in trainings.items():
        spec = {
            "dataset": dataset, "arch": arch, "training": run["training"],
            "recipe": experiments.recipe(CONFIG, run),
        }  # fmt: skip
        parts = training_plan(spec, "given")
        model, shape = network(dataset, arch)
        # A step keeps one backward pass at a time; the last is that of all noisy copies.
        copies = getattr(parts.method, "k", getattr(parts.method, "m", 1))
        half = parts.recipe.arithmetic(CUDA) == "bfloat16"
        each = saved_bytes(model, shape) // (2 if half else 1)
        kept["training", dataset, arch, name] = parts.recipe.batch * copies * each
    assert max(kept.values()) <= MOST, {k: v / 1e9 for k, v in kept.items()}
