"""Other people's classifiers as networks: images [B, C, H, W] in [0,1] -> logits [B, classes].

An adapter is a torch module, so that it is examined, known by its digest, sampled and, where it is
differentiable, attacked as any other network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smoothcert.core.errors import SmoothcertError
from smoothcert.models.spec import Given


class Adapter(nn.Module):
    """A network that takes its images otherwise, or whose output holds the logits."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, form: Given) -> None:
        super().__init__()
        self.inner, self.form = inner, form
        self.register_buffer("mean", _numbers(form.mean, 0.0, inner))
        self.register_buffer("std", _numbers(form.std, 1.0, inner))

    def forward(self, x: Tensor) -> Tensor:
        return logits_of(self.inner(self._prepared(x)), self.form)

    def _prepared(self, x: Tensor) -> Tensor:
        if self.form.channels == "bgr":
            x = x.flip(1)
        if not self.form.plain_images:
            x = (self.form.white * x - self.mean) / self.std
        return x.permute(0, 2, 3, 1) if self.form.layout == "nhwc" else x

    @property
    def description(self) -> dict[str, Any]:
        """What stands for the architecture in the digest."""
        inner = getattr(self.inner, "description", None) or {"class": type(self.inner).__qualname__}
        told = self.form.model_dump(mode="json", exclude_defaults=True)
        return {"inner": inner, **{k: told[k] for k in told if k not in ("path", "accuracy")}}


def _numbers(values: tuple[float, ...] | None, otherwise: float, inner: nn.Module) -> Tensor:
    kinds = [p.dtype for p in inner.parameters() if p.is_floating_point()]
    return torch.tensor(values or (otherwise,), dtype=kinds[0] if kinds else None).view(-1, 1, 1)


class FunctionNetwork(nn.Module):
    """A function of a batch of images, of tensors or else of arrays, that gives logits or labels.

    It is asked with a tensor first; one that fails is asked with a float32 array from then on.
    """

    def __init__(self, function: Callable[[Any], Any], form: Given) -> None:
        super().__init__()
        self.function, self.form = function, form
        self._arrays: bool | None = None

    def forward(self, x: Tensor) -> Any:
        if self._arrays is None:
            try:
                logits_of(self.function(x), self.form)
                self._arrays = False
            except SmoothcertError:  # it takes tensors, and gives no logits
                raise
            except Exception:  # whatever it may raise: its own words come from the second try
                self._arrays = True
        return self.function(x.detach().cpu().numpy() if self._arrays else x)

    @property
    def description(self) -> dict[str, Any]:
        named = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return {"function": named}


class EstimatorNetwork(nn.Module):
    """A scikit-learn estimator, asked with images as vectors [B, C * H * W].

    Its logits are the logarithms of ``predict_proba``, ``decision_function``, or else 1 at the
    class of ``predict``. Where its classes are whole numbers, class c is output c.
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.estimator = estimator
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            raise SmoothcertError(
                f"model: a {type(estimator).__name__} without classes_; expected a fitted"
                " classifier"
            )
        self.columns = np.arange(len(classes))
        classes = np.asarray(classes)
        if classes.dtype.kind in "iu" and (classes >= 0).all():
            self.columns = classes.astype(np.int64)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.detach().cpu().numpy().reshape(len(x), -1)
        scores = self._scores(flat)
        logits = np.full((len(x), int(self.columns.max()) + 1), min(scores.min() - 1, -100.0))
        logits[:, self.columns] = scores
        return torch.from_numpy(logits).to(x.device)

    def _scores(self, flat: NDArray) -> NDArray[np.float64]:
        """[B, number of the estimator's classes]."""
        if hasattr(self.estimator, "predict_proba"):
            return np.log(np.maximum(self.estimator.predict_proba(flat), 1e-30))
        if hasattr(self.estimator, "decision_function"):
            found = np.asarray(self.estimator.decision_function(flat), np.float64)
            return np.stack([-found, found], 1) if found.ndim == 1 else found
        answers = self.estimator.predict(flat)
        return (answers[:, None] == np.asarray(self.estimator.classes_)).astype(np.float64)

    @property
    def description(self) -> dict[str, Any]:
        return {"estimator": repr(self.estimator)}


def logits_of(out: Any, form: Given) -> Tensor:
    """The logits [B, classes] in what a model gives for a batch of images.

    It may be the tensor or array itself, an object with ``.logits``, a mapping or a sequence of
    outputs (``form.output`` says which; else ``logits``, or the only one), or labels [B]: these
    become 1 at the label of ``form.classes``. Raises SmoothcertError where there are none.
    """
    out = _chosen(out, form)
    if isinstance(out, list | np.ndarray | np.generic):
        out = torch.from_numpy(np.asarray(out))
    if not isinstance(out, Tensor):
        raise SmoothcertError(f"model: expected a tensor of logits, found {type(out).__name__}")
    # An export of a network that was examined must not ask for sizes: they become constants.
    if out.ndim > 2 and (torch.jit.is_tracing() or out.shape[2:].numel() == 1):
        out = out.flatten(1)
    if not out.is_floating_point() and out.ndim == 2 and out.shape[1] == 1:
        out = out[:, 0]
    if out.ndim != 1 or out.is_floating_point():
        return out
    if form.classes is None:
        raise SmoothcertError("model: it returns labels; give the number of classes (classes)")
    labels = out.long()
    if bool(((labels < 0) | (labels >= form.classes)).any()):
        raise SmoothcertError(
            f"model: labels from {int(labels.min())} to {int(labels.max())}; expected 0 to"
            f" {form.classes - 1}"
        )
    return nn.functional.one_hot(labels, form.classes).float()


def _chosen(out: Any, form: Given) -> Any:
    """The output that holds the logits, of one or several."""
    if hasattr(out, "logits"):
        return out.logits
    if isinstance(out, Mapping):
        names = list(out)
        name = form.output if form.output is not None else "logits"
        if name not in out and form.output is None and len(names) == 1:
            name = names[0]
        if name not in out:
            raise SmoothcertError(
                f"model: outputs {', '.join(map(str, names))}; choose the logits (output)"
            )
        return out[name]
    if isinstance(out, tuple) or (isinstance(out, list) and out and isinstance(out[0], Tensor)):
        if not isinstance(form.output, int | None):
            raise SmoothcertError(
                f"model: output {form.output!r}: expected a number: the outputs have no names"
            )
        number = form.output or 0
        if number >= len(out):
            raise SmoothcertError(f"model: output {number}: expected less than {len(out)}")
        return out[number]
    return out


def network_of(model: Any, form: Given) -> nn.Module:
    """A torch module, a scikit-learn estimator or a function of images as a network.

    A module stays what it is. Raises SmoothcertError for what is none of these.
    """
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, type):
        raise SmoothcertError(f"model: expected a classifier, found the class {model.__name__}")
    if hasattr(model, "predict") and hasattr(model, "get_params"):
        return Adapter(EstimatorNetwork(model), form)
    if callable(model):
        return Adapter(FunctionNetwork(model, form), form)
    raise SmoothcertError(
        "model: expected a torch.nn.Module, a scikit-learn classifier or a function of images,"
        f" found {type(model).__name__}"
    )
