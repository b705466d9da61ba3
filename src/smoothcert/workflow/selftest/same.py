"""The same numbers as on the CPU: products, networks, votes, and one step of every training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothcert import models
from smoothcert.compute.arithmetic import computing, dtype_of
from smoothcert.compute.streams import generator
from smoothcert.noise import Gaussian
from smoothcert.sampling.engines import open_engine
from smoothcert.training import METHODS, Job
from smoothcert.training.run import train
from smoothcert.workflow.selftest.place import Check, Place, images, settled, share

# Relative errors of a sum of 256 products: of factors with so many bits, sums in float32. A library
# may have no kernel of few bits for one of the two, so the larger error counts as the least.
LEAST = {"float64": 0.0, "float32": 0.0, "tf32": 2e-5, "float16": 2e-5, "bfloat16": 2e-4}
MOST = {"float64": 1e-13, "float32": 5e-6, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 4e-2}
# Of logits, as a share of their spread; or, if that is more, so many times what the CPU's are off
# in bfloat16: deep networks amplify rounding.
LOGITS = {"float32": 1e-3, "tf32": 0.05, "float16": 0.05, "bfloat16": 0.4}
AMPLIFIED = {"float32": 0.0, "tf32": 4 / 8, "float16": 4 / 8, "bfloat16": 2.0}
VOTES = {"float64": 0.001, "float32": 0.001, "tf32": 0.01, "float16": 0.01, "bfloat16": 0.05}


def arithmetic(place: Place) -> Iterator[Check]:
    """Each name computes as it says: float32 in all bits, tf32 in fewer."""
    a, b = images((256, 256), 2, "selftest-products").double()
    x, w = images((16, 12, 12), 4).double(), images((16, 3, 3), 16, "selftest-weights").double()
    exact = a @ b, F.conv2d(x, w)
    for name in place.precisions:
        kind: dict[str, Any] = {"device": place.device, "dtype": dtype_of(name)}
        with computing(name):
            found = a.to(**kind) @ b.to(**kind), F.conv2d(x.to(**kind), w.to(**kind))
        errors = [_error(f, e) for f, e in zip(found, exact, strict=True)]
        least = LEAST[name] if place.gpu else 0.0
        fits = all(error <= MOST[name] for error in errors) and least <= max(errors)
        yield Check(
            f"arithmetic {name}", fits,
            f"relative error of a product {errors[0]:.1e}, of a convolution {errors[1]:.1e}"
            f" (expected {least:g} to {MOST[name]:g})",
            {"product": errors[0], "convolution": errors[1]},
        )  # fmt: skip


def _error(found: Tensor, exact: Tensor) -> float:
    return float((found.double().cpu() - exact).abs().max() / exact.abs().max())


def networks(place: Place) -> Iterator[Check]:
    """Logits of the networks, as an engine computes them, against float64 on the CPU."""
    for arch, shape, n_classes in place.networks:
        model, rough = settled(arch, shape, n_classes), settled(arch, shape, n_classes).bfloat16()
        x = images(shape, 4)
        with torch.inference_mode():
            rounded = rough(x.bfloat16()).double()
            exact = model.double()(x.double())
        model = model.float()
        spread = float((exact.amax(0) - exact.amin(0)).max())
        amplified = float((rounded - exact).abs().max()) / spread
        for name in place.precisions:
            if name == "float64":
                continue
            engine = open_engine(model, shape, place.device, "torch", name)
            with torch.inference_mode(), computing(name):
                found = engine.logits(x.to(place.device)).double().cpu()
            off = float((found - exact).abs().max()) / spread
            most = max(LOGITS[name], AMPLIFIED[name] * amplified)
            yield Check(
                f"logits of {arch} in {name}", math.isfinite(off) and off <= most,
                f"off by {off:.1e} of their spread (at most {most:.2g}); {engine.identity}",
                {"off": off, "cpu_bfloat16": amplified},
            )  # fmt: skip


def votes(place: Place) -> Iterator[Check]:
    """Votes on the very same noise, which the CPU draws."""
    n, model, data = 2000, place.model(), place.digits("test", 5)
    noisy = torch.cat(
        [
            Gaussian(0.25).noisy(x.expand(n, *x.shape), 0.25, generator(0, "selftest-votes", i))
            for i, x in enumerate(data.images)
        ]
    )
    with torch.inference_mode():
        expected = model(noisy).argmax(1).numpy()
    for name in place.precisions:
        engine = open_engine(model, noisy.shape[1:], place.device, "torch", name)
        with torch.inference_mode(), computing(name):
            found = engine.logits(noisy.to(place.device)).argmax(1).cpu().numpy()
        differ = share(found, expected)
        yield Check(
            f"votes in {name}", differ <= VOTES[name],
            f"{100 * differ:.3g}% of {len(noisy):,} votes on the same noise differ from the CPU's"
            f" in float32 (at most {100 * VOTES[name]:g}%)",
            {"differ": differ},
        )  # fmt: skip


def trainings(place: Place) -> Iterator[Check]:
    """One step of every method, with its noise so small that the CPU's step is the same."""
    some = place.digits(most=64)
    for name in METHODS:
        method = {"radius": 0.25} if "radius" in METHODS[name].model_fields else {}
        recipe = {"epochs": 1, "batch": 64, "lr": 0.01, "schedule": "constant", "method": method}
        found = {}
        for what, device, precision in (
            ("expected", "cpu", "float32"),
            ("float32", str(place.device), "float32"),
            ("bfloat16", str(place.device), "bfloat16"),
        ):
            job = Job(
                training=f"{name}-fs-0.001", dataset="digits", arch="tiny_cnn",
                recipe=recipe | {"precision": precision},
            )  # fmt: skip
            out = place.folder / f"{name}-{what}.safetensors"
            loss = train(job, out, device=device, quiet=True, dataset=some)["final"]["loss"]
            state = models.load(str(out))[0].state_dict().values()
            found[what] = loss, torch.cat([t.double().flatten() for t in state]).numpy()
        loss, weights = found["expected"]
        offs = {what: abs(found[what][0] / loss - 1) for what in ("float32", "bfloat16")}
        moved = float(np.abs(found["float32"][1] - weights).max())
        finite = all(np.isfinite(w).all() for _, w in found.values())
        yield Check(
            f"a step of {name}", finite and offs["float32"] < 1e-2 and offs["bfloat16"] < 5e-2
            and moved < 1e-3,
            f"loss off by {offs['float32']:.1e} in float32, {offs['bfloat16']:.1e} in bfloat16;"
            f" weights by {moved:.1e} in float32" + ("" if finite else "; weights are not finite"),
            {"loss": offs["float32"], "loss_bfloat16": offs["bfloat16"], "weights": moved},
        )  # fmt: skip
