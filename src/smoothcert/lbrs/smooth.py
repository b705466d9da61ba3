"""Certified radii of LBRS for networks: the part of Theorem 8 that the paper leaves open.

A network with a smooth activation is trained, the Lipschitz constant of its gradient bounded
(``lipschitz``), and every test input certified, as published and in the tighter form. Beside it
stand the two classifiers between which LBRS interpolates: the base network with its own radius,
and the 1-NN with the radius of the neighbour term.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smoothcert.certificates import CertificateTable, make_table
from smoothcert.lbrs.certificate import FORMS, Form
from smoothcert.lbrs.classifier import Network, head_score
from smoothcert.lbrs.image import Data, load
from smoothcert.lbrs.lipschitz import Bounds, network_bounds, sampled
from smoothcert.lbrs.settings import Head, Recipe, Task
from smoothcert.lbrs.train import fit

Tables = dict[tuple[str, str, float], CertificateTable]


def run(
    task: Task, recipe: Recipe, norms: tuple[str, ...], bias: tuple[float, ...], head: Head
) -> tuple[Tables, dict[str, Any]]:
    """Train, bound and certify; the oracle is the first draw of reserved points.

    Returns:
        Tables by (norm, form, bias), classes 0 (the rest) and 1 (the positive class); and a
        record: the network's accuracy, its bounds, and the sampled estimate from below that
        shows how loose the l2 bound is.
    """
    data = load(task)
    labels = torch.as_tensor(data.train_label, dtype=torch.float32)
    # float64 from here on: a certificate must not hang on float32 rounding.
    net = fit(recipe, data.train, labels, task.seed).double()
    tables: Tables = {}
    bounds = {norm: network_bounds(net, tuple(data.test.shape[1:]), norm) for norm in norms}
    for norm in norms:
        tables.update(certify(net, data, norm, bounds[norm], bias, head))
    z, _ = Network(net).logit_and_slope(data.test, norms[0])
    record = {
        "accuracy": float((np.where(z >= 0, 1, -1) == data.test_label).mean()),
        "lipschitz": {
            norm: {"score": b.score, "gradient": b.gradient} for norm, b in bounds.items()
        },
        "lipschitz_gradient_l2_estimate_from_below": sampled(net, data.test[:200]),
    }
    return tables, record


def certify(
    net: nn.Module, data: Data, norm: str, bounds: Bounds, bias: tuple[float, ...], head: Head
) -> Tables:
    """One table a form and bias; ``bounds`` are those of the logit. Seconds are per input."""
    start = time.perf_counter()
    g, slope = head_score(*Network(net).logit_and_slope(data.test, norm), head)
    curvature = bounds.through(head).gradient
    oracle = data.oracle(0)
    x = data.test.flatten(1).double().numpy()
    answer = oracle(x)
    switches: dict[Form, NDArray] = {
        "published": oracle.published_radius(x, norm),
        "tight": oracle.radius(x, norm),
    }
    seconds = (time.perf_counter() - start) / len(x)
    columns = {
        "idx": data.test_idx,
        "label": (data.test_label + 1) // 2,
        "norm": norm,
        "alpha": 0.0,  # the probability that a certificate is wrong
        "time": seconds,
    }
    tables: Tables = {}
    for form, switch in switches.items():
        radii = FORMS[form](g, slope, answer, switch, np.asarray(bias, np.float64), curvature)
        for i, value in enumerate(bias):
            tables[norm, form, value] = make_table(
                **columns, predict=(radii.predict[i] + 1) // 2, radius=radii.radius[i]
            )
    return tables
