"""Sampling: the votes depend on what is sampled, not on how the work was cut or disturbed."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from core_helpers import killed, trained_digits_model, without_times

from smoothcert import cli
from smoothcert.budget import BUDGETS, Fixed
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Gaussian
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.job import SampleSpec, run
from smoothcert.sampling.library import sample
from smoothcert.sampling.sampler import Draw, Sampler, default_batch
from smoothcert.votes import VoteStore
from smoothcert.votes.records import gather_files, read_record, seconds_of

CPU = torch.device("cpu")
ASKED = 6  # batches by which a network is asked what it is, before any noise
SPEC = {"dataset": "digits", "noise": "gaussian-0.50", "skip": 36, "look": 500, "seed": 5}
SMALL, LARGE = "fixed-2000", "fixed-10000"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(trained_digits_model(tmp_path_factory.mktemp("model") / "m.safetensors"))


def sampled(model, out, budget=LARGE, shard=(0, 1), **changes):
    top_up = changes.pop("top_up", None)
    spec = SampleSpec(**{**SPEC, "budget": budget, **changes})
    return run(spec, model, out, shard, device="cpu", top_up=top_up)


def certified(store, out, budget=LARGE):
    assert cli.main(["certify", "--votes", str(store), "--budget", budget, "--out", str(out)]) == 0
    return without_times(out)


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """The store that one undisturbed process makes."""
    out = tmp_path_factory.mktemp("whole") / "votes.npz"
    sampled(model, out)
    return out


@pytest.mark.parametrize("k", [1, 3, 7])
def test_cut_killed_twice_resumed_and_topped_up_it_is_the_same_store_to_the_byte(
    k, model, whole, tmp_path
):
    random = np.random.default_rng(k)
    parts = [tmp_path / f"{i}-of-{k}.npz" for i in range(k)]
    for i, part in enumerate(parts):
        inputs = len(range(i, 14, k))
        if i < 2:  # killed while it draws the first samples, at a random byte of a random look
            killed(
                partial(sampled, model, part, SMALL, (i, k)),
                int(random.integers(0, 5 * inputs)),
                int(random.integers(0, 40)),
            )
            assert not part.exists()
        sampled(model, part, SMALL, (i, k))
        assert VoteStore.read(part).samples().tolist() == [2000] * inputs
        if i < 2:  # and twice while it draws more
            for _ in range(2):
                before = part.read_bytes()
                killed(
                    partial(sampled, model, part, LARGE, (i, k)),
                    int(random.integers(0, 7 * inputs)),
                    int(random.integers(0, 40)),
                )
                assert part.read_bytes() == before
        sampled(model, part, LARGE, (i, k))
    joined = tmp_path / "votes.npz"
    gather_files(parts[::-1], joined)
    assert joined.read_bytes() == whole.read_bytes()
    assert certified(joined, tmp_path / "a.tsv") == certified(whole, tmp_path / "b.tsv")
    assert not list(tmp_path.glob(".*")), "a partial store or a temporary file stayed behind"


def test_killed_from_outside_at_random_times_it_still_ends_with_the_same_store(
    model, whole, tmp_path
):
    out = tmp_path / "votes.npz"
    random = np.random.default_rng(11)
    for _ in range(3):
        process = multiprocessing.get_context("fork").Process(target=sampled, args=(model, out))
        process.start()
        time.sleep(random.uniform(0.05, 0.5))
        process.kill()
        process.join()
        # Whatever stands under the final name is whole.
        assert not out.exists() or out.read_bytes() == whole.read_bytes()
    sampled(model, out)
    assert out.read_bytes() == whole.read_bytes()


def test_the_record_keeps_the_seconds_of_every_input_through_kills_and_top_ups(model, tmp_path):
    out = tmp_path / "votes.npz"
    killed(partial(sampled, model, out, SMALL, skip=250), 3, 0)
    first = sampled(model, out, SMALL, skip=250)
    small = seconds_of(read_record(out), first)
    assert (small > 0).all()
    second = sampled(model, out, LARGE, skip=250)
    assert (seconds_of(read_record(out), second) > small).all()


def test_a_smaller_budget_draws_nothing_and_keeps_the_votes(model, whole, tmp_path, monkeypatch):
    out = tmp_path / "votes.npz"
    out.write_bytes(whole.read_bytes())

    def draw(*args):
        raise AssertionError("nothing is left to draw")

    monkeypatch.setattr(Sampler, "votes", draw)
    sampled(model, out, SMALL)
    assert out.read_bytes() == whole.read_bytes()


def test_the_first_samples_of_a_large_store_are_the_small_store(model, whole, tmp_path):
    out = tmp_path / "small.npz"
    sampled(model, out, SMALL)
    assert certified(out, tmp_path / "a.tsv", SMALL) == certified(whole, tmp_path / "b.tsv", SMALL)


@dataclass(frozen=True)
class Curious(Fixed):
    """Wants more samples as long as the votes of the last look ask for it."""

    def wanted(self, selection, looks, noise, scale, d, look):
        have = len(looks)
        if have == 0:
            return look * (1 + int(selection.max()) % 3)
        # Skips asking now and then, so that what was asked depends on all votes before.
        return min(self.n, look * (have + int(looks[-1].max()) % 3))


def test_a_budget_that_looks_at_the_votes_ends_with_the_same_looks_after_any_kill(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(Curious, "name", "curious", raising=False)
    monkeypatch.setitem(BUDGETS._members, "curious", Curious)
    expected = sampled(model, tmp_path / "whole.npz", "curious-20000")
    assert len(set(expected.looks.tolist())) > 2, "the budget should stop at different looks"
    random = np.random.default_rng(0)
    parts = [tmp_path / f"{i}.npz" for i in range(3)]
    for i, part in enumerate(parts):
        mine = expected.looks[i::3].sum() + len(expected.looks[i::3])
        for _ in range(2):
            cut = int(random.integers(0, mine // 3))
            killed(partial(sampled, model, part, "curious-20000", (i, 3)), cut, 7)
        sampled(model, part, "curious-20000", (i, 3))
    gather_files(parts, tmp_path / "joined.npz")
    assert (tmp_path / "joined.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


class Recorder(torch.nn.Module):
    """Two logits, and a memory of every input it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x.clone())
        return x.flatten(1)[:, :2]


def sampler(model, batch, noise="gaussian-0.50", shape=(1, 4, 4)):
    return Sampler(open_engine(model, shape, CPU, "torch"), NOISES.parse(noise), 2, batch)


def draws(image, looks, n, idx=3):
    return [Draw(image, 0.5, generator(0, "estimation", idx, j), n) for j in looks]


@pytest.mark.parametrize("noise", ["gaussian-0.50", "uniform-0.50", "laplace-0.50"])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 7)])
def test_the_noise_depends_on_nothing_but_its_name(noise, shape):
    """Neither on the batch size nor on the looks and inputs that share a pass."""
    image = torch.rand(shape)
    seen = []
    for batch in (512, 100, 7):
        model = Recorder()
        sampler(model, batch, noise).votes(draws(image, range(4), 300))
        assert {len(x) for x in model.seen} == {batch}, "every pass should be full"
        seen.append(torch.cat(model.seen)[:1200])
        whole = NOISES.parse(noise).noisy(
            image.expand(300, *shape), 0.5, generator(0, "estimation", 3, 0)
        )
        assert torch.equal(seen[-1][:300], whole)
    model = Recorder()
    other = draws(torch.rand(shape), range(2), 50, idx=7)
    sampler(model, 64, noise).votes([*other, *draws(image, range(4), 300)])
    seen.append(torch.cat(model.seen)[100:1300])
    assert all(torch.equal(seen[0], x) for x in seen[1:])


def test_a_noise_of_ones_own_that_is_derived_from_another_is_drawn_as_it_says():
    class Shifted(Gaussian):
        def sample(self, shape, generator):
            return super().sample(shape, generator) + 100

    model = Recorder()
    Sampler(open_engine(model, (1, 4, 4), CPU, "torch"), Shifted(0.5), 2, 64).votes(
        draws(torch.rand(1, 4, 4), range(2), 50)
    )
    assert torch.cat(model.seen).min() > 40


def test_the_votes_of_a_look_are_those_of_its_own_samples():
    image = torch.rand(1, 4, 4)
    many = [*draws(image, range(3), 70), *draws(image + 0.1, range(5), 33, idx=4)]
    votes = sampler(Recorder(), 50).votes(many)
    again = [*draws(image, range(3), 70), *draws(image + 0.1, range(5), 33, idx=4)]
    alone = [sampler(Recorder(), 50).votes([draw])[0] for draw in again]
    assert votes.tolist() == np.array(alone).tolist()
    assert votes.sum(1).tolist() == [70] * 3 + [33] * 5


def test_another_batch_size_flips_at_most_a_few_votes_on_a_tie(model, whole, tmp_path):
    store = VoteStore.read(whole)
    flipped = 0
    for batch in (64, 33):
        other = sampled(model, tmp_path / f"{batch}.npz", batch=batch)
        pairs = ((store.dense_looks(i), other.dense_looks(i)) for i in range(len(store)))
        flipped += sum(int(np.abs(a - b).sum()) // 2 for a, b in pairs)
    print(f"{flipped} of {2 * int(store.samples().sum())} votes flipped by another batch size")
    assert flipped <= 1e-4 * 2 * store.samples().sum()


def test_a_store_of_another_batch_size_is_another_store(model, whole, tmp_path):
    out = tmp_path / "votes.npz"
    out.write_bytes(whole.read_bytes())
    with pytest.raises(SmoothcertError, match="another specification: batch: 512 and 64"):
        sampled(model, out, batch=64)
    assert out.read_bytes() == whole.read_bytes()


def test_the_store_of_another_shard_is_not_overwritten(model, tmp_path):
    out = tmp_path / "votes.npz"
    sampled(model, out, SMALL, (0, 3))
    before = out.read_bytes()
    with pytest.raises(SmoothcertError, match="not all in this shard"):
        sampled(model, out, SMALL, (1, 3))
    assert out.read_bytes() == before


def test_a_shard_takes_over_its_looks_from_a_whole_store(model, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(Sampler, "votes", None)
    parts = [tmp_path / f"{i}.npz" for i in range(4)]
    for i, part in enumerate(parts):
        sampled(model, part, shard=(i, 4), top_up=whole)
    gather_files(parts, tmp_path / "joined.npz")
    assert (tmp_path / "joined.npz").read_bytes() == whole.read_bytes()


def test_more_shards_than_inputs_still_join(model, tmp_path):
    parts = [tmp_path / f"{i}.npz" for i in range(3)]
    for i, part in enumerate(parts):
        assert len(sampled(model, part, SMALL, (i, 3), max=2)) == (1 if i < 2 else 0)
    assert len(gather_files(parts, tmp_path / "joined.npz")) == 2


def test_a_partial_store_with_a_changed_byte_in_the_middle_is_refused_with_its_line(
    model, tmp_path
):
    out = tmp_path / "votes.npz"
    killed(partial(sampled, model, out, SMALL), 12, 20)
    (journal,) = tmp_path.glob(".*.partial/looks")
    lines = journal.read_bytes().split(b"\n")
    assert len(lines) == 13  # 12 looks, and one cut short
    lines[6] = lines[6].replace(b":", b";", 1)
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(SmoothcertError) as caught:
        sampled(model, out, SMALL)
    assert str(caught.value).startswith(f"{journal}:7: corrupt")
    assert not out.exists()


def test_selection_noise_is_not_estimation_noise():
    model, image = Recorder(), torch.rand(1, 1, 4, 4)
    budget = BUDGETS.parse("fixed_s300-600")
    noise = NOISES.parse("gaussian-0.50")
    sample(model, image, budget, noise, look=300, batch=300, engine="torch")
    drawn = model.seen[ASKED:]
    assert [len(x) for x in drawn] == [300, 300, 300]  # selection and two looks
    noise = torch.cat(drawn).flatten(1)
    assert len(noise.unique(dim=0)) == 900, "some noise was used twice"


def test_every_input_has_its_own_noise_and_its_own_scale():
    model, images = Recorder(), torch.full((2, 1, 8, 8), 0.5)
    sample(
        model, images, BUDGETS.parse("fixed-20"), NOISES.parse("gaussian-0.50"), scales=[0.1, 0.4],
        batch=20, engine="torch",
    )  # fmt: skip
    drawn = torch.cat(model.seen[ASKED:])
    one, other = drawn[200:220], drawn[220:240]  # after the selection samples of both
    assert not torch.equal((one - 0.5) / 0.1, (other - 0.5) / 0.4)
    assert (one - 0.5).std() == pytest.approx(0.1, rel=0.1)
    assert (other - 0.5).std() == pytest.approx(0.4, rel=0.1)


def test_a_store_does_not_depend_on_which_other_inputs_are_sampled(model, whole, tmp_path):
    few = sampled(model, tmp_path / "few.npz", SMALL, skip=72)
    store = VoteStore.read(whole)
    assert few.idx.tolist() == store.idx[::2].tolist()
    for i in range(len(few)):
        assert (few.dense_looks(i) == store.dense_looks(2 * i)[:4]).all()


@pytest.mark.parametrize(
    ("model_of", "says"),
    [
        (lambda x: torch.full((len(x), 2), float("nan")), "NaN or infinite logits"),
        (lambda x: torch.zeros(len(x), 3, 1), "shape"),
        (lambda x: torch.zeros(len(x), 5), r"expected \(batch, 2\) logits"),
    ],
)
def test_a_model_that_gives_no_logits_is_refused(model_of, says):
    class Odd(torch.nn.Module):
        def forward(self, x):
            return model_of(x)

    with pytest.raises(SmoothcertError, match=says):
        sampler(Odd(), 16).votes(draws(torch.rand(1, 4, 4), [0], 20))


def test_images_outside_the_unit_interval_and_scales_that_are_none_are_refused():
    budget, noise = BUDGETS.parse("fixed-20"), NOISES.parse("gaussian-0.50")
    for value, says in ((float("nan"), "found NaN"), (1.5, "found values from 0.5 to 1.5")):
        images = torch.full((3, 1, 4, 4), 0.5)
        images[2, 0, 1, 1] = value
        with pytest.raises(SmoothcertError, match=f"image idx 2: expected values .*{says}"):
            sample(Recorder(), images, budget, noise)
    for scale in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(
            SmoothcertError, match=r"idx 1: noise scale .*expected a positive number"
        ):
            sample(Recorder(), torch.rand(2, 1, 4, 4), budget, noise, scales=[0.5, scale])
    with pytest.raises(SmoothcertError, match="n = 1500 must be a multiple of look = 1000"):
        sample(Recorder(), images, BUDGETS.parse("fixed-1500"), noise)


def test_a_batch_is_chosen_for_inputs_of_any_size():
    for device in (CPU, torch.device("cuda")):
        sizes = [default_batch(d, device) for d in (2, 64, 784, 3072, 150_528, 268_203, 10**7)]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) >= 16
