"""Batch normalization folded into the convolution before it: the same function, fewer kernels."""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from smoothcert.models.classifier import Classifier


def folded(model: nn.Module) -> nn.Module | None:
    """A copy of an evaluated network of this project in which convolutions do the scaling and the
    shift of the batch normalization that follows them; None where there is nothing to fold.

    Exact in real arithmetic: a normalization in eval mode is affine, and it is folded only where
    the convolution's output goes nowhere else. The new weights are computed in float64 and have
    the old ones' type. A network of a user's own is left alone: its forward may depend on more
    than its graph says.
    """
    if not isinstance(model, Classifier):
        return None
    dtypes = {k: v.dtype for k, v in model.state_dict().items() if v.is_floating_point()}
    traced = fx.symbolic_trace(copy.deepcopy(model).eval().double())
    modules = dict(traced.named_modules())
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    found = 0
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or type(modules[node.target]) is not nn.BatchNorm2d:
            continue
        before = node.args[0]
        alone = before.op == "call_module" and len(before.users) == 1
        if not alone or type(modules[before.target]) is not nn.Conv2d:
            continue
        if calls[before.target] > 1 or calls[node.target] > 1:
            continue
        fused = fuse_conv_bn_eval(modules[before.target], modules[node.target])
        parent, _, name = before.target.rpartition(".")
        setattr(traced.get_submodule(parent), name, fused)
        modules[before.target] = fused
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
        found += 1
    if not found:
        return None
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.to(next(iter(dtypes.values()), torch.float32))
