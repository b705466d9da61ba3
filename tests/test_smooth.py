"""``Smooth``: the field's interface on this project's votes."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from cohen_scripts import certify_script, predict_script
from scipy.stats import norm
from torch import nn

import smoothcert
from smoothcert import cli, datasets
from smoothcert.certificates import read_certificates
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError, SmoothcertWarning
from smoothcert.sampling import smooth as smooth_module
from smoothcert.sampling.smooth import Smooth

LINEAR = """
import torch
from torch import nn

class Linear(nn.Module):
    # 10 templates of digits, always the same
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)
        stream = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.fc.weight.copy_(torch.randn(10, 64, generator=stream))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(x.flatten(1))
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    (tmp_path / "linear_model.py").write_text(LINEAR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


class Two(nn.Module):
    """Two classes, told apart by one pixel: p_A is known exactly."""

    def forward(self, x):
        z = x.flatten(1)[:, 0] - 0.5
        return torch.stack([-z, z], 1)


def model():
    namespace = {}
    exec(LINEAR, namespace)
    return namespace["Linear"]()


def data(count=12):
    return datasets.load("digits", max=count)


def pairs(given):
    return [(given.images[i], int(given.labels[i])) for i in range(len(given))]


def command(*words, out):
    said = "--model linear_model:Linear --dataset digits --max 12 --noise gaussian-0.25 --batch 64"
    return cli.main([*words, *said.split(), "--out", out, "--quiet"])


def test_the_fields_scripts_agree_with_the_command_row_by_row(tmp_path):
    given, own = pairs(data()), Path("script.tsv")
    certify_script(model(), given, 10, 0.25, own, Smooth, n0=100, n=2000, batch=64)
    assert command("certify", "--budget", "fixed-2000", out="command.tsv") == 0
    ours, theirs = read_certificates("command.tsv"), read_certificates(own)
    for column in ("idx", "label", "predict", "radius", "correct"):
        assert getattr(ours, column).tolist() == getattr(theirs, column).tolist()
    assert (ours.predict >= 0).sum() > 0
    predict_script(model(), given, 10, 0.25, Path("p.tsv"), Smooth, n=1000, batch=64)
    assert command("predict", "--n", "1000", out="q.tsv") == 0
    assert Path("p.tsv").read_text() == Path("q.tsv").read_text()


def test_certify_all_gives_the_same_rows_in_memory_and_on_disk_and_goes_on():
    given = data()
    smoothed = Smooth(model(), 10, 0.25)
    loader = torch.utils.data.DataLoader(pairs(given), batch_size=5)
    told = {"n": 2000, "batch_size": 64, "progress": False}
    memory = smoothed.certify_all(given.images, given.labels, **told)
    assert command("certify", "--budget", "fixed-2000", out="command.tsv") == 0
    command_table = read_certificates("command.tsv")
    for table in (
        smoothed.certify_all(loader, **told),
        smoothed.certify_all(loader, out="t.tsv", **told),
        smoothed.certify_all(given, out="u.tsv", jobs=2, **told),
        read_certificates("t.tsv"),
        command_table,
    ):
        for column in ("idx", "label", "predict", "radius"):
            assert getattr(table, column).tolist() == getattr(memory, column).tolist()
    record = json.loads(Path("t.json").read_text())
    assert record["votes"]["base"]["inputs"] == 12
    # The same votes serve again; those of another network are refused.
    before = Path("t.votes.npz").read_bytes()
    smoothed.certify_all(loader, out="t.tsv", **told)
    assert Path("t.votes.npz").read_bytes() == before
    other = model()
    with torch.no_grad():
        other.fc.weight.neg_()
    with pytest.raises(SmoothcertError, match="votes with another specification: model_digest"):
        Smooth(other, 10, 0.25).certify_all(loader, out="t.tsv", **told)


def test_radius_and_answer_are_those_of_a_classifier_known_exactly():
    x = torch.full((3, 1, 4, 4), 0.5)
    x[:, 0, 0, 0] = torch.tensor([0.5, 0.7, 1.0])
    smoothed = Smooth(Two(), 2, 0.5)
    predict, radius = smoothed.certify(x, n=20_000)
    assert predict[1:].tolist() == [1, 1]
    assert (radius <= [0.02, 0.2, 0.5]).all()
    assert radius[1] > 0.17
    assert radius[2] > 0.46
    top = 0.5 * norm.ppf(clopper_pearson_lower(np.array(20_000), 20_000, 0.001))
    assert radius.max() < top
    assert smoothed.predict(x, n=1000).tolist()[1:] == [1, 1]
    one = smoothed.certify(x[2], n=1000)
    assert (type(one[0]), type(one[1])) == (int, float)
    assert type(smoothed.predict(x[2])) is int
    assert smoothed.certify(x[0], n=100)[0] == Smooth.ABSTAIN == -1
    # Certificates with other budgets and noises.
    assert smoothed.certify(x[2], budget="sequential_0.02-10000")[0] == 1
    uniform = Smooth(Two(), 2, noise="uniform-1.00").certify(x[2], n=5000)
    assert 0.3 < uniform[1] <= 0.5


def test_noise_is_named_by_seed_and_place():
    x = data(4).images
    first, second = Smooth(model(), 10, 0.25, seed=3), Smooth(model(), 10, 0.25, seed=3)
    whole = first.certify(x, n=500)[1]
    apart = [second.certify(one, n=500)[1] for one in x]
    assert whole.tolist() == apart  # one by one as in a batch
    again = second.certify(x, n=500)[1]
    assert again.tolist() != apart  # later calls draw other noise,
    assert second.certify(x, n=500, idx=range(4))[1].tolist() == apart  # unless they are told
    assert Smooth(model(), 10, 0.25, seed=4).certify(x, n=500)[1].tolist() != apart


def test_weights_that_change_are_seen():
    network, x = model(), data(3).images
    smoothed = Smooth(network, 10, 0.25)
    before = smoothed.certify(x, n=200)[0]
    with torch.no_grad():
        network.fc.weight.copy_(network.fc.weight.roll(1, 0))
    after = smoothed.certify(x, n=200, idx=range(3))[0]
    assert after.tolist() == [(c + 1) % 10 if c >= 0 else -1 for c in before]


def test_the_soft_classifier_is_the_mean_of_probabilities_and_differentiable():
    smoothed = Smooth(Two(), 2, 0.5, samples=4000).eval()
    x = torch.full((2, 1, 4, 4), 0.5)
    x[1, 0, 0, 0] = 0.9
    x.requires_grad_()
    log_p = smoothed(x)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(2))
    # E sigmoid(2 (z + sigma * noise)) by quadrature
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    exact = (weights / weights.sum()) @ (1 / (1 + np.exp(-2 * (0.4 + 0.5 * nodes))))
    assert log_p[1, 1].exp().item() == pytest.approx(exact, abs=0.01)
    log_p[:, 1].sum().backward()
    assert (x.grad.flatten(1)[:, 0] > 0.3).all()
    assert x.grad.flatten(1)[:, 1:].abs().max() == 0
    assert torch.equal(smoothed(x), log_p)  # the draws are fixed
    assert not list(smoothed.parameters())
    assert next(Smooth(model(), 10, 0.25).parameters()).shape == (10, 64)


def test_what_answers_with_labels_or_bytes_is_smoothed_too():
    x = torch.full((2, 1, 4, 4), 0.9)
    labels = Smooth(lambda a: (a.reshape(len(a), -1)[:, 0] > 127).astype(int), 2, 0.25, white=255)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says why the engine is torch
        assert labels.certify(x, n=1000)[0].tolist() == [1, 1]


WRONG = {
    "sigma": (lambda: Smooth(Two(), 2, "x"), "sigma 'x'"),
    "a negative sigma": (lambda: Smooth(Two(), 2, -1), "sigma -1: expected a positive"),
    "no sigma": (lambda: Smooth(Two(), 2), "expected sigma or a noise"),
    "both": (lambda: Smooth(Two(), 2, 0.5, noise="gaussian-0.50"), "expected sigma or a noise"),
    "zero": (lambda: Smooth(Two(), 2, 0.0), "sigma 0.0"),
    "a key": (lambda: Smooth(Two(), 2, 0.5, wite=1), "unknown key"),
    "classes": (lambda: Smooth(Two(), 3, 0.5).certify(torch.rand(1, 4, 4), n=100), "2 outputs"),
    "range": (lambda: Smooth(Two(), 2, 0.5).certify(torch.ones(1, 4, 4) * 9, n=100), "[0, 1]"),
    "bytes": (lambda: Smooth(Two(), 2, 0.5).certify(np.ones((1, 4, 4), np.uint8), n=100), "uint8"),
    "n": (lambda: Smooth(Two(), 2, 0.5).predict(torch.rand(1, 4, 4), n=5), "expected at least 11"),
    "budget": (lambda: Smooth(Two(), 2, 0.5).certify(torch.rand(1, 4, 4), budget="x"), "budget"),
    "labels": (
        lambda: Smooth(Two(), 2, 0.5).certify_all(torch.rand(2, 1, 4, 4), [0, 5], n=100),
        "expected classes 0 to 1, found 5",
    ),
    "few labels": (
        lambda: Smooth(Two(), 2, 0.5).certify_all(torch.rand(2, 1, 4, 4), [0], n=100),
        "each of 2 images",
    ),
    "no model": (lambda: Smooth(3, 2, 0.5).certify(torch.rand(1, 4, 4), n=100), "found int"),
    "engine": (
        lambda: Smooth(Two(), 2, 0.5, engine="x").certify(torch.rand(1, 4, 4), n=100), "engine 'x'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_every_mistake_is_one_line(case):
    call, said = WRONG[case]
    with pytest.raises(SmoothcertError) as error:
        call()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_looks_of_any_n():
    assert [smooth_module._look(n) for n in (100_000, 1000, 500, 12_345, 1009, 7)] == [
        1000, 1000, 500, 823, 1009, 7,
    ]  # fmt: skip
    assert Smooth is smoothcert.Smooth


def test_the_notebook_runs_as_it_stands(capsys):
    pytest.importorskip("matplotlib").use("Agg")
    path = Path(__file__).resolve().parent.parent / "notebooks" / "your_model.ipynb"
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    code = code.replace("n = 1000 ", "n = 100 ").replace("inputs = 20", "inputs = 6")
    exec(compile(code, path.name, "exec"), {})
    said = capsys.readouterr().out
    assert "accuracy of the smoothed classifier" in said
    assert "average certified radius" in said


def test_another_toolbox_wraps_the_soft_classifier():
    estimators = pytest.importorskip("art.estimators.classification", exc_type=ImportError)
    from art.attacks.evasion import ProjectedGradientDescent

    given = data(4)
    smoothed = Smooth(model(), 10, 0.25, samples=32, engine="torch").eval()
    wrapped = estimators.PyTorchClassifier(
        smoothed, nn.NLLLoss(), input_shape=(1, 8, 8), nb_classes=10, clip_values=(0, 1)
    )
    x = given.images.numpy()
    before = wrapped.predict(x)
    told = {"norm": 2, "eps": 1.0, "eps_step": 0.2, "max_iter": 10, "verbose": False}
    attack = ProjectedGradientDescent(wrapped, **told)
    after = wrapped.predict(attack.generate(x, y=before.argmax(1)))
    rows = np.arange(4)
    assert (after[rows, before.argmax(1)] < before[rows, before.argmax(1)]).all()


@pytest.mark.parametrize("out", [None, "t.tsv"])
def test_a_whole_set_is_tried_without_noise_first(out):
    images, labels = data(30).images, data(30).labels
    told = {"n": 100, "out": out, "progress": False}
    blank = model()
    nn.init.zeros_(blank.fc.weight)
    with pytest.warns(SmoothcertWarning, match="class 0 for all 30 clean images"):
        Smooth(blank, 10, 0.25).certify_all(images, labels, **told)
    told["out"] = out and "v.tsv"
    with pytest.warns(SmoothcertWarning, match="class 0 for all 30 clean images"):
        Smooth(blank, 10, 0.25, white=255).certify_all(images, labels, **told)
    told["out"] = out and "u.tsv"
    with pytest.warns(SmoothcertWarning, match=r"of 30 images\); stated is 90.0%"):
        Smooth(model(), 10, 0.25, accuracy=0.9).certify_all(images, labels, **told)
