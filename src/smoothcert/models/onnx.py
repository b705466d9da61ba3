"""``.onnx`` files as networks: the file's own graph is what is certified.

What a model wants of its images (a range, a normalization, another layout) and which of its outputs
holds the logits becomes part of the graph, so that every engine runs one graph from images
[B, C, H, W] in [0,1] to logits [B, classes].
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.storage import read_bytes
from smoothcert.models.graph import IMAGES, LOGITS, session
from smoothcert.models.spec import Given


class OnnxNetwork(nn.Module):
    """A graph of ONNX, run by ONNX Runtime on the thread that calls it; not differentiable."""

    def __init__(self, graph: bytes) -> None:
        super().__init__()
        self.graph = graph
        self._local = threading.local()

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self._local, "session"):
            self._local.session = session(self.graph)
        run = self._local.session
        name = run.get_inputs()[0].name
        values = np.ascontiguousarray(x.detach().cpu().numpy(), np.float32)
        return torch.from_numpy(run.run(None, {name: values})[0]).to(x.device)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._local = threading.local()

    @property
    def description(self) -> dict[str, str]:
        return {"onnx": hashlib.sha256(self.graph).hexdigest()}


def from_file(path: str | Path, form: Given, shape: Sequence[int]) -> OnnxNetwork:
    """The network of a file, for images of ``shape``.

    Raises SmoothcertError, naming the file, for no graph, one of other images (with what to
    declare where they are the same in another layout), of batches of one size, or of outputs
    among which the logits are not named.
    """
    data = read_bytes(Path(path))
    run = session(data, str(path))
    inputs, outputs = run.get_inputs(), run.get_outputs()
    if len(inputs) != 1:
        raise SmoothcertError(
            f"{path}: {len(inputs)} inputs, {', '.join(i.name for i in inputs)}; expected images"
            " alone"
        )
    _check_input(path, inputs[0], form, shape)
    names = [out.name for out in outputs]
    chosen = form.output if form.output is not None else 0
    if isinstance(chosen, int) and not chosen < len(names):
        raise SmoothcertError(f"{path}: output {chosen}: expected less than {len(names)}")
    name = names[chosen] if isinstance(chosen, int) else chosen
    if name not in names or (len(names) > 1 and form.output is None and LOGITS not in names):
        raise SmoothcertError(f"{path}: outputs {', '.join(names)}; choose the logits (output)")
    if form.output is None and LOGITS in names:
        name = LOGITS
    single = isinstance(inputs[0].shape[0], int)
    rank = len(outputs[names.index(name)].shape or (0, 0))
    usual = {inputs[0].type, *(out.type for out in outputs)} == {"tensor(float)"}
    plain = form.plain_images and names == [name] and not single and rank == 2 and usual
    return OnnxNetwork(data if plain else _completed(path, data, form, name, rank))


def _check_input(path: str | Path, found: Any, form: Given, shape: Sequence[int]) -> None:
    if found.type not in ("tensor(float)", "tensor(float16)", "tensor(double)"):
        raise SmoothcertError(
            f"{path}: takes {found.type}; expected floating-point images (noise cannot be"
            " added to bytes)"
        )
    given = list(shape)
    there = list(found.shape)[1:]

    def fits(layout: str) -> bool:
        sizes = given[1:] + given[:1] if layout == "nhwc" and len(given) == 3 else given
        return len(there) == len(sizes) and all(
            a == b for a, b in zip(there, sizes, strict=True) if isinstance(a, int)
        )

    if not fits(form.layout):
        hint, other = "", "nhwc" if form.layout == "nchw" else "nchw"
        if len(given) == 3 and fits(other):
            said = json.dumps({"path": str(path), "layout": other})
            hint = f"; give layout {other}, as in --model '{said}'"
        size = "x".join(map(str, there))
        raise SmoothcertError(
            f"{path}: takes images {size}; the data has {'x'.join(map(str, given))}"
            f"{hint or ' (give the data a size to resize image files)'}"
        )


def _completed(path: str | Path, data: bytes, form: Given, output: str, rank: int) -> bytes:
    """The graph with what is declared before it, only the logits after it, for any batch."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise SmoothcertError(
            f"{path}: adding the declared preprocessing to its graph needs the package onnx"
            " (pip install 'smoothcert[onnx]')"
        ) from None
    model = onnx.load_from_string(data)
    images = f"declared_{IMAGES}"
    graph, last = model.graph, images
    before: list[Any] = []
    after: list[Any] = []
    old = next(i for i in graph.input if i.name not in {t.name for t in graph.initializer})

    def add(kind: str, inputs: list[str], **attributes: Any) -> None:
        nonlocal last
        made = f"declared_{len(before)}"
        before.append(helper.make_node(kind, inputs, [made], **attributes))
        last = made

    def constant(name: str, values: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    if form.channels == "bgr":
        add("Gather", [last, constant("declared_bgr", np.array([2, 1, 0]))], axis=1)
    for kind, values in (("Mul", form.white), ("Sub", form.mean), ("Div", form.std)):
        if values is not None and values != 1.0:
            numbers = np.asarray(values, np.float32).reshape(-1, 1, 1)
            add(kind, [last, constant(f"declared_{kind}", numbers)])
    if form.layout == "nhwc":
        add("Transpose", [last], perm=[0, 2, 3, 1])
    type_of = old.type.tensor_type.elem_type
    if type_of != TensorProto.FLOAT:
        add("Cast", [last], to=type_of)
    add("Identity", [last])
    before[-1].output[0] = old.name
    last = output
    if rank != 2:
        after.append(helper.make_node("Flatten", [last], ["declared_flat"], axis=1))
        last = "declared_flat"
    after.append(helper.make_node("Cast", [last], [f"declared_{LOGITS}"], to=TensorProto.FLOAT))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    rank_in = len(old.type.tensor_type.shape.dim)
    axes = ["batch", *(f"axis_{i}" for i in range(1, rank_in))]
    graph.input.append(helper.make_tensor_value_info(images, TensorProto.FLOAT, axes))
    graph.output.append(
        helper.make_tensor_value_info(f"declared_{LOGITS}", TensorProto.FLOAT, ["batch", "classes"])
    )
    return bytes(model.SerializeToString())
