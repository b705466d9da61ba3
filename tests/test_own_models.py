"""Other people's classifiers through the door: the same function as they are, or one line."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from smoothcert import cli, datasets, models
from smoothcert.certificates import read_certificates
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.doors import adapt, adapted, load_model
from smoothcert.models.own import examine
from smoothcert.models.spec import Given, given
from smoothcert.sampling.engines import open_engine

SHAPE = (3, 5, 4)
X = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class Net(nn.Module):
    """A network whose logits are known in closed form, and an output of any kind."""

    def __init__(self, output=lambda z: z):
        super().__init__()
        stream = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 60, generator=stream))
        self.output = output

    def forward(self, x):
        return self.output(x.flatten(1) @ self.weight.T)


EXPECTED = (X.flatten(1) @ Net().weight.T).detach()
INFO = datasets.DatasetInfo("own", "own", SHAPE, 4, (), {"test": 6}, None)
FORM = Given(path="model")

OUTPUTS = {
    "a tuple": (lambda z: (z, z.sum()), {}),
    "the second of a tuple": (lambda z: (z.sum(1, keepdim=True), z), {"output": 1}),
    "a mapping": (lambda z: {"logits": z, "features": z[:, :1]}, {}),
    "a mapping by name": (lambda z: {"head": z, "features": z[:, :1]}, {"output": "head"}),
    "the one of a mapping": (lambda z: {"out": z}, {}),
    "an object": (lambda z: SimpleNamespace(logits=z, loss=None), {}),
    "trailing axes": (lambda z: z[:, :, None, None], {}),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_any_usual_output_of_a_torch_module_is_taken(case):
    output, declared = OUTPUTS[case]
    network = adapted(Net(output), FORM.model_copy(update=declared), SHAPE)
    torch.testing.assert_close(network(X), EXPECTED)
    assert examine(network, SHAPE).shape == (16, 4)
    engine = open_engine(network.eval(), SHAPE, torch.device("cpu"))
    assert (engine.name, engine.note) == ("onnxruntime", "")  # fast, as for a network of logits
    x = X.clone().requires_grad_()
    network(x).logsumexp(1).sum().backward()
    assert x.grad.abs().max() > 0


def test_a_network_of_logits_stays_itself():
    network = Net()
    assert adapted(network, FORM, SHAPE) is network
    assert adapted(network, FORM.model_copy(update={"white": 255.0}), SHAPE) is not network


def test_what_is_declared_of_the_images_is_done_in_closed_form():
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)
    network = adapt(Turned(), white=255, mean=mean, std=std, layout="nhwc", channels="bgr")
    x = X.flip(1) * 255
    x = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(network(X), Net()(x))
    plain = models.digest(adapt(Turned(), layout="nhwc"))
    assert models.digest(network) != plain
    assert models.digest(adapt(Turned(), layout="nhwc", accuracy=0.9)) == plain


class Turned(Net):
    """Takes [B, H, W, C]."""

    def forward(self, x):
        assert x.shape[1:] == (5, 4, 3)
        return super().forward(x.permute(0, 3, 1, 2))


def test_functions_of_tensors_and_of_arrays_give_logits_or_labels():
    weight = Net().weight.detach()
    torch.testing.assert_close(adapt(lambda x: x.flatten(1) @ weight.T)(X), EXPECTED)

    def arrays(x):
        assert isinstance(x, np.ndarray)
        return x.reshape(len(x), -1) @ weight.numpy().T

    torch.testing.assert_close(adapt(arrays)(X), EXPECTED)
    labels = adapt(lambda x: arrays(x).argmax(1), classes=4)
    assert torch.equal(labels(X), nn.functional.one_hot(EXPECTED.argmax(1), 4).float())
    info = examine(adapt(lambda x: arrays(x).argmax(1), classes=5), SHAPE)
    assert info.shape == (16, 5)
    for function, said in (
        (lambda x: arrays(x).argmax(1), "give the number of classes"),
        (lambda x: arrays(x).max(1), r"has shape \(16,\); expected \(16, classes\)"),
        (lambda x: {"a": 1, "b": 2}, "outputs a, b; choose"),
        (lambda x: "cat", "found str"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ):
        with pytest.raises(SmoothcertError, match=said) as error:
            examine(adapt(function), SHAPE)
        assert "\n" not in str(error.value)
    with pytest.raises(SmoothcertError, match="labels from 0 to 3; expected 0 to 2"):
        adapt(lambda x: torch.arange(len(x)) % 4, classes=3)(X)


@pytest.mark.parametrize("kind", ["predict_proba", "decision_function", "predict"])
def test_scikit_learn_estimators_answer_as_they_predict(kind):
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.neighbors import NearestCentroid

    made = {
        "predict_proba": LogisticRegression(),
        "decision_function": RidgeClassifier(),
        "predict": NearestCentroid(),
    }[kind]
    flat, y = X.flatten(1).numpy(), np.array([0, 1, 3, 0, 1, 3])
    made.fit(flat, y)
    if kind == "predict":
        made = SimpleNamespace(classes_=made.classes_, predict=made.predict, get_params=dict)
    network = adapt(made)
    logits = network(X)
    assert logits.shape == (6, 4)  # class 2 was never seen: it is never the answer
    assert logits.argmax(1).tolist() == made.predict(flat).tolist()
    if kind == "predict_proba":
        torch.testing.assert_close(
            logits.softmax(1)[:, [0, 1, 3]], torch.from_numpy(made.predict_proba(flat)).double()
        )
    two = RidgeClassifier().fit(flat, y > 0)
    assert adapt(two)(X).argmax(1).tolist() == two.predict(flat).astype(int).tolist()
    with pytest.raises(SmoothcertError, match="without classes_"):
        adapt(LogisticRegression())


# --- files -----------------------------------------------------------------------------------


def onnx_bytes(network, example, **options):
    out = io.BytesIO()
    torch.onnx.export(network.eval(), (example,), out, dynamo=False, **options)
    return out.getvalue()


def dynamic(**names):
    return {"dynamic_axes": {name: {0: "batch"} for name in names}, "input_names": ["x"],
            "output_names": list(names)[1:]}  # fmt: skip


def test_an_onnx_file_is_run_as_it_is_and_known_by_its_bytes(tmp_path):
    data = onnx_bytes(Net(), X[:2], **dynamic(x=0, z=0))
    (tmp_path / "net.onnx").write_bytes(data)
    network, made = load_model(str(tmp_path / "net.onnx"), INFO)
    assert network.graph == data
    torch.testing.assert_close(network(X), EXPECTED)
    engine = open_engine(network, SHAPE, torch.device("cpu"))
    assert engine.identity.startswith("onnxruntime ")
    torch.testing.assert_close(engine.logits(X), EXPECTED)
    (tmp_path / "other.onnx").write_bytes(data)
    assert load_model(str(tmp_path / "other.onnx"), INFO)[1]["digest"] == made["digest"]
    import pickle

    torch.testing.assert_close(pickle.loads(pickle.dumps(network))(X), EXPECTED)


def test_a_graph_of_float16_is_asked_in_its_own_type(tmp_path):
    pytest.importorskip("onnx")
    data = onnx_bytes(Net().half(), X[:2].half(), **dynamic(x=0, z=0))
    (tmp_path / "net.onnx").write_bytes(data)
    network, _ = load_model(str(tmp_path / "net.onnx"), INFO)
    assert network(X).dtype == torch.float32
    torch.testing.assert_close(network(X), EXPECTED, rtol=1e-2, atol=2e-2)


def test_what_is_declared_becomes_part_of_the_graph(tmp_path):
    pytest.importorskip("onnx")
    example = torch.rand(1, 5, 4, 3)
    data = onnx_bytes(
        Turned(lambda z: (z.sum(1), z[:, :, None, None])), example,
        input_names=["images"], output_names=["sum", "scores"],  # a name this project uses
    )  # fmt: skip
    (tmp_path / "net.onnx").write_bytes(data)  # a batch of one, channels last, two outputs
    declared = {"white": 255, "mean": [10, 20, 30], "std": [2.0], "layout": "nhwc",
                "channels": "bgr", "output": "scores"}  # fmt: skip
    name = json.dumps({"path": str(tmp_path / "net.onnx"), **declared})
    network, _ = load_model(name, INFO)
    expected = adapt(Turned(), **{k: v for k, v in declared.items() if k != "output"})(X)
    torch.testing.assert_close(network(X), expected, rtol=1e-4, atol=1e-3)
    engine = open_engine(network, SHAPE, torch.device("cpu"))
    torch.testing.assert_close(engine.logits(X), expected, rtol=1e-4, atol=1e-3)
    for change, said in (
        ({"layout": "nchw"}, "takes images 5x4x3; the data has 3x5x4; give layout nhwc"),
        ({"output": None}, "outputs sum, scores; choose"),
        ({"output": 2}, "output 2: expected less than 2"),
        ({"output": "z"}, "choose the logits"),
    ):
        told = {**declared, **change}
        told = {k: v for k, v in told.items() if v is not None}
        with pytest.raises(SmoothcertError, match=said):
            load_model(json.dumps({"path": str(tmp_path / "net.onnx"), **told}), INFO)


EXPORT = """
import sys
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        stream = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(4, 60, generator=stream))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T

batch = torch.export.Dim("batch", min=1)
program = torch.export.export(Net(), (torch.rand(2, 3, 5, 4),), dynamic_shapes=({0: batch},))
torch.export.save(program, sys.argv[1])
"""


def test_torchscript_and_exported_programs(tmp_path):
    script = torch.jit.trace(Net().eval(), X[:2])
    script.save(str(tmp_path / "net.pt"))
    # In a process of its own: torch.export refuses the switches that other tests have touched.
    subprocess.run([sys.executable, "-c", EXPORT, str(tmp_path / "net.pt2")], check=True)
    for name in ("net.pt", "net.pt2"):
        network, made = load_model(str(tmp_path / name), INFO)
        torch.testing.assert_close(network.eval()(X), EXPECTED)
        assert made["n_classes"] == 4
        assert open_engine(network, SHAPE, torch.device("cpu")).logits(X).shape == (6, 4)
    torch.save(Net().state_dict(), tmp_path / "weights.pt")
    for content, name, said in (
        (None, "weights.pt", "smoothcert import-checkpoint"),
        (b"no program", "bad.pt2", "not an exported torch program"),
        (b"no graph", "bad.onnx", "ONNX Runtime cannot load this graph"),
        (None, "none.onnx", "none.onnx: cannot be read"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(SmoothcertError, match=said) as error:
            load_model(str(tmp_path / name), INFO)
        assert "\n" not in str(error.value)


def test_hubs_are_asked_by_their_own_loaders(monkeypatch):
    def refuse(name, pretrained):
        raise RuntimeError(f"no model {name}\nwith more lines")

    class Auto:
        @staticmethod
        def from_pretrained(name):
            assert name == "lab/net"
            return Net(lambda z: SimpleNamespace(logits=z))

    monkeypatch.setitem(
        sys.modules, "timm", SimpleNamespace(create_model=lambda n, pretrained: Net())
    )
    torch.testing.assert_close(load_model("timm:small", INFO)[0](X), EXPECTED)
    hub = SimpleNamespace(AutoModelForImageClassification=Auto)
    monkeypatch.setitem(sys.modules, "transformers", hub)
    torch.testing.assert_close(load_model("hf:lab/net", INFO)[0](X), EXPECTED)
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=refuse))
    with pytest.raises(SmoothcertError, match=r"timm: no model small$"):
        load_model("timm:small", INFO)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SmoothcertError, match="pip install timm"):
        load_model("timm:small", INFO)


def test_the_words_of_a_model_are_checked(tmp_path):
    assert given("net.onnx") == Given(path="net.onnx")
    (tmp_path / "net.json").write_text('{"path": "a:b", "white": 255}')
    assert given(f"@{tmp_path / 'net.json'}").white == 255
    for text, said in (
        ('{"path": "x", "wite": 1}', "wite: unknown key"),
        ('{"path": "x", "white": -1}', "white: expected more than 0"),
        ('{"white": 1}', "path: missing"),
        ("{", "not valid JSON"),
    ):
        with pytest.raises(SmoothcertError, match=said):
            given(text)
    with pytest.raises(SmoothcertError, match="unknown key"):
        adapt(Net(), path="x", nope=1)
    declared = json.dumps({"path": "m.safetensors", "white": 255})
    with pytest.raises(SmoothcertError, match="already records"):
        load_model(declared, INFO)


def test_a_function_of_labels_is_certified_from_a_shell(tmp_path, monkeypatch):
    (tmp_path / "lab_model.py").write_text(
        "def make():\n    return lambda x: (x.reshape(len(x), -1).mean(1) > 0.3).astype(int)\n"
    )
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 0.2, (3, 8, 8)), rng.uniform(0.5, 0.9, (3, 8, 8))])
    np.savez(tmp_path / "photos.npz", images=x, labels=[0, 0, 0, 1, 1, 1])
    monkeypatch.chdir(tmp_path)
    told = '{"path": "lab_model:make", "classes": 2}'
    words = (
        "certify --data photos.npz --noise gaussian-0.25 --budget fixed-1000 --out t.tsv --quiet"
    )
    assert cli.main([*words.split(), "--model", told]) == 0
    table = read_certificates("t.tsv")
    assert table.correct.tolist() == [1] * 6
    # A linear classifier in disguise: its radius is sigma * Phi^-1(p) and at most the distance.
    distance = np.abs(x.reshape(6, -1).mean(1) - 0.3) * 8
    assert (table.radius <= distance).all()
    assert (table.radius > 0.5 * np.minimum(distance, 0.25 * 2.4)).all()


SHADES = """
import torch
from torch import nn

class Net(nn.Module):
    # answers with the digit of a picture of one grey level 20 * digit, in bytes
    def forward(self, x):
        level = x.mean((1, 2, 3))[:, None]
        return -(level - 20 * torch.arange(10.0)).abs()
"""


@pytest.fixture
def shades(tmp_path, monkeypatch):
    """A network that wants bytes, and pictures for it."""
    (tmp_path / "shades_model.py").write_text(SHADES)
    y = np.arange(40) % 10
    np.savez(
        tmp_path / "shades.npz",
        x=np.full((40, 1, 4, 4), 20, np.uint8) * y[:, None, None, None].astype(np.uint8),
        y=y,
    )
    monkeypatch.chdir(tmp_path)
    words = "certify --data shades.npz --noise gaussian-0.25 --budget fixed-100 --look 100 --quiet"

    def certify(out="t.tsv", **declared):
        told = json.dumps({"path": "shades_model:Net", **declared})
        return cli.main([*words.split(), "--out", out, "--model", told])

    return certify


def test_one_class_for_all_and_a_low_accuracy_are_warned_of_with_what_helps(shades, capsys):
    assert shades() == 0
    said = capsys.readouterr().err
    assert "it predicts class 0 for all 40 clean images; likely causes: the range" in said
    assert '{"white": 255.0} gives 100.0% of 40' in said
    assert shades("u.tsv", white=255, accuracy=0.98) == 0
    shown = capsys.readouterr()
    assert "warning" not in shown.err
    assert "accuracy: base classifier, without noise 100.0% [91.2, 100.0], smoothed" in shown.out
    record = json.loads(Path("u.json").read_text())["votes"]
    assert record["base"] == {"inputs": 40, "correct": 40}
    # Twice as bright: some classes are right, fewer than stated.
    assert shades("v.tsv", white=510, accuracy=0.98) == 0
    said = capsys.readouterr().err
    assert "its clean accuracy is 20.0% (8 of 40 images); stated is 98.0%" in said
    assert shades("v.tsv", white=510) == 0
    assert "warning" not in capsys.readouterr().err


def test_doubts_are_no_accidents():
    from smoothcert.sampling.clean import doubts

    labels = np.arange(30) % 3
    assert not list(doubts(np.zeros(19, int), labels[:19], None))
    assert not list(doubts(np.zeros(30, int), np.zeros(30, int), None))
    assert list(doubts(np.zeros(30, int), np.full(30, -1), None))
    almost = np.where(np.arange(30) < 27, labels, (labels + 1) % 3)
    assert not list(doubts(almost, labels, 0.98))
    assert list(doubts((labels + 1) % 3, labels, 0.5))
