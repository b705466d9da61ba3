"""A table as one page, and two tables compared: what they say is what the tables hold."""

import re
from pathlib import Path

import numpy as np
import pytest

from smoothcert import cli
from smoothcert.certificates import make_table, metrics, read_certificates, write_certificates
from smoothcert.certificates.change import change
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import printing

MODEL = "def make():\n    return lambda x: (x.reshape(len(x), -1).mean(1) > 0.5).astype(int)\n"

DATA = '{"path": "photos.npz", "classes": ["dark", "light"]}'


@pytest.fixture
def certified(tmp_path, monkeypatch):
    """Four pictures, one of them on the boundary and one of the other class than its label."""
    (tmp_path / "mean_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    grey = np.repeat(np.float32([0.1, 0.5, 0.9, 0.9]), 64).reshape(4, 8, 8)
    np.savez("photos.npz", x=grey, y=[0, 1, 1, 0])
    words = "certify --noise gaussian-0.25 --budget fixed-500 --look 500 --quiet"
    told = '{"path": "mean_model:make", "classes": 2}'
    assert cli.main([*words.split(), "--out", "t.tsv", "--model", told, "--data", DATA]) == 0
    return Path("t.tsv")


def test_the_page_of_a_table_says_what_it_holds_and_shows_the_images(certified, capsys):
    table = read_certificates(certified)
    assert table.predict.tolist() == [0, -1, 1, 1]
    assert cli.main(["report", str(certified)]) == 0
    page = certified.with_suffix(".html").read_text()
    assert "http" not in page.replace("http-equiv", "")  # one file, nothing fetched
    row = r"{}</td><td class=\"number\">{}"
    assert re.search(row.format("the base classifier, without noise", "50.0%"), page)
    assert re.search(row.format("the smoothed classifier", "50.0%"), page)
    assert re.search(row.format("abstains", "25.0%"), page)
    acr = printing.radius(metrics.average_certified_radius(table).value)
    assert re.search(row.format("average certified radius", acr), page)
    assert "1, by their idx: 1<" in page
    for kind, count in (
        ("largest radii in the true class", 2),
        ("abstains", 1),
        ("certified in a wrong class", 1),
    ):
        part = page.split(f"<h3>{kind}</h3>")[1].split("</div>")[0]
        assert part.count("data:image/png") == count
    assert "label 0 (dark)<br>answer 1 (light)<br>" in page
    # Other data of the name, or none: no images, and why.
    np.savez("photos.npz", x=np.zeros((4, 8, 8), np.float32), y=[0, 1, 1, 0])
    assert cli.main(["report", str(certified), "--out", "other.html"]) == 0
    assert "None are shown: t.tsv: certified on other data" in Path("other.html").read_text()
    Path("photos.npz").unlink()
    assert cli.main(["report", str(certified), "--out", "other.html"]) == 0
    assert "no such file or folder" in Path("other.html").read_text()


def test_a_table_of_the_fields_format_alone_has_its_page_too(tmp_path):
    rows = "0\t1\t1\t0.5\t1\t0:00:01\n1\t1\t-1\t0.0\t0\t0:00:01\n"
    (tmp_path / "log.tsv").write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n" + rows)
    assert cli.main(["report", str(tmp_path / "log.tsv")]) == 0
    page = (tmp_path / "log.html").read_text()
    assert "neither its record nor its path names the data set" in page
    unknown = make_table(idx=[0, 1], label=[-1, -1], predict=[3, -1], radius=[0.4, 0])
    write_certificates(tmp_path / "u.tsv", unknown)
    assert cli.main(["report", str(tmp_path / "u.tsv")]) == 0
    page = (tmp_path / "u.html").read_text()
    assert "mean radius" in page
    assert "accuracy of" not in page


def table(predict, radius, label=(0, 1, 2, 3, 4)):
    return make_table(idx=[5, 6, 7, 8, 9], label=label, predict=predict, radius=radius)


BEFORE = table([0, 1, 2, 3, -1], [0.5, 0.5, 0.9, 0.1, 0])
AFTER = table([0, 1, 0, -1, 4], [0.6, 0.1, 0.9, 0.0, 0.2])


def test_what_was_lost_and_gained_is_counted_by_hand():
    found = change(BEFORE, AFTER)
    assert [row.idx for row in found.lost] == [7, 8]  # a wrong class, an abstention
    assert [row.idx for row in found.gained] == [9]
    assert found.share.value == pytest.approx(-1 / 5)
    assert found.acr.value == pytest.approx((0.1 - 0.4 - 0.9 - 0.1 + 0.2) / 5)
    at = change(BEFORE, AFTER, 0.3)
    assert [row.idx for row in at.lost] == [7, 6]
    assert at.gained == []
    shuffled = {k: v[::-1] for k, v in AFTER.columns.items()}
    assert change(BEFORE, type(AFTER)(shuffled)).lost == found.lost
    unknown = (-1,) * 5
    blind = change(*(table(one.predict, one.radius, unknown) for one in (BEFORE, AFTER)))
    assert [row.idx for row in blind.lost] == [7, 8]
    assert blind.acr is None
    same = change(BEFORE, BEFORE)
    assert (same.lost, same.gained, same.acr.value) == ([], [], 0)


def test_the_paired_interval_is_that_of_the_metrics():
    both = metrics.accuracy_difference(AFTER, BEFORE, "0.3")
    found = change(BEFORE, AFTER, 0.3).share
    for end in ("value", "low", "high"):
        assert getattr(found, end) == getattr(both, end)[0]


def test_the_command_prints_and_writes_what_was_lost(tmp_path, capsys):
    for name, one in (("a.tsv", BEFORE), ("b.tsv", AFTER)):
        write_certificates(tmp_path / name, one)
    words = ["compare", str(tmp_path / "a.tsv"), str(tmp_path / "b.tsv")]
    assert cli.main([*words, "--show", "1", "--out", str(tmp_path / "lost.tsv")]) == 0
    said = capsys.readouterr().out
    assert "5 inputs in both; 2 lost their certificate, 1 gained one: -20.0 points" in said
    assert "\n7\t2\t2\t0.9\t0\t0.9\tlost" in said
    assert "\n8\t" not in said
    rows = (tmp_path / "lost.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["idx", "7", "8", "9"]
    assert [row.split("\t")[-1] for row in rows] == ["change", "lost", "lost", "gained"]
    other = make_table(idx=[5], label=[3], predict=[0], radius=[0.1])
    write_certificates(tmp_path / "c.tsv", other)
    assert cli.main([*words[:2], str(tmp_path / "c.tsv")]) == 2
    assert "idx 5 has label 0 in one and 3 in another" in capsys.readouterr().err
    with pytest.raises(SmoothcertError, match="inputs in common"):
        change(BEFORE, make_table(idx=[1], label=[0], predict=[0], radius=[0.1]))
