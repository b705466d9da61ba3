"""Promises of a replay: it is the record at full size, and only exchangeability below it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import hypergeom

from smoothcert.budget import BUDGETS
from smoothcert.budget.simulated import PoolStream
from smoothcert.certificates.published import import_certificates
from smoothcert.certificates.replay import Record, record, replay, replay_all
from smoothcert.cli import main
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

N = 100_000


@pytest.fixture
def made() -> Record:
    """Counts from an abstention to certainty; the second half is wrongly classified."""
    votes = np.array([50_000, 52_000, 60_000, 80_000, 95_000, 99_000, 99_990, N] * 2)
    predict = np.where(votes > 50_489, 1, -1)
    label = np.repeat([1, 0], 8)
    return Record(
        np.arange(16),
        label,
        predict,
        votes,
        np.minimum(votes + 3, N),
        N,
        np.full(16, 0.5),
        Gaussian(0.5),
        1,
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    counts = np.array([60_000, 80_000, 95_000, 99_990, N])
    radii = 0.5 * Gaussian(0.5).standard_radius(clopper_pearson_lower(counts, N, 0.001), 1)
    lines = ["idx\tlabel\tpredict\tradius\tcorrect\ttime", "0\t3\t-1\t0.0\t0\t0:00:01"]
    lines += [f"{i + 1}\t3\t3\t{r:.3}\t1\t0:00:01" for i, r in enumerate(radii)]
    path = tmp_path / "published.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_whole_record_gives_its_own_radii_back(made: Record) -> None:
    full = replay(made, BUDGETS.parse("fixed-100000"), repeats=3)
    bound = clopper_pearson_lower(made.low, N, 0.001)
    radius = np.where(made.correct, 0.5 * Gaussian(0.5).standard_radius(bound, 1), 0.0)
    # n0 votes of the pool went to the selection, so the last 100 of 100,000 are redrawn.
    assert np.abs(full.radius - radius).max() < 0.01
    assert full.mad() == pytest.approx(0, abs=1e-12)


def test_draws_are_hypergeometric_and_exhaust_the_record() -> None:
    stream = PoolStream(np.full(20_000, 30), 50, 10, 5, np.random.default_rng(0))
    assert stream.first.mean() == pytest.approx(6, abs=0.05)
    assert stream.first.var() == pytest.approx(hypergeom.var(50, 30, 10), rel=0.05)
    rows = np.arange(20_000)
    stream.count(rows, np.full(20_000, 15))
    total = stream.count(rows, np.full(20_000, 40))
    assert (stream.first + total == 30).all()
    assert (stream.beyond == 0).all()
    stream.count(rows, np.full(20_000, 45))
    assert (stream.beyond == 5).all()


def test_an_abstention_never_becomes_a_certificate(made: Record) -> None:
    for slug in ("fixed-1000", "iss_ad0.05-100000", "sequential_0.05-100000"):
        one = replay(made, BUDGETS.parse(slug), repeats=20, seed=3)
        assert (one.radius[:, made.predict < 0] == 0).all()
        assert (one.radius[:, ~made.correct] == 0).all()


def test_the_declared_decline_is_kept(made: Record) -> None:
    """ISS's MAD is at most U; a fixed smaller size has one at certainty that is not."""
    iss = replay(made, BUDGETS.parse("iss_ad0.05-100000"), repeats=10)
    fixed = replay(made, BUDGETS.parse("fixed-26000"), repeats=1)
    assert iss.mad() <= 0.05 + 1e-9
    assert fixed.mad() == pytest.approx(
        0.5 * np.subtract(*Gaussian(1).standard_radius(0.001 ** (1 / np.array([N, 26_000])), 1))
    )


def test_repeats_are_paired_and_repeatable(made: Record) -> None:
    slugs = [BUDGETS.parse(s) for s in ("iss_ad0.05-100000", "iss-fresh_ad0.05-100000")]
    first = replay_all(made, slugs, repeats=4, seed=9)
    again = replay_all(made, slugs, repeats=4, seed=9)
    assert (first[0].radius == again[0].radius).all()
    more, _ = first[1].against(first[0])
    assert 0 < float(more.value) <= 1000


def test_dearer_abstentions_raise_the_samples_only(made: Record) -> None:
    budget = BUDGETS.parse("iss_rd0.05-100000")
    dear, cheap = (replay(made, budget, abstained=p, repeats=20) for p in (0.5, 0.3))
    assert float(dear.average_samples().value) > float(cheap.average_samples().value)
    assert float(dear.acr().value) == pytest.approx(float(cheap.acr().value), abs=0.01)


def test_a_published_table_is_replayed_from_the_command_line(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    arguments = [
        "replay",
        str(table),
        "--scale",
        "0.5",
        "--alpha",
        "0.001",
        "--repeats",
        "2",
        "--out",
        str(out),
    ]
    assert main([*arguments, "--budget", "fixed-100000", "sequential_0.05-100000"]) == 0
    printed = capsys.readouterr().out
    assert "no new certificate" in printed
    assert "sequential_0.05-100000" in printed
    rows = out.read_text().splitlines()
    assert len(rows) == 3
    assert rows[0].startswith("budget,samples,samples_low")


def test_a_table_without_its_noise_scale_is_refused(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(table), "--budget", "fixed-1000"]) == 2
    assert "--scale" in capsys.readouterr().err


def test_counts_may_be_the_lowest_or_random(made: Record, table: Path) -> None:
    published = record(import_certificates(table, 0.5, alpha=0.001))
    assert len(published) == 6
    assert published.predict.tolist() == [-1, 3, 3, 3, 3, 3]
    budget = BUDGETS.parse("fixed-100000")
    lowest = replay(made, budget, repeats=30)
    random = replay(made, budget, repeats=30, counts="random")
    assert float(random.acr().value) >= float(lowest.acr().value) - 1e-3
    with pytest.raises(SmoothcertError, match="lowest or random"):
        replay(made, budget, counts="highest")
    with pytest.raises(SmoothcertError, match="probability"):
        replay(made, budget, abstained=0.7)
