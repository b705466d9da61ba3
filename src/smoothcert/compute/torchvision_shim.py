"""Import torchvision, also where its compiled operators do not load.

A torchvision wheel whose ``_C`` library was built for another torch (a CUDA wheel beside a
CPU torch, say) cannot register the operators ``nms`` and ``qnms``, and then ``import
torchvision`` fails, because it adds shape rules to both. Nothing here detects boxes, so the
two schemas are declared in that case, without kernels: data sets, transforms and
classification models work, and a call of ``nms`` fails as it should. Where the library loads,
nothing is declared. Whatever needs torchvision writes
``from smoothcert.compute.torchvision_shim import torchvision``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
# A declaration lives as long as the object that made it.
_declared: list[torch.library.Library] = []


def _compiled_operators_load() -> bool:
    """Whether torchvision's ``_C`` library loads beside this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
    # As torchvision itself: the name is _C.so, _C.pyd or _C.<abi>.so by platform.
    folder = Path(spec.submodule_search_locations[0])
    for library in sorted(p for p in folder.glob("_C.*") if p.suffix in (".so", ".pyd", ".dylib")):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            continue
        return True
    return False


def declare_missing_operators() -> list[str]:
    """Declare the schemas that ``import torchvision`` needs and does not find.

    Returns the names declared by this call: none where the compiled library loads, and none
    the second time.
    """
    if _compiled_operators_load():
        return []
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(name + _SCHEMAS[name])
        _declared.append(library)
    return missing


declare_missing_operators()

import torchvision  # noqa: E402
import torchvision.datasets  # noqa: E402
import torchvision.models  # noqa: E402
import torchvision.transforms  # noqa: E402

__all__ = ["declare_missing_operators", "torchvision"]
