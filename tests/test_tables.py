"""Tables: numbers from the certificates, the paper's value only where it is comparable."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal

import numpy as np
import pytest
from reporting import certificates

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import read_run
from smoothcert.cli import main
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.cohen.table import cohen
from smoothcert.report import printing
from smoothcert.report.numbers import Metric, Number
from smoothcert.report.output import Files
from smoothcert.report.reference import value
from smoothcert.report.table import Column, Table
from smoothcert.report.write import to_html, to_latex, to_markdown

PAPER = {"dataset": "cifar10", "arch": "resnet18", "sigmas": (0.12, 0.25, 0.5), "n": 100_000}


def made(paths, **options):
    """The table of certificate files."""
    return cohen(Files.parse(list(map(str, paths))), AccuracyOptions(**options))


def at(radius):
    return Metric("accuracy_percent", radius)


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_command_writes_four_files_and_prints_the_markdown(tmp_path, capsys):
    paths = certificates(tmp_path)
    base = tmp_path / "out" / "cohen.v1"
    assert main(["table", "cohen_table", "--out", str(base), "--radii", "0,0.25,0.5", *paths]) == 0
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "out" / "cohen.v1.md").read_text()
    assert sorted(p.name for p in base.parent.iterdir()) == [
        "cohen.v1.csv",
        "cohen.v1.html",
        "cohen.v1.md",
        "cohen.v1.tex",
    ]
    rows = read_csv(base.with_name("cohen.v1.csv"))
    assert len(rows) == 2 + 2
    for row, path in zip(rows, paths, strict=False):
        table = read_run(path).table
        hit = (table.correct == 1) & (table.radius >= 0.25)
        assert float(row["accuracy_percent_0.25"]) == pytest.approx(100 * hit.mean())
        low, high = row["accuracy_percent_0.25_low"], row["accuracy_percent_0.25_high"]
        assert float(low) < 100 * hit.mean() < float(high)
        own = np.where(table.correct == 1, table.radius, 0)
        assert float(row["acr"]) == pytest.approx(own.mean())
        abstain = 100 * (table.predict == -1).mean()
        assert float(row["abstain_percent"]) == pytest.approx(abstain)
        assert (row["dataset"], row["arch"], row["inputs"]) == ("digits", "tiny_cnn", "80")
        assert (row["n"], row["alpha"], row["paper"]) == ("2000", "0.001", "different data")
        assert row["accuracy_percent_0.25_paper"] == ""
    tables = [read_run(path).table for path in paths]
    assert float(rows[2]["acr"]) == pytest.approx(float(metrics.envelope_area(tables).value))
    assert float(rows[3]["acr"]) == pytest.approx(float(metrics.per_input_maximum(tables).value))
    best = max(float(row["accuracy_percent_0.50"]) for row in rows[:2])
    assert float(rows[2]["accuracy_percent_0.50"]) == pytest.approx(best)


def test_the_papers_value_stands_beside_its_own_setting(tmp_path):
    table = made(certificates(tmp_path, **PAPER), radii="0,0.25,0.3")
    first = table.rows[0]
    assert first[at(0.0)].paper.text == "79.89"
    assert first[at(0.25)].paper.text == "56.26"
    assert first[at(0.3)].paper is None
    assert first["acr"].paper is None
    assert first["paper"] == "DDRS appendix H.1"
    envelope, oracle = table.rows[3:]
    assert envelope[at(0.0)].paper.text == "79.9"
    assert envelope["acr"].paper is None
    assert oracle["acr"].paper.text == "0.591"
    assert "/ 79.89" in to_markdown(table)
    assert "ResNet-18" in " ".join(table.notes)
    numbers = table.numbers("cohen_table")
    (compared,) = numbers[(numbers.row == 0) & (numbers.radius == 0.25)].itertuples()
    assert (compared.paper, compared.paper_step, compared.paper_inputs) == (56.26, 0.01, 10_000)
    assert compared.source == "DDRS appendix H.1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "cifar10-jpeg"}, "different data"),
        ({"arch": "resnet20"}, "different architecture"),
        ({"n": 10_000}, "different samples or alpha"),
        ({"record": {"train": {"recipe": {"epochs": 3}}}}, "different length of training"),
    ],
)
def test_another_setting_says_so_and_shows_no_value(tmp_path, change, reason):
    table = made(certificates(tmp_path, **{**PAPER, **change}))
    assert {row["paper"] for row in table.rows} == {reason}
    numbers = table.numbers("cohen_table")
    assert numbers.paper.isna().all()
    assert set(numbers.reason) == {reason}


def test_printed_radii_are_never_rounded_up():
    for one in np.random.default_rng(0).random(2000) * 4:
        shown = Decimal(printing.radius(one))
        assert shown <= Decimal(float(one)) < shown + Decimal("0.001")
    assert printing.radius(0.953) == "0.953"
    assert printing.radius(0.9529999) == "0.952"
    assert printing.percent(0.5834, 2) == "58.34"
    assert printing.percent(0.0) == "0.0"
    assert printing.fixed(-0.0001, 2) == "0.00"
    assert printing.fixed(math.inf, 2) == "inf"
    estimate = metrics.Estimate(np.asarray(0.5), np.asarray(0.43219), np.asarray(0.56711), 9)
    assert printing.percent_interval(estimate) == "[43.2, 56.8]"
    assert printing.radius_interval(estimate) == "[0.432, 0.568]"


def test_latex_and_markdown_escape_what_they_would_read_as_markup():
    columns = (Column("a", "50% & more_#"), Column("b", "≥ 0.50", measured=True))
    paper = value("ddrs", "table1", dataset="cifar10", method="Cohen", radius=0.5)
    rows = [{"a": r"x_1 | {y}\z <b>", "b": Number(1.0, 0.9, 1.1, 20, "percent", paper)}]
    table = Table("A_title ~ ℓ₂", columns, rows, ("100% of $5",))
    latex = to_latex(table)
    assert r"50\% \& more\_\# & $\ge$ 0.50 \\" in latex
    assert r"x\_1 $|$ \{y\}\textbackslash{}z $<$b$>$ & 1.0 {\tiny [0.9, 1.1]}" in latex
    assert r"/ \textit{40.1} \\" in latex
    assert r"\caption{A\_title \textasciitilde{} $\ell${$_2$}}" in latex
    assert latex.isascii()
    for rule in ("toprule", "midrule", "bottomrule"):
        assert latex.count(rf"\{rule}") == 1
    lines = to_markdown(table).splitlines()
    assert r"x_1 \| {y}\z" in lines[4]
    assert len({len(line) for line in lines[2:5]}) == 1
    page = to_html(table)
    assert "{y}\\z &lt;b&gt;</td>" in page
    assert '<th scope="col" class="number">≥\u00a00.50</th>' in page


def test_latex_of_a_real_table_is_plain_ascii(tmp_path):
    assert to_latex(made(certificates(tmp_path, **PAPER))).isascii()


def test_inputs_in_common_decide_the_envelope(tmp_path):
    paths = certificates(tmp_path / "a", sigmas=(0.25,), inputs=80)
    paths += certificates(tmp_path / "b", sigmas=(0.5,), inputs=80)
    lines = open(paths[1]).read().splitlines()  # noqa: PTH123, SIM115
    with open(paths[1], "w") as file:  # noqa: PTH123
        file.write("\n".join(lines[:51]) + "\n")
    table = made(paths)
    assert [row["inputs"] for row in table.rows] == [80, 50, 50, 50]
    assert [row["acr"].inputs for row in table.rows] == [80, 50, 50, 50]


def test_settings_come_from_the_record_the_path_or_a_published_name(tmp_path):
    path = certificates(tmp_path, sigmas=(0.25,))[0]
    run = read_run(path)
    assert (run.dataset, run.arch, run.training) == ("digits", "tiny_cnn", "cohen-fs-0.25")
    assert (run.noise, run.sigma, run.budget, run.alpha) == (
        "gaussian-0.25",
        0.25,
        "fixed-2000",
        0.001,
    )
    other = certificates(tmp_path / "x", sigmas=(0.25,), record={"spec": {"dataset": "mnist"}})[0]
    assert read_run(other).dataset == "mnist"
    plain = tmp_path / "cifar10_resnet110_gaussian_train0.25_sigma0.25.tsv"
    plain.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\t0.953\t1\t0:00:10.5\n")
    run = read_run(plain)
    assert (run.dataset, run.training, run.n) == ("cifar10", "cohen-fs-0.25", None)
    unknown = tmp_path / "mine.tsv"
    unknown.write_text(plain.read_text())
    row = made([unknown]).rows[0]
    assert (row["dataset"], row["paper"]) == ("mine.tsv", "different data")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--spec", "{"], "--spec: not valid JSON"),
        (["--spec", "[1]"], "expected a mapping"),
        (["--spec", '{"radius": 1}'], "radius: unknown key; expected one of options"),
        (["--spec", '{"strict": "yes"}'], "strict"),
        (["--spec", '{"name": "other"}'], "--spec: name: give it on the command line"),
        (["--options", '{"radius": 1}'], "cohen_table: radius: unknown key; expected one of"),
        (["--radii", "1,0"], "increasing"),
    ],
)
def test_wrong_specifications_end_with_one_line_and_no_file(tmp_path, capsys, arguments, message):
    paths = certificates(tmp_path, sigmas=(0.25,))
    assert main(["table", "cohen_table", "--out", f"{tmp_path}/o/t", *paths, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_specification_and_flags_say_the_same(tmp_path, capsys):
    paths = certificates(tmp_path, sigmas=(0.25,))
    spec = json.dumps({"radii": "0,0.5", "title": "T", "strict": True, "code": "abc"})
    flags = ["--radii", "0,0.5", "--title", "T", "--strict"]
    assert main(["table", "cohen_table", "--out", str(tmp_path / "a"), *paths, "--spec", spec]) == 0
    first = capsys.readouterr().out
    assert main(["table", "cohen_table", "--out", str(tmp_path / "b"), *paths, *flags]) == 0
    assert capsys.readouterr().out == first
    assert "> 0.50" in first
    assert main(["table", "nothing", "--out", str(tmp_path / "c"), *paths]) == 2
    assert "table 'nothing': unknown; expected one of cohen_table" in capsys.readouterr().err
