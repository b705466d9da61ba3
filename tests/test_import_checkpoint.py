"""Published checkpoints are read without running code, checked, and compute the same."""

from __future__ import annotations

import pytest
import torch

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build, load, normalization
from smoothcert.models.published import import_published

CIFAR = ("cifar10", 10, (3, 32, 32))


def weights(arch="resnet20"):
    return build(arch, 10, (3, 32, 32), seed=7).network.state_dict()


def cohen(arch="cifar_resnet20", prefix="1."):
    tensors = {f"{prefix}{k}": v for k, v in weights(arch.removeprefix("cifar_")).items()}
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(1)}}, "param_groups": [{"lr": 0.1}]}
    return {"epoch": 90, "arch": arch, "state_dict": tensors, "optimizer": optimizer}


def written(tmp_path, content):
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(content, path)
    return path


def imported_logits(path, x, **options):
    model, _ = import_published(path, "resnet20", *CIFAR, **options)
    assert not model.training
    return model(x)


@pytest.mark.parametrize("prefix", ["1.", "1.module.", "module.1.", "module.", ""])
def test_every_wrapping_of_the_keys_gives_the_same_classifier(tmp_path, prefix):
    x = torch.rand(2, 3, 32, 32)
    layer = normalization("cifar10", "standardize", 3)
    expected = build("resnet20", 10, (3, 32, 32), layer, seed=7).eval()(x)
    path = written(tmp_path, cohen(prefix=prefix))
    assert torch.equal(imported_logits(path, x), expected)


def test_the_resnet110_of_cohen_is_read_in_full(tmp_path):
    path = written(tmp_path, cohen("cifar_resnet110"))
    model, record = import_published(path, "resnet110", *CIFAR)
    assert record["epoch"] == 90
    assert record["imported"]["arch"] == "cifar_resnet110"
    for name, tensor in weights("resnet110").items():
        assert torch.equal(model.network.state_dict()[name], tensor)


def test_the_resnet50_of_imagenet_behind_data_parallel_is_read(tmp_path):
    tensors = build("resnet50", 1000, (3, 224, 224)).network.state_dict()
    content = {"arch": "resnet50", "state_dict": {f"1.module.{k}": v for k, v in tensors.items()}}
    path = written(tmp_path, content)
    model, _ = import_published(path, "resnet50", "imagenet", 1000, (3, 224, 224), "center")
    assert torch.equal(model.network.state_dict()["fc.weight"], tensors["fc.weight"])
    assert model.std.flatten().tolist() == [1, 1, 1]
    assert model.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_the_two_normalizers_of_smoothadv_differ(tmp_path):
    x = torch.rand(2, 3, 32, 32)
    path = written(tmp_path, cohen())
    standardized = imported_logits(path, x, normalization="standardize")
    centred = imported_logits(path, x, normalization="center")
    assert not torch.allclose(standardized, centred)
    layer = normalization("cifar10", "center", 3)
    expected = build("resnet20", 10, (3, 32, 32), layer, seed=7).eval()(x)
    assert torch.equal(centred, expected)


def test_macers_network_gets_no_normalization(tmp_path):
    x = torch.rand(2, 3, 32, 32)
    tensors = {f"module.{k}": v for k, v in weights().items()}
    path = written(tmp_path, {"net": tensors, "epoch": 440, "optimizer": {}, "scheduler": {}})
    expected = build("resnet20", 10, (3, 32, 32), seed=7).eval()(x)
    assert torch.equal(imported_logits(path, x), expected)


def test_a_normalization_kept_in_the_file_must_be_the_one_asked_for(tmp_path):
    content = cohen()
    content["state_dict"]["0.means"] = torch.tensor([0.4914, 0.4822, 0.4465])
    content["state_dict"]["0.sds"] = torch.tensor([0.2023, 0.1994, 0.2010])
    path = written(tmp_path, content)
    import_published(path, "resnet20", *CIFAR)
    with pytest.raises(SmoothcertError, match=r"center: the file's normalization sds is \[0\.2"):
        import_published(path, "resnet20", *CIFAR, normalization="center")


def test_counters_that_old_files_lack_are_not_missed(tmp_path):
    content = cohen()
    content["state_dict"] = {
        k: v for k, v in content["state_dict"].items() if not k.endswith("num_batches_tracked")
    }
    import_published(written(tmp_path, content), "resnet20", *CIFAR)


def test_what_does_not_fit_is_listed_in_one_line(tmp_path):
    content = cohen()
    tensors = content["state_dict"]
    tensors["1.linear.weight"] = tensors.pop("1.fc.weight")
    tensors["1.fc.bias"] = torch.zeros(100)
    path = written(tmp_path, content)
    with pytest.raises(SmoothcertError) as error:
        import_published(path, "resnet20", *CIFAR)
    text = str(error.value)
    assert text.startswith(f"{path}: as resnet20: does not fit")
    assert "missing fc.weight" in text
    assert "not expected linear.weight" in text
    assert "fc.bias has shape [100], expected [10]" in text
    assert "\n" not in text


def test_another_architecture_is_refused_by_its_name_or_by_its_tensors(tmp_path):
    path = written(tmp_path, cohen())
    with pytest.raises(SmoothcertError, match="holds architecture 'cifar_resnet20', expected"):
        import_published(path, "resnet110", *CIFAR)
    content = cohen()
    del content["arch"]
    path = written(tmp_path, content)
    with pytest.raises(SmoothcertError, match=r"missing layer1\.3\.conv1\.weight.*more"):
        import_published(path, "resnet110", *CIFAR)


class Code:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path):
    path = written(tmp_path, {"arch": "cifar_resnet20", "state_dict": weights(), "more": Code()})
    with pytest.raises(SmoothcertError, match="cannot be read as plain tensors"):
        import_published(path, "resnet20", *CIFAR)


@pytest.mark.parametrize("content", [{"model": {}}, {"state_dict": {}}, {"net": {"a": 1}}, [1]])
def test_a_file_of_another_layout_is_refused(tmp_path, content):
    path = written(tmp_path, content)
    with pytest.raises(SmoothcertError, match="expected"):
        import_published(path, "resnet20", *CIFAR)


@pytest.mark.parametrize("keep", [0, 10, 5000, -40])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = written(tmp_path, cohen())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SmoothcertError, match="cannot be read as plain tensors"):
        import_published(path, "resnet20", *CIFAR)


def test_the_command_writes_a_checkpoint_or_nothing(tmp_path, capsys):
    path, out = written(tmp_path, cohen()), tmp_path / "out" / "model.safetensors"
    command = ["import-checkpoint", str(path), "--dataset", "cifar10", "--out", str(out)]
    assert main([*command, "--arch", "resnet110"]) == 2
    assert not out.exists()
    assert capsys.readouterr().err.startswith(f"error: {path}: holds architecture")
    assert main([*command, "--arch", "resnet20"]) == 0
    model, record = load(out)
    assert record["normalization"] == "standardize"
    assert record["dataset"] == "cifar10"
    assert torch.equal(model.network.fc.weight, weights()["fc.weight"])
    assert (
        main(["import-checkpoint", str(tmp_path / "no"), *command[2:], "--arch", "resnet20"]) == 2
    )
    assert capsys.readouterr().err.startswith("error: ")
