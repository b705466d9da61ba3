"""Named random streams: the name decides, and nothing else."""

import hashlib
import itertools
import multiprocessing
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from smoothcert.compute.streams import generator, numpy_generator, stream_seed

NAMES = [(0, "estimation", 0, 0), (0, "estimation", 0, 1), (0, "estimation", 1, 0),
         (1, "estimation", 0, 0), (0, "selection", 0, 0), (0, "estimation", 0),
         (0, "estimation", 10), (0, "estimation", 1, 0, 0), (-1, "estimation", 0, 0)]  # fmt: skip


def draws(name: tuple, n: int = 64) -> torch.Tensor:
    return torch.randn(n, generator=generator(*name))


def test_every_part_of_the_name_changes_the_noise():
    for one, other in itertools.combinations(NAMES, 2):
        assert not torch.equal(draws(one), draws(other))
        assert stream_seed(*one) != stream_seed(*other)
        first, second = (numpy_generator(*name).random(8) for name in (one, other))
        assert (first != second).all()


def test_draws_do_not_depend_on_the_process_its_seed_or_what_was_drawn_before():
    here = draws(NAMES[0])
    torch.manual_seed(123)
    torch.randn(1000)
    draws(NAMES[1])
    assert torch.equal(draws(NAMES[0]), here)
    code = (
        "import torch; from smoothcert.compute.streams import generator; torch.manual_seed(7);"
        "print(torch.randn(64, generator=generator(0, 'estimation', 0, 0)).numpy().tobytes().hex())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert there.stdout.strip() == here.numpy().tobytes().hex()


def test_making_a_stream_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generator(0, "estimation", 4)
    assert torch.equal(torch.rand(3), expected)


def test_the_whole_state_of_the_cpu_generator_is_filled_not_32_bits_of_a_seed():
    words = [
        generator(0, "estimation", i).get_state().numpy()[24 : 24 + 8 * 624].view(np.uint64)
        for i in range(2)
    ]
    for i, state in enumerate(words):
        key = hashlib.shake_256(f"0/estimation/{i}".encode()).digest(4 * 624)
        expected = np.frombuffer(key, "<u4").astype(np.uint64)
        expected[0] |= 1 << 31
        assert (state == expected).all()
    # Two states of one 32-bit seed would agree in every word; these do in next to none.
    assert (words[0] == words[1]).sum() <= 2


def test_names_that_collide_in_32_bit_seeds_give_different_noise():
    # A birthday search: among 200,000 names some share the low 32 bits of their seed.
    seen: dict[int, int] = {}
    for i in range(200_000):
        low = stream_seed(0, "estimation", i) & 0xFFFFFFFF
        if low in seen:
            break
        seen[low] = i
    else:
        pytest.fail("no collision among 200,000 names: expected about 5")
    one, other = draws((0, "estimation", seen[low])), draws((0, "estimation", i))
    assert not torch.equal(one, other)
    assert not (one == other).any()


def test_the_first_draws_of_many_streams_are_independent_standard_normals():
    sample = torch.stack([draws((0, "estimation", i), 64) for i in range(1500)]).numpy()
    flat = np.sort(sample.astype(np.float64).ravel())
    n = flat.size
    # Kolmogorov-Smirnov against Phi, at a level of about 1e-6.
    gap = np.abs(ndtr(flat) - (np.arange(n) + 0.5) / n).max()
    assert gap < np.sqrt(np.log(2e6) / 2) / np.sqrt(n)
    # Between streams: correlations of neighbours, and the mean over streams at each position.
    correlation = (sample[1:] * sample[:-1]).mean() * np.sqrt(sample[1:].size)
    assert abs(correlation) < 5
    assert (np.abs(sample.mean(0)) * np.sqrt(len(sample)) < 5).all()
    assert np.abs((sample**4).mean() - 3) < 5 * np.sqrt(96 / n)


def test_a_forked_process_draws_the_same():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply(_bytes, (NAMES[2],))
    assert there == draws(NAMES[2]).numpy().tobytes()


def _bytes(name: tuple) -> bytes:
    return draws(name).numpy().tobytes()
