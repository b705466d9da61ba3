"""A network as a graph (ONNX): exported from torch, and run by ONNX Runtime on one thread."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from smoothcert.core.errors import SmoothcertError, first_line

IMAGES, LOGITS = "images", "logits"


class NotExported(Exception):
    """Why a network has no graph, in words."""


def graph_of(model: nn.Module, shape: Sequence[int]) -> bytes:
    """The graph of a network in eval mode: images [B, *shape] float32 -> logits [B, C].

    A network that is a graph already (attribute ``graph``) gives its own. Raises NotExported
    where torch cannot export it, and where the exporter warns that the graph may be another
    function (a branch on the values of an image, say).
    """
    own = getattr(model, "graph", None)
    if isinstance(own, bytes):
        return own
    return exported(model, {IMAGES: torch.zeros(2, *shape)}, [LOGITS])


def exported(model: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str]) -> bytes:
    """The graph of a module in eval mode, for any number of rows; ``inputs`` are two of them.

    Raises NotExported as :func:`graph_of`.
    """
    out = io.BytesIO()
    names = [*inputs, *outputs]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                model,
                tuple(inputs.values()),
                out,  # type: ignore[arg-type]
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: {0: "batch"} for name in names},
                dynamo=False,  # the other exporter needs two more packages and takes seconds
            )
        except Exception as error:  # whatever the exporter or somebody's forward may raise
            raise NotExported(_first_sentence(error)) from error
    for warning in said:
        if issubclass(warning.category, torch.jit.TracerWarning):
            raise NotExported(_first_sentence(warning.message))
    return out.getvalue()


def _first_sentence(error: object) -> str:
    said = first_line(error) or type(error).__name__
    return said.partition(". ")[0].rstrip(".")


def session(graph: bytes, what: str = "model") -> Any:
    """An ONNX Runtime session of a graph, on the CPU and on the thread that calls it.

    Raises SmoothcertError where the package is missing or takes no such graph.
    """
    try:
        import onnxruntime
    except ImportError:
        raise SmoothcertError(
            f"{what}: needs the package onnxruntime (pip install 'smoothcert[onnx]')"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise SmoothcertError(
            f"{what}: ONNX Runtime cannot load this graph: {_first_sentence(error)}"
        ) from None
