"""The smoothed classifiers: Eq. 4 (linear base classifier) and Eq. 5 (differentiable one)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.certificate import FORMS, Form, Radii
from smoothcert.lbrs.oracle import Oracle
from smoothcert.lbrs.settings import HEADS, Head

if TYPE_CHECKING:
    import torch


class Base(Protocol):
    """A binary base classifier: its score and the dual norm of the score's gradient."""

    def score_and_slope(self, x: ArrayLike, norm: str) -> tuple[NDArray, NDArray]:
        """g(x) and ||grad g(x)||_*: [N, ...] -> [N], [N] float64."""
        ...


@dataclass(frozen=True)
class Linear:
    """g(x) = weight.x + intercept; ``weight`` [d]. Its gradient's Lipschitz constant is 0."""

    weight: NDArray
    intercept: float

    @classmethod
    def from_sklearn(cls, model: Any) -> Linear:
        """From a fitted binary linear model of scikit-learn (``coef_``, ``intercept_``)."""
        coefficients = np.asarray(model.coef_, np.float64)
        if coefficients.shape[0] != 1:
            raise SmoothcertError(
                f"{type(model).__name__}: expected two classes, found {coefficients.shape[0]}"
            )
        return cls(coefficients[0], float(model.intercept_[0]))

    def score_and_slope(self, x: ArrayLike, norm: str) -> tuple[NDArray, NDArray]:
        x = np.asarray(x, np.float64)
        score = x.reshape(len(x), -1) @ self.weight + self.intercept
        return score, np.full(len(score), geometry.dual_length(self.weight, norm))


@dataclass(frozen=True)
class Kernel:
    """g(x) = sum_i weight_i exp(-gamma ||x - center_i||_2^2) + intercept (an RBF-SVM).

    Attributes:
        centers: [M, d].
        weights: [M].
        gamma: > 0.
    """

    centers: NDArray
    weights: NDArray
    gamma: float
    intercept: float

    @classmethod
    def from_sklearn(cls, model: Any) -> Kernel:
        """From a fitted binary ``sklearn.svm.SVC(kernel="rbf")``."""
        return cls(
            np.asarray(model.support_vectors_, np.float64),
            np.asarray(model.dual_coef_, np.float64)[0],
            float(model._gamma),
            float(model.intercept_[0]),
        )

    def score_and_slope(self, x: ArrayLike, norm: str) -> tuple[NDArray, NDArray]:
        x = np.asarray(x, np.float64)
        offsets = x.reshape(len(x), 1, -1) - self.centers
        terms = self.weights * np.exp(-self.gamma * np.sum(offsets**2, axis=-1))
        gradient = -2 * self.gamma * np.einsum("nm,nmd->nd", terms, offsets)
        return terms.sum(axis=1) + self.intercept, geometry.dual_length(gradient, norm)


@dataclass(frozen=True)
class Network:
    """A torch network with two outputs (or one) as a binary score.

    The logit is the second output less the first (or the only output). ``head`` = "logit" uses
    it as g; "tanh" uses g = tanh(logit / 2), the difference of the two softmax probabilities,
    which saturates. The head decides what a bias means: see ``effective_bias``.
    Evaluated in the network's own precision, the head in float64.
    """

    module: torch.nn.Module
    head: Head = "logit"
    batch: int = 256

    def logit_and_slope(self, x: ArrayLike, norm: str) -> tuple[NDArray, NDArray]:
        """The logit z(x) and ||grad z(x)||_*: [N, ...] -> [N], [N] float64."""
        z, gradient = self.logit_and_gradient(x)
        return z, geometry.dual_length(gradient, norm)

    def logit_and_gradient(self, x: ArrayLike) -> tuple[NDArray, NDArray]:
        """The logit and its gradient, flat: [N, ...] -> [N], [N, d] float64."""
        import torch

        weight = next(self.module.parameters())
        scores, gradients = [], []
        for part in torch.as_tensor(x).split(self.batch):
            part = part.to(weight).detach().requires_grad_()
            z = binary_logit(self.module(part))
            (gradient,) = torch.autograd.grad(z.sum(), part)
            scores.append(z.detach().double().cpu())
            gradients.append(gradient.flatten(1).double().cpu())
        return torch.cat(scores).numpy(), torch.cat(gradients).numpy()

    def score_and_slope(self, x: ArrayLike, norm: str) -> tuple[NDArray, NDArray]:
        z, slope = self.logit_and_slope(x, norm)
        return head_score(z, slope, self.head)


def binary_logit(outputs: torch.Tensor) -> torch.Tensor:
    """The second output less the first, or the only one: [N, 2] or [N, 1] or [N] -> [N]."""
    if outputs.ndim == 1:
        return outputs
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    if outputs.shape[1] == 2:
        return outputs[:, 1] - outputs[:, 0]
    raise SmoothcertError(f"binary score: expected 1 or 2 outputs, found {outputs.shape[1]}")


def head_score(z: NDArray, slope: NDArray, head: Head) -> tuple[NDArray, NDArray]:
    """g and ||grad g||_* from those of the logit, for a head.

    tanh: g = tanh(z/2), and the slope is that of z times (1 - g^2) / 2 = 1 / (2 cosh^2(z/2)).
    """
    if head == "logit":
        return z, slope
    if head != "tanh":
        raise SmoothcertError(f"head {head!r}: expected one of {', '.join(HEADS)}")
    # cosh^2 overflows near |z| = 710, where the slope has long been 0 to double precision.
    return np.tanh(z / 2), slope / (2 * np.cosh(np.minimum(np.abs(z), 700) / 2) ** 2)


def effective_bias(bias: ArrayLike, slope: ArrayLike, head: Head) -> NDArray:
    """What the bias adds to the logit: the sign of g_mu is that of z + oracle * this.

    logit: bias * slope. tanh: asinh(bias * slope), for multiplying g_mu by 2 cosh^2(z/2) > 0
    gives sinh(z) + bias oracle slope, and sinh is odd and increasing. Shapes broadcast; the
    slope is that of the logit. So a saturated head needs no saturated arithmetic.
    """
    if head not in HEADS:
        raise SmoothcertError(f"head {head!r}: expected one of {', '.join(HEADS)}")
    push = np.asarray(bias, np.float64) * np.asarray(slope, np.float64)
    return push if head == "logit" else np.arcsinh(push)


def switching_bias(z: ArrayLike, slope: ArrayLike, head: Head) -> NDArray:
    """The bias above which LBRS follows the oracle at an input whatever the base says.

    |g| / ||grad g||_* = |z| / slope for a logit, sinh|z| / slope for tanh. [N] float64;
    infinite where the slope is 0.
    """
    z = np.abs(np.asarray(z, np.float64))
    slope = np.asarray(slope, np.float64)
    top = z if head == "logit" else np.sinh(np.minimum(z, 700.0))
    return np.divide(top, slope, out=np.full_like(top, np.inf), where=slope > 0)


@dataclass(frozen=True)
class LBRS:
    """The smoothed classifier sign(g_mu) and its certificates.

    Attributes:
        base: the base classifier g.
        oracle: direction oracle with labels -1 and +1.
        norm: the threat model, l1, l2 or linf; the bias is bounded in the same norm.
        lipschitz: L of grad g in (norm, dual norm); 0 for a linear g. With None only
            predictions are offered: a network whose gradient is not Lipschitz (ReLU) has no
            certificate.
    """

    base: Base
    oracle: Oracle
    norm: str = "l2"
    lipschitz: float | None = 0.0

    def __post_init__(self) -> None:
        geometry.check(self.norm)
        if not set(self.oracle.classes.tolist()) <= {-1, 1}:
            raise SmoothcertError(
                f"reserved points of classes {self.oracle.classes.tolist()}: expected -1 and 1"
            )

    def score(self, x: ArrayLike, bias: ArrayLike) -> NDArray:
        """g_mu(x) of Eq. 4 and 5: [N, ...] and [A] (or scalar) -> [A, N] (or [N])."""
        g, slope = self.base.score_and_slope(x, self.norm)
        bias = np.asarray(bias, np.float64)
        return g + (bias[:, None] if bias.ndim else bias) * self.oracle(x) * slope

    def predict(self, x: ArrayLike, bias: ArrayLike) -> NDArray:
        """-1 or +1 (+1 where the score is 0): [A, N] (or [N]) int64."""
        return np.where(self.score(x, bias) >= 0, 1, -1)

    def certify(self, x: ArrayLike, bias: ArrayLike, form: Form = "tight") -> Radii:
        """Certified radii for every input and bias; see ``certificate``.

        Raises:
            SmoothcertError: no Lipschitz constant is known, or an unknown form.
        """
        if self.lipschitz is None:
            raise SmoothcertError(
                "certify: this base classifier has no Lipschitz constant of the gradient; "
                "expected a linear classifier or a network with a smooth activation"
            )
        if form not in FORMS:
            raise SmoothcertError(f"form {form!r}: expected one of {', '.join(FORMS)}")
        g, slope = self.base.score_and_slope(x, self.norm)
        switch = (
            self.oracle.published_radius(x, self.norm)
            if form == "published"
            else self.oracle.radius(x, self.norm)
        )
        return FORMS[form](g, slope, self.oracle(x), switch, bias, self.lipschitz)
