"""torchvision can be imported whether or not its compiled operators load."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from smoothcert.compute import torchvision_shim
from smoothcert.compute.torchvision_shim import declare_missing_operators, torchvision


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_classification_models_work_through_the_shim():
    model = torchvision.models.resnet18(num_classes=7).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_transforms_and_data_sets_are_there():
    assert torchvision.datasets.CIFAR10.tgz_md5
    assert torchvision.transforms.functional.center_crop(torch.zeros(1, 9, 9), [4, 4]).shape[1] == 4


def test_declaring_twice_declares_nothing_more():
    assert declare_missing_operators() == []


def test_nothing_is_declared_where_the_compiled_library_loads(monkeypatch):
    monkeypatch.setattr(torchvision_shim, "_SCHEMAS", {"never_declared": "() -> Tensor"})
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    assert declare_missing_operators() == []
    assert not hasattr(torch.ops.torchvision, "never_declared")


def test_what_is_missing_is_declared_where_the_library_does_not_load(monkeypatch):
    def refuse(path: str) -> None:
        raise OSError(f"{path}: undefined symbol")

    monkeypatch.setattr(torchvision_shim, "_SCHEMAS", {"shim_probe": "(Tensor x) -> Tensor"})
    monkeypatch.setattr(torch.ops, "load_library", refuse)
    assert declare_missing_operators() == ["shim_probe"]
    assert "shim_probe" in str(torch.ops.torchvision.shim_probe.default)
    # A declaration has no kernel: nothing can be computed by mistake.
    with pytest.raises(NotImplementedError):
        torch.ops.torchvision.shim_probe(torch.zeros(1))


def test_a_fresh_process_imports_torchvision_without_its_compiled_library():
    done = _python(
        "import torch\n"
        "def refuse(path): raise OSError(path)\n"
        "torch.ops.load_library = refuse\n"
        "from smoothcert.compute.torchvision_shim import torchvision\n"
        "assert torchvision.models.resnet18\n"
        "try: torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)\n"
        "except RuntimeError: print('no kernel')\n"
    )
    assert done.stdout.strip() == "no kernel", done.stderr


def test_a_missing_torchvision_says_so(monkeypatch):
    monkeypatch.setattr(torchvision_shim.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="No module named 'torchvision'"):
        declare_missing_operators()
