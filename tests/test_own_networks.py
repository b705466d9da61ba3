"""Networks, images and labels of a user's own: what is certified is what they are, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from core_helpers import make_store
from scipy.stats import norm
from torch import nn

from smoothcert import cli, datasets, models
from smoothcert.audits.subjects import same_network
from smoothcert.budget import BUDGETS
from smoothcert.certificates import make_table, metrics, read_certificates
from smoothcert.certificates.certification import certify, predict
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.doors import load_model
from smoothcert.models.mode import evaluating
from smoothcert.models.own import answers, examine
from smoothcert.noise import NOISES
from smoothcert.sampling.library import sample
from smoothcert.votes import VoteStore, take
from smoothcert.votes.identity import difference

NOISE, BUDGET = NOISES.parse("gaussian-0.50"), BUDGETS.parse("fixed-1000")
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def flat(*layers):
    """A network of images as vectors, its weights always the same."""
    network, stream = nn.Sequential(nn.Flatten(), *layers), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(0.1 * torch.randn(weights.shape, generator=stream))
    return network


class Forward(nn.Module):
    """A network whose forward is given."""

    def __init__(self, forward):
        super().__init__()
        self._forward = forward

    def forward(self, x):
        return self._forward(x)


class Signed(nn.Module):
    def __init__(self, sign=1.0):
        super().__init__()
        self.net, self.sign = flat(nn.Linear(64, 10)), sign

    def forward(self, x):
        return self.sign * self.net(x)


class Wrapped(nn.Module):
    """Holds its network where no module looks."""

    def __init__(self, network):
        super().__init__()
        self.held = [network]

    def forward(self, x):
        return self.held[0](x)


def wrapped(seed):
    torch.manual_seed(seed)
    return Wrapped(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))


# --- what a network is known by --------------------------------------------------------------


ANOTHER = {
    "another forward": (lambda: Signed(), lambda: Signed(-1.0)),
    "another activation": (
        lambda: flat(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        lambda: flat(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)),
    ),
    "another attribute": (lambda: Signed(), lambda: Signed(1.01)),
    "a retrained network inside": (lambda: wrapped(0), lambda: wrapped(1)),
}


@pytest.fixture
def network(monkeypatch, tmp_path):
    """Makes ``own_network:make`` return a network, and gives a command that certifies it."""
    module = type(json)("own_network")
    monkeypatch.setitem(__import__("sys").modules, "own_network", module)
    monkeypatch.chdir(tmp_path)

    def use(make):
        module.make = make

    return use


def certifying(*more, out="t.tsv", budget="fixed-1000"):
    return ["certify", "--model", "own_network:make", "--dataset", "digits", "--max", "3",
            "--noise", "gaussian-0.50", "--budget", budget, "--out", out, "--device", "cpu",
            "--quiet", *more]  # fmt: skip


@pytest.mark.parametrize("case", ANOTHER)
def test_votes_of_another_network_of_the_same_name_and_weights_are_not_taken_over(
    case, network, capsys
):
    one, other = ANOTHER[case]
    assert models.digest(one()) == models.digest(other())
    network(one)
    assert cli.main(certifying()) == 0
    before = Path("t.votes.npz").read_bytes()
    network(other)
    capsys.readouterr()
    assert cli.main(certifying()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (
        "t.votes.npz holds votes with another specification: answers: the network's outputs" in said
    )
    assert Path("t.votes.npz").read_bytes() == before
    # Nor are its shards joined with the other's.
    store = VoteStore.read("t.votes.npz")
    assert cli.main(certifying(out="u.tsv")) == 0
    parts = take(store, [0]), take(VoteStore.read("u.votes.npz"), [1, 2])
    for part, name in zip(parts, "ab", strict=True):
        part.write(f"{name}.npz")
    assert cli.main(["gather", "a.npz", "b.npz", "--out", "g.npz"]) == 2
    assert "not shards of one store: answers" in capsys.readouterr().err


def test_votes_of_the_same_network_are_taken_over_also_where_kernels_round_otherwise(
    network, capsys
):
    network(Signed)
    assert cli.main(certifying()) == 0
    assert cli.main(certifying(budget="fixed-2000")) == 0
    assert "(3,000 drawn now)" in capsys.readouterr().out
    assert cli.main(certifying()) == 0
    assert "(0 drawn now)" in capsys.readouterr().out
    logits = examine(Signed(), (1, 8, 8))
    there = {"answers": answers(logits * (1 + 1e-6))}
    assert there != {"answers": answers(logits)}
    assert difference(there, {"answers": answers(logits)}) == ""
    assert difference({"answers": answers(logits * 1.01)}, {"answers": answers(logits)})


def test_an_audit_is_not_made_with_another_network_than_was_certified(network):
    info = datasets.info("digits")
    network(Signed)
    made = load_model("own_network:make", info)[1]
    about = {"model_digest": made["digest"], "answers": made["answers"]}
    same_network(about, made, "t.tsv: certified for", "own_network:make")
    network(lambda: Signed(-1.0))
    other = load_model("own_network:make", info)[1]
    with pytest.raises(SmoothcertError, match="a model other than own_network:make: answers"):
        same_network(about, other, "t.tsv: certified for", "own_network:make")


def test_a_checkpoint_is_known_by_its_weights_and_architecture_alone(tmp_path):
    models.save(models.build("tiny_cnn", 10, (1, 8, 8)), tmp_path / "m.safetensors", {})
    assert "answers" not in load_model(str(tmp_path / "m.safetensors"), datasets.info("digits"))[1]


# --- what a network must be ------------------------------------------------------------------


def batch_norm(network):
    """Normalizes by the batch, also in eval mode."""
    return flat(nn.BatchNorm1d(64, track_running_stats=False), network)


NONE = {
    "one output": (Forward(lambda x: x.flatten(1).sum(1, keepdim=True)), "per class, at least two"),
    "one answer a batch": (Forward(lambda x: x.flatten(1).mean(0)[:5]), r"has shape \(5,\)"),
    "one answer for all": (
        Forward(lambda x: x.flatten(1).mean(0)[:5].expand(len(x), 5)),
        "depend on the other images of the batch",
    ),
    "no answer an image": (Forward(lambda x: x), r"expected \(16, classes\)"),
    "a sum over the batch": (
        Forward(lambda x: x.flatten(1)[:, :3] - x.flatten(1)[:, :3].mean(0)),
        "depend on the other images of the batch",
    ),
    "the batch's own statistics": (
        nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), flat(nn.Linear(64, 4))),
        "depend on the other images of the batch",
    ),
    "statistics of one vector": (batch_norm(nn.Linear(64, 4)), "fails on a batch of 1 images"),
    "another answer each time": (
        Forward(lambda x: nn.functional.dropout(x.flatten(1)[:, :5], 0.5)),
        "differ from call to call",
    ),
    "several results": (
        Forward(lambda x: {"a": x.flatten(1), "b": x}), "choose the logits"
    ),
    "NaN": (Forward(lambda x: x.flatten(1)[:, :2] * float("nan")), "NaN or infinite logits"),
    "another shape": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), "fails on a batch"),
    "mixed arithmetic": (
        flat(nn.Linear(64, 4), nn.Linear(4, 4).double()), "types float32 and float64; expected one"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NONE)
def test_what_is_no_classifier_of_each_image_is_refused(case, network, capsys):
    model, says = NONE[case]
    with pytest.raises(SmoothcertError, match=f"model: .*{says}"):
        sample(model, IMAGES, BUDGET, NOISE)
    network(lambda: model)
    assert cli.main(certifying()) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: model 'own_network:make': ")
    assert said.count("\n") == 1
    assert not Path("t.votes.npz").exists()


def test_batch_normalization_with_running_statistics_is_a_classifier():
    model = nn.Sequential(nn.BatchNorm2d(1), flat(nn.Linear(64, 4)))
    model(IMAGES)  # training: it has seen a batch
    assert sample(model, IMAGES, BUDGET, NOISE).n_classes == 4


def test_a_function_that_fails_or_gives_another_number_of_classes_is_one_line(network, capsys):
    def fails():
        raise RuntimeError("no weights\nhere")

    cases = ((fails, "RuntimeError: no weights"), (lambda: flat(nn.Linear(64, 7)), "7 outputs"))
    for make, says in cases:
        network(make)
        assert cli.main(certifying()) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1


def test_votes_of_one_class_certify_and_predict_nothing():
    store = make_store([[[100]]], selection=[[100]], n_classes=1)
    with pytest.raises(SmoothcertError, match="votes for 1 class: expected at least two"):
        certify(store, BUDGETS.parse("fixed-100"))
    with pytest.raises(SmoothcertError, match="at least two classes, found shape"):
        predict([[1000]], 0.001)
    for counts in ([[1000.9, 0.5]], [[1000, -1]], [[1, 2], [3]], [1000, 0], "votes"):
        with pytest.raises(SmoothcertError, match="votes: expected"):
            predict(counts, 0.001)
    two = make_store([[[100, 0]]], selection=[[100, 0]], n_classes=2)
    for budget, noise in (("fixed-100", None), (BUDGETS.parse("fixed-100"), "gaussian-0.50")):
        with pytest.raises(SmoothcertError, match=r"expected a (Budget|Noise), as"):
            certify(two, budget, noise)


# --- the model is left as it was ---------------------------------------------------------------


def state(model):
    modes = [m.training for m in model.modules()]
    tensors = {k: (v.dtype, v.device, v.clone()) for k, v in model.state_dict().items()}
    return modes, tensors


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_sampling_leaves_a_model_in_its_mode_and_arithmetic_and_certifies_in_it(kind):
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), flat(nn.Linear(64, 4))).to(kind)
    model.train()
    model[0].eval()  # frozen, while the rest is trained
    modes, tensors = state(model)
    seen = []
    model[2].register_forward_hook(lambda module, args, out: seen.append((args[0].dtype, module)))
    store = sample(model, IMAGES.double().numpy(), BUDGET, NOISE)
    assert {dtype for dtype, _ in seen} == {kind}
    assert store.identity["precision"] == str(kind).removeprefix("torch.")
    after, now = state(model)
    assert after == modes
    for name, (dtype, device, values) in tensors.items():
        assert now[name][:2] == (dtype, device)
        assert torch.equal(now[name][2], values)


def test_a_failure_leaves_the_model_as_it_was_too():
    model = flat(nn.Linear(64, 4)).train()
    with pytest.raises(SmoothcertError, match="labels"):
        sample(model, IMAGES, BUDGET, NOISE, labels=[0, 1])
    assert all(m.training for m in model.modules())


def test_evaluating_gives_each_module_its_own_mode_back():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Linear(2, 2)).train()
    model[0].eval()
    with evaluating(model):
        assert not any(m.training for m in model.modules())
    assert [m.training for m in model.modules()] == [True, False, True]


def test_a_network_of_another_arithmetic_is_cast_in_the_shell_only_where_that_is_asked_for(
    network, capsys
):
    network(lambda: flat(nn.Linear(64, 10)).double())
    assert cli.main(certifying()) == 2
    said = capsys.readouterr().err
    assert "computes in float64" in said
    assert "--precision float64 keeps it" in said
    assert not Path("t.votes.npz").exists()
    assert cli.main(certifying("--precision", "float64")) == 0
    assert VoteStore.read("t.votes.npz").identity["precision"] == "float64"
    assert cli.main(certifying("--precision", "bfloat16", out="b.tsv")) == 0
    # Scales are searched in float32.
    arguments = ["scales", "--model", "own_network:make", "--dataset", "digits", "--noise",
                 "gaussian-0.50", "--scalings", "ascent-K1", "--out", "s.tsv"]  # fmt: skip
    capsys.readouterr()
    assert cli.main([*arguments, "--max", "1", "--quiet", "--device", "cpu"]) == 2
    assert "computes in float64; expected float32" in capsys.readouterr().err


# --- noise ---------------------------------------------------------------------------------------


class Lin(nn.Module):
    def forward(self, z):
        u = z.flatten(1)[:, 0] - 1.4
        return torch.stack([-u, u], 1)


def test_votes_are_certified_as_draws_of_their_own_noise_alone():
    x, budget = torch.full((1, 1, 2, 2), 0.5), BUDGETS.parse("fixed-10000")
    votes = sample(Lin(), x, budget, NOISES.parse("gaussian-0.25"))
    for slug in ("laplace-0.25", "uniform-5.00", "gaussian-1.00", "centripetal-l1_k1-0.25"):
        with pytest.raises(
            SmoothcertError, match=rf"noise {slug}: the votes were drawn with gaussian-0\.25"
        ):
            certify(votes, budget, NOISES.parse(slug))
    own = certify(votes, budget, NOISES.parse("gaussian-0.25"))
    assert own.radius == certify(votes, budget).radius
    # The boundary is at 0.9, and no radius reaches it.
    assert 0.7 < own.radius[0] < 0.9
    assert norm.cdf((0.9 - own.radius[0]) / 0.25) > 0.5
    linf = certify(votes, budget, NOISES.parse("gaussian-linf-0.25"))
    assert linf.radius[0] == pytest.approx(own.radius[0] / 2)


def test_predict_draws_none_of_the_noise_that_certifies(network, capsys):
    network(Signed)
    assert cli.main(certifying()) == 0
    arguments = certifying(out="p.tsv")
    arguments = ["predict", *(a for a in arguments[1:] if a not in ("--budget", "fixed-1000"))]
    assert cli.main([*arguments, "--n", "1000"]) == 0
    certified, predicted = VoteStore.read("t.votes.npz"), VoteStore.read("p.votes.npz")
    assert predicted.identity["purpose"] == "prediction"
    assert "purpose" not in certified.identity
    for a, b in (
        (certified.estimation, predicted.estimation),
        (certified.selection, predicted.selection),
    ):
        assert not np.array_equal(a.dense(10), b.dense(10))
    # Of the same classifier: shares agree to within their errors.
    shares = [s.estimation.dense(10) / 1000 for s in (certified, predicted)]
    assert np.abs(shares[0] - shares[1]).max() < 0.1
    seen = [
        sample(Signed(), IMAGES, BUDGET, NOISE, purpose=p).estimation.dense(10)
        for p in ("certification", "prediction", "prediction")
    ]
    assert np.array_equal(seen[1], seen[2])
    assert not np.array_equal(seen[0], seen[1])


def test_batches_of_a_loader_get_noise_of_their_own_by_their_idx():
    same = torch.cat([IMAGES[:2], IMAGES[:2]])
    whole = sample(Signed(), same, BUDGET, NOISE)
    parts = [sample(Signed(), same[s : s + 2], BUDGET, NOISE, idx=range(s, s + 2)) for s in (0, 2)]
    assert [part.idx.tolist() for part in parts] == [[0, 1], [2, 3]]
    votes = [part.estimation.dense(10) for part in parts]
    assert np.array_equal(np.concatenate(votes), whole.estimation.dense(10))
    assert not np.array_equal(*votes)
    assert certify(parts[1], BUDGET).idx.tolist() == [2, 3]
    for idx in ([0, 0], [0, -1], [1], [0.5, 1], 3):
        with pytest.raises(SmoothcertError, match="idx: expected"):
            sample(Signed(), IMAGES[:2], BUDGET, NOISE, idx=idx)


# --- labels ------------------------------------------------------------------------------------


class Tie(nn.Module):
    """At grey 1/2 both classes are equally likely."""

    def forward(self, z):
        u = z.flatten(1)[:, 0] - 0.5
        return torch.stack([u, -u], 1)


def test_an_abstention_is_never_correct_and_unknown_labels_have_no_accuracy(tmp_path):
    table = certify(sample(Tie(), torch.full((6, 1, 8, 8), 0.5), BUDGET, NOISE), BUDGET)
    assert set(table.predict.tolist()) == {-1}
    assert table.correct.sum() == 0
    assert metrics.abstention_rate(table).value == 1
    for measure in (
        metrics.clean_accuracy,
        lambda t: metrics.certified_accuracy(t, [0.0]),
        lambda t: metrics.certified(t, [0.0]),
        lambda t: metrics.corrected_accuracy(t, [0.0]),
        metrics.average_certified_radius,
        lambda t: metrics.envelope([t, t], [0.0]),
        lambda t: metrics.per_input_maximum([t, t]),
        lambda t: metrics.accuracy_difference(t, t, [0.0]),
        lambda t: metrics.acr_difference(t, t),
    ):
        with pytest.raises(SmoothcertError, match=r"6 of 6 labels are unknown \(-1\)"):
            measure(table)
    some = make_table(idx=[0, 1], label=[-1, 1], predict=[1, 1], radius=[1.0, 1.0])
    with pytest.raises(SmoothcertError, match="1 of 2 labels are unknown"):
        metrics.clean_accuracy(some)
    path = tmp_path / "t.tsv"
    path.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t-1\t-1\t0\t1\t0\n")
    with pytest.raises(SmoothcertError, match=r"t\.tsv:2: expected: correct"):
        read_certificates(path)


def test_votes_without_labels_are_certified_in_the_shell_without_an_accuracy(tmp_path, capsys):
    sample(Signed(), IMAGES, BUDGET, NOISE).write(tmp_path / "v.npz")
    out = tmp_path / "t.tsv"
    arguments = ["certify", "--votes", str(tmp_path / "v.npz"), "--budget", "fixed-1000"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    assert "labels are unknown: no accuracy" in capsys.readouterr().out
    assert read_certificates(out).correct.sum() == 0
    assert cli.main(["metrics", str(out)]) == 2
    assert "4 of 4 labels are unknown" in capsys.readouterr().err


WRONG = {
    "labels too few": ({"labels": [0, 1]}, "labels: expected one for each of 4 images"),
    "labels too many": ({"labels": range(5)}, "labels: expected one for each of 4 images"),
    "a scalar label": ({"labels": 3}, "labels: expected one for each of 4 images"),
    "one label": ({"labels": [3]}, "labels: expected one for each of 4 images"),
    "one-hot labels": ({"labels": np.eye(4)}, r"found shape \(4, 4\)"),
    "a fraction": ({"labels": [0, 0.9, 1, 1]}, "labels: expected whole numbers, found 0.9 at 1"),
    "NaN": ({"labels": [0, 1, 1, float("nan")]}, "labels: expected whole numbers, found nan at 3"),
    "no such class": ({"labels": [0, 1, 10, 1]}, "labels: expected classes 0 to 9.*found 10 at 2"),
    "below unknown": ({"labels": [0, -2, 1, 1]}, "found -2 at 1"),
    "words": ({"labels": ["a", "b", "c", "d"]}, "labels: expected 4 numbers"),
    "no numbers": ({"scales": np.full((4, 4), None)}, "scales: expected 4 numbers"),
    "ragged labels": ({"labels": [[0], [1, 2], [3], [4]]}, "labels: expected 4 numbers"),
    "scales of another length": ({"scales": [0.5, 0.5]}, "scales: expected one for each of 4"),
    "scales in a column": ({"scales": np.full((4, 1), 0.5)}, r"found shape \(4, 1\)"),
    "scales of words": ({"scales": ["a"] * 4}, "scales: expected 4 numbers"),
    "no images": ({"images": IMAGES[:0]}, "images: expected at least one"),
    "images of no size": ({"images": IMAGES[:, :, :0]}, "images: expected at least one"),
    "a number": ({"images": torch.tensor(0.5)}, "images: expected at least one"),
    "no list of images": ({"images": []}, "images: expected"),
    "bytes": ({"images": np.zeros((2, 1, 8, 8), np.uint8)}, "floating-point.*found uint8"),
    "whole numbers": ({"images": torch.zeros(2, 1, 8, 8, dtype=int)}, "found int64"),
    "objects": ({"images": np.array([None, "x"])}, "images: expected numbers"),
    "a path": ({"images": "images.npy"}, "images: expected a tensor or an array.*found str"),
    "images of several shapes": (
        {"images": [torch.zeros(1, 8, 8), torch.zeros(1, 9, 9)]}, "images: expected numbers"
    ),
    "a single image": (
        {"images": IMAGES[0], "model": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())},
        r"model: fails on a batch of 16 images of shape \(8, 8\)",
    ),
    "no classifier": ({"model": 3}, "model: expected a torch.nn.Module, .*found int"),
    "a class": ({"model": Signed}, "model: expected a classifier, found the class Signed"),
    "labels alone": ({"model": lambda x: x.flatten(1).argmax(1) % 10}, "number of classes"),
    "a budget's slug": ({"budget": "fixed-1000"}, "budget: expected a Budget, as BUDGETS.parse"),
    "a noise's slug": ({"noise": "gaussian-0.50"}, "noise: expected a Noise, as NOISES.parse"),
    "no device": ({"device": "abacus"}, "device 'abacus' cannot be used"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_clear_line(case):
    given, says = WRONG[case]
    arguments = {"model": Signed(), "images": IMAGES, "budget": BUDGET, "noise": NOISE} | given
    with pytest.raises(SmoothcertError, match=says) as caught:
        sample(**arguments)
    assert "\n" not in str(caught.value)


def test_what_is_plainly_meant_is_taken():
    plain = sample(Signed(), IMAGES, BUDGET, NOISE, labels=[0, 1, 2, 3])
    for given in (
        {"images": IMAGES.numpy()},
        {"images": IMAGES.double().numpy()[:, :, ::-1][:, :, ::-1]},
        {"images": list(IMAGES)},
        {"images": [image.numpy() for image in IMAGES]},
        {"images": IMAGES.clone().requires_grad_()},
        {"labels": np.array([0.0, 1.0, 2.0, 3.0])},
        {"labels": torch.arange(4)},
        {"labels": range(4)},
        {"scales": 0.5},
        {"scales": torch.full((4,), 0.5)},
        {"device": "cpu"},
    ):
        arguments = {"images": IMAGES, "labels": [0, 1, 2, 3]} | given
        store = sample(Signed(), budget=BUDGET, noise=NOISE, **arguments)
        assert np.array_equal(store.estimation.dense(10), plain.estimation.dense(10))
        assert store.label.tolist() == [0, 1, 2, 3]
    assert sample(Signed(), IMAGES, BUDGET, NOISE, labels=[True, False, True, True]).label[0] == 1
