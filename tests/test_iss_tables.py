"""The tables and figures of ISS: closed-form ones agree with the paper's text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from core_helpers import make_store
from reporting import fits, words

from smoothcert.budget import BUDGETS
from smoothcert.budget.psi import Decline, psi
from smoothcert.certificates import make_table, write_certificates
from smoothcert.certificates.runs import read_run
from smoothcert.cli import main
from smoothcert.noise import Gaussian
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.iss import closed_form, figure_coverage, figure_replay, figures
from smoothcert.papers.iss.figure_coverage import WORST
from smoothcert.papers.iss.options import (
    CoverageOptions,
    MappingOptions,
    ReplayOptions,
    ScaleOptions,
)
from smoothcert.papers.iss.outputs import SECTION
from smoothcert.papers.iss.settings_table import settings
from smoothcert.papers.iss.tables import budgets, mapping_times, method_name, paper_row, samples_of
from smoothcert.report.numbers import read_numbers, wide
from smoothcert.report.output import Files, Options
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.write import to_csv, to_markdown


def test_figure_3_has_the_sample_sizes_of_the_text() -> None:
    """35,000 and 65,000 samples, IAS 50,000; declines 0.0042 and 0.0075."""
    sizes = [closed_form.size(p, 0.0042) for p in (0.51, 0.99)]
    assert sizes == pytest.approx([35_000, 65_000], rel=0.02)
    assert sum(sizes) / 2 == pytest.approx(50_000, rel=0.02)
    assert closed_form.decline(0.99, 50_000) == pytest.approx(0.0075, abs=5e-5)
    picture = figures.figure3(Files(), ScaleOptions())
    marks = picture.numbers
    assert marks[marks.series == "ISS"].k.tolist() == sizes
    assert marks[marks.series == "paper"].k.tolist() == [35_000, 65_000]
    shown = words(figures.draw_figure3(picture))
    assert sum("ISS in the paper: 35,000 samples" in line for line in shown) == 1
    assert sum("ISS in the paper: 65,000 samples" in line for line in shown) == 1


def test_negative_radii_of_figure_3_are_drawn_as_abstentions() -> None:
    picture = figures.figure3(Files(), ScaleOptions())
    drawn = figures.draw_figure3(picture)
    assert fits(drawn)
    curve = picture.numbers[(picture.numbers.p == 0.51) & (picture.numbers.series == "curve")]
    least = curve[curve.value < 0].k.max()
    assert closed_form.radius_at(0.51, np.array([least + 300]), 0.5) > 0
    solid, dotted = drawn.axes[0].get_lines()[:2]
    assert solid.get_ydata().min() >= 0 > dotted.get_ydata().max()
    assert dotted.get_linestyle() == ":"
    (text,) = drawn.axes[0].texts
    assert text.get_text() == "below about 24,000 samples:\nISS and IAS abstain, radius 0"
    assert not drawn.axes[1].texts


def test_figure_6_spreads_the_rise_at_1_and_has_the_papers_sizes() -> None:
    picture = figures.figure6(Files(), ScaleOptions())
    numbers = picture.numbers
    for kind, bound, kbar in (("ad", 0.05, 100_000), ("rd", 0.01, 50_000)):
        part = numbers[
            (numbers.kind == kind) & (numbers.bound == bound) & (numbers.kbar == kbar)
        ].astype({"p": float})
        exact = psi(part.p, Decline(**{kind: bound}), Gaussian(1.0), 0.5, 1, kbar=kbar)
        assert part.value.tolist() == exact.tolist()
    for paper in numbers[numbers.series == "paper"].itertuples():
        assert closed_form.size(float(paper.p), 0.0042) == pytest.approx(paper.value, rel=0.02)
    drawn = figures.draw_figure6(picture)
    assert fits(drawn)
    for axes in drawn.axes:
        ticks = dict(
            zip((t.get_text() for t in axes.get_xticklabels()), axes.get_xticks(), strict=True)
        )
        assert (ticks["1"] - ticks["0.99"]) / (ticks["1"] - ticks["0.5"]) > 0.4
    # At another scale the bound of figure 3 has other sizes: no number of the paper stands there.
    assert "paper" not in set(figures.figure6(Files(), ScaleOptions(scale=1.0)).numbers.series)


def test_no_curve_of_the_coverage_is_hidden() -> None:
    """Two a panel, the first wide behind the second; the worst cases of a search are in sight."""
    options = CoverageOptions(kbar=2000, points=3, rounds=0)
    picture = figure_coverage.measure(Files(), options)
    drawn = figure_coverage.draw(picture)
    assert fits(drawn)
    for axes in drawn.axes:
        wide, narrow = [line for line in axes.get_lines() if len(line.get_xdata()) > 10]
        assert wide.get_linewidth() > 3 * narrow.get_linewidth()
        searched = [line for line in axes.get_lines() if line.get_marker() == "v"]
        tops = [line.get_ydata()[0] for line in searched if len(line.get_ydata())]
        assert len(tops) == 2
        assert max(tops) < axes.get_ylim()[1]


def test_the_heading_of_a_narrow_figure_fits(votes: Path) -> None:
    titles = {one.name: one.title for one in SECTION.outputs if one.kind == "figure"}
    options = ReplayOptions(repeats=1, title=titles["iss_fig1"])
    files = Files({"": (votes,)})
    drawn = figure_replay.draw_trade_off(figure_replay.figure1(files, options))
    assert drawn.get_suptitle().replace("\n", " ") == titles["iss_fig1"]
    assert fits(drawn)
    assert fits(figure_replay.draw_figure6_lower(figure_replay.figure6_lower(files, options)))


def test_figure_4_crosses_near_0_994_and_not_at_0_94() -> None:
    """ISS (100,000, U 0.05) is ahead of IAS (30,000) from there on; the text says 0.94."""
    assert closed_form.ahead(0.94, 0.5) == pytest.approx(-0.035, abs=0.003)
    assert closed_form.ahead(0.993, 0.5) < 0 < closed_form.ahead(0.996, 0.5)
    assert closed_form.crossing(0.5) == pytest.approx(0.994, abs=0.001)


def table(folder: Path, budget: str, n: int, radius: list[float], **named: str) -> Path:
    """A certificate table on its workflow path."""
    made = make_table(
        idx=np.arange(3), label=[0, 1, 2], predict=[0, 1, -1], radius=radius, n=n, n0=1000,
        alpha=0.001, norm="l2", time=60.0,
    )  # fmt: skip
    axes = {"dataset": "imagenet", "arch": "resnet50", "training": "consistency-fs-1.00",
            "noise": "gaussian-1.00", "scaling": "fixed", **named}  # fmt: skip
    path = folder.joinpath("certificates", *axes.values(), f"{budget}.tsv")
    write_certificates(path, made, {"votes": {"budget": budget}})
    return path


def test_the_paper_stands_beside_its_own_model_only(tmp_path: Path) -> None:
    def row(budget: str, **named: str) -> object:
        return paper_row(read_run(table(tmp_path, budget, 26_000, [1.0, 2.0, 0.0], **named)))

    ours = row("iss_ad0.05-100000")
    assert isinstance(ours, PaperRow)
    cell = ours.metric("avg_samples")
    assert cell is not None
    assert cell.value == 25_987
    assert row("iss_ad0.05-100000", dataset="digits") is None
    assert row("iss-fresh_ad0.05-100000") is None
    assert method_name(BUDGETS.parse("fixed-26000")) == "IAS-2.6"


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    return [
        table(tmp_path, "fixed-100000", 100_000, [1.05, 2.0, 0.0]),
        table(tmp_path, "iss_ad0.05-100000", 26_000, [1.0, 2.0, 0.0]),
        table(tmp_path, "iss-fresh_ad0.05-100000", 26_000, [1.0, 1.96, 0.0]),
    ]


def test_the_table_counts_all_samples_and_measures_the_decline(three: list[Path]) -> None:
    assert [int(samples_of(read_run(p))[0]) for p in three] == [101_000, 26_000, 27_000]
    made = budgets(Files({"": tuple(three)}), AccuracyOptions(radii=(0, 1.0)))
    assert [row["budget"] for row in made.rows] == [
        "fixed-100000", "iss-fresh_ad0.05-100000", "iss_ad0.05-100000",
    ]  # fmt: skip
    numbers = made.numbers("iss_table1")
    declines = numbers[numbers.metric == "mad"].value
    assert declines.tolist() == pytest.approx([0.0, 0.05, 0.05])
    samples = numbers[(numbers.metric == "samples") & (numbers.budget == "iss_ad0.05-100000")]
    assert (samples.value.item(), samples.paper.item()) == (26_000, 25_987)
    assert "/ 25987" in to_markdown(made)
    lines = to_csv(made).splitlines()
    assert lines[0].startswith("dataset,training,noise,budget,inputs,samples,samples_low,")
    assert lines[0].endswith("certified_1,certified_1_low,certified_1_high,certified_1_paper")
    assert ",own,3.0,,," in lines[1]
    assert ",0.050," in lines[2]


def test_a_decline_that_has_nothing_to_be_measured_from_is_none(three: list[Path]) -> None:
    made = budgets(Files({"": tuple(three[1:])}), AccuracyOptions())
    assert {row["mad"] for row in made.rows} == {None}
    assert "| - " in to_markdown(made)


def test_the_mapping_is_timed_beside_the_paper() -> None:
    made = mapping_times(Files(), MappingOptions(kbar=2000), repeats=1)
    numbers = made.numbers("iss_table3")
    assert numbers[numbers.metric == "rd"].paper.tolist() == [39.47, 13.52, 7.50]


def test_the_settings_are_the_papers_and_those_that_were_run(three: list[Path]) -> None:
    made = settings(Files({"": tuple(three)}), Options())
    assert [row["who"] for row in made.rows] == ["paper", "paper", "here"]
    assert (made.rows[2]["kbar"], made.rows[2]["k0"]) == ("100 000", "0.01")


def drawn(name: str, folder: Path, *words: str) -> pd.DataFrame:
    """The numbers of a figure, once it is drawn."""
    base, numbers = folder / name, folder / f"{name}.csv"
    assert main(["figure", name, "--out", str(base), "--numbers", str(numbers), *words]) == 0
    for suffix in (".png", ".pdf"):
        assert base.with_name(name + suffix).stat().st_size > 5000
    return read_numbers([numbers])


def test_figures_in_closed_form_need_no_file(tmp_path: Path) -> None:
    for name in ("iss_fig3", "iss_fig6"):
        assert len(drawn(name, tmp_path)) > 500


def test_the_worst_cases_stand_in_the_frame_of_the_coverage(tmp_path: Path) -> None:
    options = json.dumps({"kbar": 2000, "points": 3, "rounds": 0})
    numbers = drawn("iss_coverage", tmp_path, "--options", options)
    worst = wide(numbers[numbers.part == WORST])
    assert set(worst.kbar) == {"2000"}
    elected = worst[worst.classes == "elected"].groupby("reading").worst.max()
    assert elected["fresh"] <= 1 < elected["maximum"]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Votes of ten inputs, 4,000 each."""
    rng = np.random.default_rng(0)
    share = np.linspace(0.6, 1.0, 10)
    first = np.array([[round(100 * p), 100 - round(100 * p)] for p in share])
    looks = [[[k, 200 - k] for k in rng.binomial(200, p, 20)] for p in share]
    path = tmp_path / "votes.npz"
    named = {"dataset": "digits", "training": "cohen-fs-0.50", "arch": "tiny_cnn"}
    make_store(looks, selection=first, look=200, n_classes=2, **named).write(path)
    return path


@pytest.mark.parametrize("name", ["iss_fig1", "iss_fig5"])
def test_replayed_votes_trade_samples_for_radius(name: str, votes: Path, tmp_path: Path) -> None:
    numbers = drawn(name, tmp_path, str(votes), "--options", '{"repeats": 1}')
    assert set(numbers.model) == {"digits, Cohen, σ = 0.50"}
    points = wide(numbers[numbers.series == "IAS (fixed)"]).sort_values("samples")
    assert points.acr.iloc[0] < points.acr.iloc[-1]


def test_figure_4_says_where_iss_is_ahead_as_the_claim_does(votes: Path) -> None:
    drawn = figures.draw_figure4(figures.figure4(Files({"": (votes,)}), ReplayOptions()))
    assert fits(drawn)
    assert f"{closed_form.crossing(0.5):.3f}" == "0.994"  # what the claim prints
    assert {"σ = 0.5: better from 0.994", "the paper: better from 0.94"} <= set(words(drawn))
    left, right = drawn.axes
    assert left.get_xlim() == right.get_xlim()


def test_figure_4_and_6_have_the_numbers_of_one_model(votes: Path, tmp_path: Path) -> None:
    numbers = drawn("iss_fig4", tmp_path, str(votes))
    assert len(numbers[numbers.series == "input"]) == 10
    numbers = drawn("iss_fig6_lower", tmp_path, str(votes), "--options", '{"repeats": 1}')
    assert set(numbers.metric) == {"samples", "acr", "mad"}
    assert set(numbers.k0_share) == {"0.002", "0.01", "0.05", "0.1"}


def test_an_unknown_option_of_a_replay_is_one_line(
    votes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["figure", "iss_fig1", str(votes), "--out", str(tmp_path / "x")]
    assert main([*words, "--options", '{"repeat": 1}']) == 2
    printed = capsys.readouterr().err
    assert "iss_fig1: repeat: unknown key; expected one of every, repeats" in printed
    assert main(words[:2] + words[3:]) == 2
    assert "expected at least one FILE" in capsys.readouterr().err
