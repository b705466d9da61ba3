"""The data-dependent classifier as it is used: x -> argmax_c P(f(x + sigma*(x) noise) = c).

A certificate of DDRS is for g(z) = argmax_c P(f(z + sigma*(x) noise) = c), in which the scale of
x is frozen. What answers a query z is another classifier, that searches for a scale at z. Its
answer depends on the seed of that search; here a seed is given, so it is a function.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothcert.audits.pair_bounds import Floats, Ints
from smoothcert.budget import Budget
from smoothcert.certificates import CertificateTable
from smoothcert.certificates.certification import certify, predict
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Noise
from smoothcert.sampling.collect import Inputs, collect
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler, default_batch
from smoothcert.scaling import Scaling
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.job import default_inputs, default_together
from smoothcert.scaling.problem import Problem


@dataclass(frozen=True)
class Balls:
    """T certificates: images x [T, *shape] and, each [T], what was certified around them."""

    x: Tensor
    idx: Ints
    label: Ints
    predict: Ints
    radius: Floats
    sigma: Floats
    p_lower: Floats

    def __len__(self) -> int:
        return len(self.idx)

    def __getitem__(self, rows: Any) -> Balls:
        return Balls(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def of(cls, table: CertificateTable, images: Tensor, noise: Noise) -> Balls:
        """The certificates of a table that have a ball; ``images`` are those of its rows."""
        rows = np.flatnonzero((table.predict >= 0) & (table.radius > 0))
        sigma, bound = table.optional("sigma"), table.optional("p_lower")
        if sigma is None or bound is None:
            raise SmoothcertError("certificate table: expected the columns sigma and p_lower")
        return cls(
            images[rows], table.idx[rows], table.label[rows], table.predict[rows],
            table.radius[rows], sigma[rows], bound[rows],
        )  # fmt: skip


@dataclass
class Deployed:
    """The memoryless classifier of one network, noise and scaling.

    ``scales`` is the search of ``scaling`` itself, its streams named by (seed, idx) as for the
    certificates; ``votes`` and ``certify`` smooth at given scales. Raises SmoothcertError
    for a scaling that chooses one scale for all inputs together: no query has a scale of its own.
    """

    sampler: Sampler
    scaling: Scaling
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.scaling.pools:
            raise SmoothcertError(
                f"scaling {self.scaling.slug!r}: the scale is chosen jointly for all inputs;"
                " expected one that works on a single query"
            )
        engine = self.sampler.engine
        if engine.precision != "float32":
            raise SmoothcertError(
                f"precision {engine.precision}: expected float32, the precision of scale searches"
            )
        self.model = engine.model.requires_grad_(False)
        self.engine = SearchEngine(engine, self.scaling.cost.backward > 0)
        self.noise, self.device = self.sampler.noise, self.sampler.device
        self.n_classes, self.d = self.sampler.n_classes, int(np.prod(self.shape))
        self.searches = 0  # inputs whose scale was searched for

    @classmethod
    def of(cls, model: nn.Module, noise: Noise, scaling: Scaling, images: Tensor) -> Deployed:
        """Of a network at hand, on the CPU; ``images`` [N, *shape] show what it takes."""
        device = torch.device("cpu")
        with torch.inference_mode():
            n_classes = model.eval()(images[:1]).shape[-1]
        batch = default_batch(images[0].numel(), device)
        shape = tuple(images.shape[1:])
        engine = open_engine(model, shape, device)
        return cls(Sampler(engine, noise, n_classes, batch), scaling, shape)

    def scales(self, x: Tensor, idx: Ints, seed: int) -> Floats:
        """sigma* [B] of the inputs x [B, *shape], each with the streams of ``idx`` [B]."""
        self.searches += len(x)
        out = np.empty(len(x))
        step = default_inputs(self.d, int(getattr(self.scaling, "n", 1)), self.device)
        for s in range(0, len(x), step):
            part = slice(s, s + step)
            problem = Problem(
                self.engine, self.noise, x[part].to(self.device), idx[part].tolist(), seed,
                together=default_together(self.d, self.device),
            )  # fmt: skip
            out[part] = self.scaling.find(problem, [self.scaling])[0].sigma
        return out

    def votes(self, x: Tensor, scale: Floats, idx: Ints, n: int, seed: int, purpose: str) -> Ints:
        """Class counts [B, C] of ``n`` samples at the scales [B], from streams of ``purpose``."""
        return self.sampler.votes(
            [
                Draw(
                    x[i],
                    float(scale[i]),
                    generator(seed, purpose, int(idx[i]), i, device=self.device),
                    n,
                )
                for i in range(len(x))
            ]
        )

    def certify(
        self, x: Tensor, scale: Floats, idx: Ints, label: Ints, budget: Budget, seed: int
    ) -> tuple[CertificateTable, Ints]:
        """CERTIFY and PREDICT [B] of the classifiers smoothed at the given scales, fresh votes.

        As valid as any: scale and input are fixed before these votes are drawn. PREDICT (its
        class, or -1) needs no majority, only a lead that is certain at the budget's alpha.
        """
        look = min(1000, budget.n)
        identity = {
            "noise": self.noise.slug, "seed": seed, "look": look, "n0": budget.n0,
            "batch": self.sampler.batch, "shape": list(self.shape),
            "n_classes": self.n_classes, "scaling": self.scaling.slug,
        }  # fmt: skip
        rows = np.arange(len(x))
        # Several inputs may come from one image: each needs streams of its own.
        streams = rows + 1_000_000 * idx
        inputs = Inputs(x.cpu(), rows, streams, label, scale)
        store = collect(self.sampler, inputs, budget, identity, len(x))[0]
        counts = [store.count(np.full(len(x), c), budget.n) for c in range(self.n_classes)]
        answers = predict(np.stack(counts, 1), budget.alpha) if len(x) else rows
        return certify(store, budget), answers
