"""The paper's illustrative example (section 5.1, figures 1 and 2): a spiral and a linear SVM.

The paper gives the range of the bias and the two norms; sizes, noise and turns of the spiral are
ours (``Spiral``). Every radius comes with what it must be compared with: the base classifier's
own radius |g| / ||a||_*, which needs no neighbour term, and the exact distance to the nearest
input that is classified otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert.errors import SmoothcertError
from smoothcert.lbrs import certificate
from smoothcert.lbrs.classifier import LBRS, Kernel, Linear
from smoothcert.lbrs.exact import exact_radius
from smoothcert.lbrs.lipschitz import kernel_bounds
from smoothcert.lbrs.oracle import Oracle
from smoothcert.streams import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMS = ("l2", "linf")


@dataclass(frozen=True)
class Spiral:
    """Two arms r = angle, half a turn apart, in the plane.

    Attributes:
        turns: of each arm; the angle is uniform in [pi / 4, 2 pi turns].
        noise: standard deviation of the points around the arm (the arms are pi apart).
        train: points that fit the base classifier.
        reserved: points of the direction oracle.
        test: points that are certified. All sets are balanced and disjoint draws.
        k: voting neighbours of the oracle.
        seed: of all draws.

    Raises SmoothcertError for values out of range.
    """

    turns: float = 1.5
    noise: float = 0.25
    train: int = 400
    reserved: int = 200
    test: int = 1000
    k: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "reserved", "test"):
            if getattr(self, name) < 2:
                raise SmoothcertError(f"spiral: {name} {getattr(self, name)}: expected at least 2")
        if self.turns <= 0.125 or self.noise < 0:
            raise SmoothcertError(
                f"spiral: turns {self.turns:g} and noise {self.noise:g}: expected turns above "
                "0.125 and noise of at least 0"
            )

    def draw(self, part: str, n: int) -> tuple[NDArray, NDArray]:
        """``n`` points of the part (train, reserved, test): [n, 2] and labels -1, +1."""
        rng = numpy_generator(self.seed, f"spiral-{part}")
        labels = np.where(np.arange(n) % 2, 1, -1)
        angle = rng.uniform(np.pi / 4, 2 * np.pi * self.turns, n)
        arm = labels[:, None] * angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return arm + self.noise * rng.standard_normal((n, 2)), labels


def run(
    spiral: Spiral, bias: NDArray, grid: int = 0, shown: tuple[float, ...] = ()
) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Certify the test points at every bias, with each form and norm.

    Args:
        spiral: the data.
        bias: [A] ascending, >= 0.
        grid: points a side of the map of decision regions; 0 for none.
        shown: biases whose decision regions are mapped.

    Returns:
        Arrays, and a record of sizes and fitted constants. Arrays: ``bias`` [A]; ``x``, ``label``
        the test points; ``reserved``, ``reserved_label``; ``accuracy`` [A]; for each of l2 and
        linf ``FORM_NORM`` radii [A, N] for published and tight, ``base_NORM`` [N] the base
        classifier's own; ``exact_l2`` [A, N]; ``predict`` [A, N]; ``base_predict``,
        ``oracle_predict`` [N]; ``kernel_*`` the same for an RBF-SVM base; ``region`` [R, G, G] of
        the mapped biases over ``axis`` [G].
    """
    # Imported here: certificates of other classifiers need no scikit-learn.
    from sklearn.svm import SVC, LinearSVC

    train, train_label = spiral.draw("train", spiral.train)
    points, point_labels = spiral.draw("reserved", spiral.reserved)
    x, label = spiral.draw("test", spiral.test)
    oracle = Oracle(points, point_labels, spiral.k)
    linear = Linear.from_sklearn(LinearSVC(C=1.0, random_state=0).fit(train, train_label))
    kernel = Kernel.from_sklearn(SVC(kernel="rbf", C=1.0, gamma=0.2).fit(train, train_label))

    out: dict[str, NDArray] = {
        "bias": bias,
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
    if spiral.k == 1:
        out["exact_l2"] = np.stack(
            [exact_radius(linear.weight, linear.intercept, oracle, x, float(b)) for b in bias]
        )
    if grid:
        reach = 1.05 * float(np.abs(x).max())
        axis = np.linspace(-reach, reach, grid)
        mesh = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        smoothed = LBRS(linear, oracle, "l2")
        out["axis"], out["shown"] = axis, np.asarray(shown, np.float64)
        out["region"] = smoothed.predict(mesh, out["shown"]).reshape(-1, grid, grid).astype(np.int8)
    record = {"spiral": asdict(spiral), "kernel_lipschitz": lipschitz}
    return out, record


def averages(out: dict[str, NDArray], form: str, norm: str) -> tuple[NDArray, NDArray]:
    """Average radius, and average true radius (0 where misclassified), per bias: [A], [A].

    ``form`` is published, tight or exact, with the prefix ``kernel_`` for the RBF-SVM.
    """
    radius = out[f"{form}_{norm}"]
    prefix = "kernel_" if form.startswith("kernel_") else ""
    correct = out[f"{prefix}predict_{norm}"] == out["label"]
    return radius.mean(axis=1), (radius * correct).mean(axis=1)
