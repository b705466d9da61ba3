"""The paper's illustrative example (section 5.1, figures 1 and 2): a spiral and a linear SVM.

The paper gives the range of the bias and the two norms; sizes, noise and turns of the spiral are
ours (settings.py). Every radius comes with what it must be compared with: the base classifier's
own radius |g| / ||a||_*, which needs no neighbour term, and the exact distance to the nearest
input that is classified otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.datasets.spiral import Spirals
from smoothcert.lbrs import certificate
from smoothcert.lbrs.classifier import LBRS, Kernel, Linear
from smoothcert.lbrs.exact import exact_radius
from smoothcert.lbrs.lipschitz import kernel_bounds
from smoothcert.lbrs.oracle import Oracle
from smoothcert.lbrs.settings import Spiral

NORMS = ("l2", "linf")


def draw(spiral: Spiral, part: str) -> tuple[NDArray, NDArray]:
    """The points of a part (train, reserved, test): [n, 2] float64 and labels -1, +1."""
    spirals = Spirals(spiral.turns, spiral.noise)
    points, labels = spirals.draw(getattr(spiral, part), part, spiral.seed)
    return points.astype(np.float64), 2 * labels - 1


def run(
    spiral: Spiral, bias: NDArray, shown: NDArray, grid: int = 0, exact: int = 0
) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Certify the test points at every bias, with each form and norm.

    Args:
        spiral: the data.
        bias: [A] ascending, >= 0.
        shown: [R] biases whose decision regions are mapped and exact radii computed.
        grid: points a side of the map of decision regions; 0 for none.
        exact: exact l2 radii for that many test points (k = 1).

    Returns:
        Arrays, and a record of sizes and fitted constants. Arrays: ``bias`` [A]; ``x``, ``label``
        the test points; ``reserved``, ``reserved_label``; ``accuracy`` [A]; for each of l2 and
        linf ``FORM_NORM`` radii [A, N] for published and tight, ``base_NORM`` [N] the base
        classifier's own; ``exact_l2`` [R, exact]; ``predict_NORM`` [A, N]; ``base_predict``,
        ``oracle_predict`` [N]; ``kernel_*`` the same for an RBF-SVM base; ``region`` [R, G, G] of
        the shown biases over ``axis`` [G].
    """
    # Imported here: certificates of other classifiers need no scikit-learn.
    from sklearn.svm import SVC, LinearSVC

    train, train_label = draw(spiral, "train")
    points, point_labels = draw(spiral, "reserved")
    x, label = draw(spiral, "test")
    oracle = Oracle(points, point_labels, spiral.k)
    linear = Linear.from_sklearn(LinearSVC(C=1.0, random_state=0).fit(train, train_label))
    kernel = Kernel.from_sklearn(SVC(kernel="rbf", C=1.0, gamma=0.2).fit(train, train_label))

    out: dict[str, NDArray] = {
        "bias": bias,
        "shown": shown,
        "x": x,
        "label": label,
        "reserved": points,
        "reserved_label": point_labels,
        "weight": np.append(linear.weight, linear.intercept),
        "oracle_predict": oracle(x),
    }
    lipschitz = {norm: kernel_bounds(kernel, norm).gradient for norm in NORMS}
    for prefix, base in (("", linear), ("kernel_", kernel)):
        for norm in NORMS:
            bound = 0.0 if base is linear else lipschitz[norm]
            smoothed = LBRS(base, oracle, norm, bound)
            g, slope = base.score_and_slope(x, norm)
            out[f"{prefix}base_{norm}"] = certificate.base_radius(g, slope, bound)
            out[f"{prefix}base_predict"] = np.where(g >= 0, 1, -1)
            for form in certificate.FORMS:
                if form == "published" and spiral.k > 1:
                    continue
                radii = smoothed.certify(x, bias, form)
                out[f"{prefix}{form}_{norm}"] = radii.radius
                out[f"{prefix}predict_{norm}"] = radii.predict
    if spiral.k == 1 and exact:
        parts = linear.weight, linear.intercept, oracle, x[:exact]
        out["exact_l2"] = np.stack([exact_radius(*parts, float(b)) for b in shown])
    if grid:
        reach = 1.05 * float(np.abs(x).max())
        axis = np.linspace(-reach, reach, grid)
        mesh = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        region = LBRS(linear, oracle, "l2").predict(mesh, shown)
        out["axis"], out["region"] = axis, region.reshape(-1, grid, grid).astype(np.int8)
    record = {"spiral": spiral.plain(), "kernel_lipschitz": lipschitz}
    return out, record


def averages(out: dict[str, NDArray], form: str, norm: str) -> tuple[NDArray, NDArray]:
    """Average radius, and average true radius (0 where misclassified), per bias: [A], [A].

    ``form`` is published or tight, with the prefix ``kernel_`` for the RBF-SVM base.
    """
    radius = out[f"{form}_{norm}"]
    prefix = "kernel_" if form.startswith("kernel_") else ""
    correct = out[f"{prefix}predict_{norm}"] == out["label"]
    return radius.mean(axis=1), (radius * correct).mean(axis=1)
