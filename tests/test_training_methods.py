"""The losses of the methods against independent computations, in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import rel_entr
from scipy.stats import norm

from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build
from smoothcert.noise import Gaussian, Laplace, Uniform
from smoothcert.training import METHODS, Batch, Cohen, Consistency, Macer, SmoothAdv
from smoothcert.training.consistency import divergence_and_entropy
from smoothcert.training.macer import robustness_loss
from smoothcert.training.smoothadv import Attack

SHAPE = (1, 8, 8)
SIZE = 5


def network():
    return build("tiny_cnn", 3, SHAPE, seed=1).double().train()


def batch(noise=None, epoch=0, size=SIZE):
    stream = torch.Generator().manual_seed(0)
    return Batch(
        x=torch.rand(size, *SHAPE, generator=stream, dtype=torch.float64),
        y=torch.randint(3, (size,), generator=stream),
        idx=torch.arange(size),
        scale=torch.linspace(0.2, 0.6, size, dtype=torch.float64),
        noise=noise or Gaussian(0.25),
        seed=3,
        ids=(epoch, 7),
    )


def by_hand(model, x):
    """Class probabilities [B, C] from softmax written out."""
    e = torch.exp(model(x))
    return e / e.sum(1, keepdim=True)


def slope(function, parameters, seed=0):
    """(analytic, numeric) derivative of ``function`` along a random direction of the weights."""
    stream = torch.Generator().manual_seed(seed)
    parameters = list(parameters)
    towards = [torch.randn(p.shape, generator=stream, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(function(), parameters)
    analytic = sum((g * d).sum().item() for g, d in zip(gradients, towards, strict=True))
    h, ends = 1e-8, []  # a larger step crosses kinks of ReLU
    for sign in (1, -2):
        with torch.no_grad():
            for p, d in zip(parameters, towards, strict=True):
                p += sign * h * d
        ends.append(function().item())
    with torch.no_grad():
        for p, d in zip(parameters, towards, strict=True):
            p += h * d
    return analytic, (ends[0] - ends[1]) / (2 * h)


METHODS_IN_DOUBLE = {
    "cohen": Cohen(),
    "smoothadv": SmoothAdv(radius=0.25, steps=2, samples=3),
    "macer": Macer(k=6, lam=2.0, gamma=8.0, beta=2.0),
    "consistency": Consistency(m=3, lam=4.0, eta=0.7),
}


@pytest.mark.parametrize("name", METHODS_IN_DOUBLE)
def test_the_gradient_of_every_loss_agrees_with_finite_differences(name, monkeypatch):
    method, model, inputs = METHODS_IN_DOUBLE[name], network(), batch()
    if name == "smoothadv":  # the attack is no part of the gradient: hold its result
        x = method.attacked(model, inputs, inputs.draw_noise(3))
        monkeypatch.setattr(SmoothAdv, "attacked", lambda *_: x)
    analytic, numeric = slope(lambda: method.loss(model, inputs).value, model.parameters())
    assert analytic == pytest.approx(numeric, rel=1e-5)
    assert abs(analytic) > 1e-3


@pytest.mark.parametrize("noise", [Gaussian(0.25), Uniform(0.25), Laplace(0.25)])
def test_noise_is_drawn_at_the_scale_of_each_input_the_copies_consecutive(noise):
    inputs = batch(noise, size=400)
    inputs.scale = torch.where(torch.arange(400) % 2 == 0, 0.1, 2.0)
    eps = inputs.draw_noise(3)
    assert eps.shape == (1200, *SHAPE)
    standard = noise.sample((1200, *SHAPE), inputs.stream("noise"))
    expected = standard * inputs.scale.repeat_interleave(3).view(-1, 1, 1, 1)
    assert torch.equal(eps, expected)
    assert eps[:3].abs().mean() < 0.2 < eps[3:6].abs().mean()
    again = batch(noise, epoch=1, size=400).draw_noise(3)
    assert not torch.equal(again.sign(), eps.sign())


def test_cohens_loss_is_the_mean_cross_entropy_of_one_noisy_copy():
    model, inputs = network(), batch()
    loss = Cohen().loss(model, inputs)
    p = by_hand(model, inputs.x + inputs.draw_noise())
    expected = np.mean([-math.log(p[i, inputs.y[i]].item()) for i in range(SIZE)])
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)
    assert loss.correct.tolist() == (p.argmax(1) == inputs.y).tolist()


# SmoothAdv


def test_smoothadv_makes_the_steps_of_the_paper():
    """Two l2 steps of 2 * radius / 2, box first, then ball, shared noise: written out."""
    model, inputs = network(), batch()
    method = SmoothAdv(radius=0.3, steps=2, samples=4)
    eps = inputs.draw_noise(4)
    found = method.attacked(model, inputs, eps)
    for i in range(SIZE):
        x, delta = inputs.x[i], torch.zeros(SHAPE, dtype=torch.float64)
        for _ in range(2):
            point = (x + delta).requires_grad_()
            p = by_hand(model, point + eps[4 * i : 4 * i + 4])[:, inputs.y[i]].mean()
            (gradient,) = torch.autograd.grad(-torch.log(p), point)
            delta = delta + 0.3 * gradient / gradient.norm()
            delta = (x + delta).clamp(0, 1) - x
            delta = delta * min(1.0, 0.3 / delta.norm().item())
        assert torch.allclose(found[i], x + delta, atol=1e-9)


def test_smoothadv_trains_on_the_noise_it_attacked_with():
    model, inputs = network(), batch()
    method = SmoothAdv(radius=0.3, steps=2, samples=4)
    eps = inputs.draw_noise(4)
    x = method.attacked(model, inputs, eps)
    p = by_hand(model, x.repeat_interleave(4, 0) + eps)
    expected = -p.log()[torch.arange(4 * SIZE), inputs.y.repeat_interleave(4)].mean()
    assert method.loss(model, inputs).value.item() == pytest.approx(expected.item(), rel=1e-6)
    first = SmoothAdv(radius=0.3, steps=2, samples=4, train_on="first")
    p = by_hand(model, x + eps[::4])
    expected = -p.log()[torch.arange(SIZE), inputs.y].mean()
    assert first.loss(model, inputs).value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_radius_of_smoothadv_grows_over_the_warmup_epochs():
    model = network()
    method = SmoothAdv(radius=0.4, steps=8, warmup=4)
    reached = []
    for epoch in range(6):
        inputs = batch(epoch=epoch)
        moved = method.attacked(model, inputs, inputs.draw_noise()) - inputs.x
        reached.append(moved.flatten(1).norm(dim=1).max().item())
    assert reached == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4], rel=0.05)


def test_smoothadv_leaves_mode_and_parameters_as_they_were():
    model = build("resnet20", 3, (3, 32, 32)).train()
    inputs = batch()
    inputs.x = torch.rand(SIZE, 3, 32, 32)
    inputs.scale = inputs.scale.float()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for gradient in ("backward", "none"):
        method = SmoothAdv(radius=0.3, gradient=gradient)
        x = method.attacked(model, inputs, inputs.draw_noise())
        assert not x.requires_grad
        assert model.training
        assert all(p.grad is None for p in model.parameters())
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


# MACER


def macer_by_hand(model, inputs, k, lam, gamma, beta):
    """Algorithm 1 of the paper, one input at a time, with scipy's normal quantile."""
    eps = inputs.draw_noise(k)
    total = 0.0
    for i in range(SIZE):
        logits = model(inputs.x[i] + eps[k * i : k * (i + 1)]).detach().numpy()
        soft = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        sharp = np.exp(beta * logits) / np.exp(beta * logits).sum(1, keepdims=True)
        y = int(inputs.y[i])
        total += -math.log(soft[:, y].mean())
        mean = sharp.mean(0)
        a, b = np.sort(mean)[::-1][:2]
        gap = norm.ppf(a) - norm.ppf(b)
        if mean.argmax() == y and gap <= gamma:
            total += lam * inputs.scale[i].item() / 2 * (gamma - gap)
    return total / SIZE


@pytest.mark.parametrize(("gamma", "beta"), [(8.0, 1.0), (0.5, 4.0), (2.0, 16.0)])
def test_macers_loss_is_that_of_its_algorithm(gamma, beta):
    model, inputs = network(), batch()
    inputs.y = model(inputs.x).argmax(1)  # some, if not all, are right under noise
    inputs.y[0] = (inputs.y[0] + 1) % 3
    loss = Macer(k=6, lam=3.0, gamma=gamma, beta=beta).loss(model, inputs)
    expected = macer_by_hand(model, inputs, 6, 3.0, gamma, beta)
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)


# (mean probabilities, label, kept?) at gamma = 2
CASES = {
    "right, small gap": ([0.6, 0.3, 0.1], 0, True),
    "wrong": ([0.6, 0.3, 0.1], 1, False),
    "wrong, label last": ([0.6, 0.3, 0.1], 2, False),
    "right, gap beyond gamma": ([0.95, 0.04, 0.01], 0, False),
    "right, gap just within gamma": ([0.84, 0.159, 0.001], 0, True),
    "right, one class has everything": ([1.0, 0.0, 0.0], 0, False),
    "right, the other probabilities underflow": ([1.0 - 1e-16, 1e-300, 0.0], 0, False),
}


@pytest.mark.parametrize("case", CASES)
def test_macers_robustness_touches_only_inputs_that_are_right_and_below_gamma(case):
    values, label, expected = CASES[case]
    p = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    total, kept = robustness_loss(p, torch.tensor([label]), torch.tensor([0.5]).double(), 2.0)
    (gradient,) = torch.autograd.grad(total, p)
    assert kept.item() is expected
    assert gradient.isfinite().all()
    if expected:
        gap = norm.ppf(values[0]) - norm.ppf(values[1])
        assert total.item() == pytest.approx(0.25 * (2.0 - gap), rel=1e-9)
        # d/dp of -sigma/2 z(p) is -sigma/2 / phi(z(p)); the third class has no part
        by_a, by_b = (0.25 / norm.pdf(norm.ppf(v)) for v in values[:2])
        assert gradient[0].tolist() == pytest.approx([-by_a, by_b, 0.0], rel=1e-7)
    else:
        assert total.item() == 0
        assert (gradient == 0).all()


def test_each_input_has_its_own_mask_and_scale_in_macers_robustness():
    p = torch.tensor([c[0] for c in CASES.values()], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([c[1] for c in CASES.values()])
    scale = torch.linspace(0.1, 0.7, len(CASES), dtype=torch.float64)
    total, kept = robustness_loss(p, y, scale, 2.0)
    assert kept.tolist() == [c[2] for c in CASES.values()]
    gaps = [norm.ppf(c[0][0]) - norm.ppf(c[0][1]) for c in CASES.values()]
    expected = sum(s.item() / 2 * (2.0 - g) for s, g, k in zip(scale, gaps, kept, strict=True) if k)
    assert total.item() == pytest.approx(expected, rel=1e-9)
    (gradient,) = torch.autograd.grad(total, p)
    assert gradient.isfinite().all()
    assert ((gradient != 0).any(1) == kept).all()


def test_a_batch_without_a_right_input_gives_macer_a_finite_loss_and_gradient():
    model, inputs = network(), batch()
    wrong = Macer(k=4, beta=16.0)
    p = by_hand(model, inputs.x)
    inputs.y = p.argmin(1)
    loss = wrong.loss(model, inputs)
    gradients = torch.autograd.grad(loss.value, list(model.parameters()))
    assert loss.statistics["kept"] == 0
    assert loss.value.item() == pytest.approx(loss.statistics["cross_entropy"].item())
    assert all(g.isfinite().all() for g in gradients)


def test_a_label_whose_probability_underflows_still_pulls_the_network_back():
    class Dead(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor([0.0, 300.0, 0.0]))

        def forward(self, x):
            return x.flatten(1)[:, :3].float() * 0 + self.bias

    model, inputs = Dead(), batch()
    inputs.y = torch.zeros(SIZE, dtype=torch.long)
    loss = Macer(k=4).loss(model, inputs)
    (gradient,) = torch.autograd.grad(loss.value, model.parameters())
    assert loss.value.item() == pytest.approx(300.0)
    assert gradient.tolist() == pytest.approx([-1.0, 1.0, 0.0], abs=1e-4)


def test_macer_without_its_robustness_term_is_the_smoothed_cross_entropy():
    model, inputs = network(), batch()
    loss = Macer(k=6, lam=0.0).loss(model, inputs)
    p = by_hand(model, inputs.x.repeat_interleave(6, 0) + inputs.draw_noise(6))
    mean = p.unflatten(0, (-1, 6)).mean(1)[torch.arange(SIZE), inputs.y]
    assert loss.value.item() == pytest.approx((-mean.log()).mean().item(), rel=1e-6)


# Consistency


def softmax(logits):
    """Along the last axis, in NumPy."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def consistency_by_hand(model, inputs, x, m, lam, eta):
    """The objective of the paper, one input at a time, with scipy's relative entropy."""
    eps = inputs.draw_noise(m)
    total = 0.0
    for i in range(SIZE):
        p = softmax(model(x[i] + eps[m * i : m * (i + 1)]).detach().numpy())
        mean = p.mean(0)
        total += -np.log(p[:, int(inputs.y[i])]).mean()
        total += lam * np.mean([rel_entr(mean, one).sum() for one in p])
        total += eta * -(mean * np.log(mean)).sum()
    return total / SIZE


@pytest.mark.parametrize(("m", "lam", "eta"), [(2, 10.0, 0.5), (2, 20.0, 0.1), (5, 3.0, 3.0)])
def test_consistencys_loss_is_that_of_its_paper(m, lam, eta):
    model, inputs = network(), batch()
    loss = Consistency(m=m, lam=lam, eta=eta).loss(model, inputs)
    expected = consistency_by_hand(model, inputs, inputs.x, m, lam, eta)
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)
    parts = loss.statistics
    assert loss.value.item() == pytest.approx(
        (parts["cross_entropy"] + lam * parts["divergence"] + eta * parts["entropy"]).item()
    )
    p = by_hand(model, inputs.x.repeat_interleave(m, 0) + inputs.draw_noise(m))
    assert loss.correct.tolist() == (p.argmax(1) == inputs.y.repeat_interleave(m)).tolist()


def test_consistency_on_top_of_smoothadv_is_at_its_adversarial_inputs_and_noise():
    model, inputs = network(), batch(epoch=1)
    attack = Attack(radius=0.4, steps=3, warmup=4)
    loss = Consistency(m=3, lam=5.0, eta=0.5, attack=attack).loss(model, inputs)
    smoothadv = SmoothAdv(radius=0.4, steps=3, warmup=4, samples=3)
    x = smoothadv.attacked(model, inputs, inputs.draw_noise(3))
    assert (x - inputs.x).abs().max() > 0.01
    expected = consistency_by_hand(model, inputs, x, 3, 5.0, 0.5)
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)


def test_consistency_without_its_weights_is_the_cross_entropy_of_its_copies():
    model, inputs = network(), batch()
    loss = Consistency(m=4, lam=0.0, eta=0.0).loss(model, inputs)
    x, y = inputs.x.repeat_interleave(4, 0), inputs.y.repeat_interleave(4)
    expected = torch.nn.functional.cross_entropy(model(x + inputs.draw_noise(4)), y)
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-9)


logits_of_copies = arrays(np.float64, (2, 3, 4), elements=st.floats(-30, 30))


@given(logits_of_copies)
def test_equal_copies_leave_the_entropy_alone(logits):
    same = torch.tensor(logits[:, :1]).expand(-1, 5, -1)
    divergence, entropy = divergence_and_entropy(same)
    p = softmax(logits[:, 0])
    assert divergence.numpy() == pytest.approx(0, abs=1e-12)
    assert entropy.numpy() == pytest.approx(-(p * np.log(p)).sum(-1), rel=1e-9, abs=1e-12)


@given(logits_of_copies, st.permutations(range(3)))
def test_the_divergence_of_copies_is_an_average_of_relative_entropies(logits, order):
    divergence, entropy = divergence_and_entropy(torch.tensor(logits))
    p = softmax(logits)
    mean = p.mean(1, keepdims=True)
    expected = rel_entr(mean, p).sum(-1).mean(-1)
    assert divergence.numpy() == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert (divergence >= -1e-12).all()
    # with equal weights: the mean of the copies' cross-entropies against their mean
    crossed = -(mean * np.log(p)).sum(-1).mean(-1)
    assert (divergence + entropy).numpy() == pytest.approx(crossed, rel=1e-9, abs=1e-12)
    shuffled = divergence_and_entropy(torch.tensor(logits[:, order]))
    assert torch.allclose(torch.stack(shuffled), torch.stack((divergence, entropy)))


def test_copies_of_certain_and_opposite_predictions_have_a_finite_gradient():
    logits = torch.tensor([[[0.0, 900.0], [900.0, 0.0]], [[900.0, 0.0], [900.0, 0.0]]])
    logits.requires_grad_()
    divergence, entropy = divergence_and_entropy(logits)
    (divergence.sum() + entropy.sum()).backward()
    assert divergence.tolist() == pytest.approx([450 - math.log(2), 0])
    assert entropy.tolist() == pytest.approx([math.log(2), 0])
    assert logits.grad.isfinite().all()
    assert (logits.grad[0].abs() > 0.1).all()
    assert (logits.grad[1] == 0).all()


# Settings


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("macer", {"k": 0}, "k: expected at least 1, found 0"),
        ("macer", {"lam": -1.0}, "lam: expected at least 0, found -1"),
        ("macer", {"gamma": 0.0}, "gamma: expected more than 0, found 0"),
        ("macer", {"beta": float("inf")}, "beta: expected a finite number"),
        ("smoothadv", {"radius": 0.0}, "radius: expected more than 0, found 0"),
        ("smoothadv", {"radius": 0.25, "steps": 0}, "steps: expected at least 1, found 0"),
        ("smoothadv", {"radius": 0.25, "samples": 0}, "samples: expected at least 1, found 0"),
        ("smoothadv", {"radius": 0.25, "warmup": 0}, "warmup: expected at least 1, found 0"),
        ("consistency", {"m": 1}, "m: expected at least 2, found 1"),
        ("consistency", {"lam": -1.0}, "lam: expected at least 0, found -1"),
        ("consistency", {"eta": float("nan")}, "eta: expected a finite number"),
        ("consistency", {"attack": {"steps": 2}}, "attack.radius: missing"),
    ],
)
def test_options_out_of_range_are_refused_by_their_name(method, options, message):
    with pytest.raises(SmoothcertError, match=message):
        METHODS[method].check(options, method)
    with pytest.raises(ValueError):
        METHODS[method](**options)
