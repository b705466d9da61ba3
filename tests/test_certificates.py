"""The certificate table: what is written is read back, and a row that cannot be is refused."""

import gzip
import json
import warnings

import numpy as np
import pytest

from smoothcert.certificates import (
    COLUMNS,
    make_table,
    metrics,
    read_certificates,
    sidecar,
    write_certificates,
)
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError, SmoothcertWarning

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime"


def written(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def example():
    rng = np.random.default_rng(0)
    return make_table(
        idx=np.arange(0, 100, 20),
        label=[1, 2, 3, 4, 5],
        predict=[1, 2, -1, 5, 5],
        radius=rng.random(5) / 3,
        time=[0.25, 3600.5, 0, 86400 + 1, 59.123456],
        p_lower=rng.random(5),
        sigma=0.1 + 0.2,
        noise="gaussian-0.30",
    )


def test_a_table_reads_back_to_the_last_bit(tmp_path):
    table = example()
    write_certificates(tmp_path / "t.tsv", table, {"seed": 3})
    again = read_certificates(tmp_path / "t.tsv")
    assert list(again.columns) == list(table.columns)
    for name, column in table.columns.items():
        assert (again.columns[name] == column).all(), name
        assert again.columns[name].dtype.kind == column.dtype.kind
    assert json.loads(sidecar(tmp_path / "t.tsv").read_text()) == {"seed": 3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.json", "t.tsv"]


def test_the_first_columns_are_those_of_the_fields_logs(tmp_path):
    write_certificates(tmp_path / "t.tsv", example())
    assert (tmp_path / "t.tsv").read_text().startswith(f"{HEADER}\tp_lower")
    assert list(COLUMNS)[:6] == HEADER.split("\t")


def test_an_abstention_has_radius_zero_and_is_wrong():
    table = example()
    assert table.radius[2] == 0.0
    assert table.correct.tolist() == [1, 1, 0, 0, 1]


def test_a_compressed_table_is_the_same_table(tmp_path):
    write_certificates(tmp_path / "t.tsv", example())
    with gzip.open(tmp_path / "t.tsv.gz", "wb") as handle:
        handle.write((tmp_path / "t.tsv").read_bytes())
    plain, packed = (read_certificates(tmp_path / n) for n in ("t.tsv", "t.tsv.gz"))
    assert (plain.radius == packed.radius).all()


def test_every_spelling_of_time_in_the_field_is_read(tmp_path):
    times = {"0:00:16.301146": 16.301146, "1:02:03": 3723.0, "1 day, 0:00:01": 86401.0,
             "2 days, 1:00:00.5": 176400.5, "12.5": 12.5}  # fmt: skip
    rows = [f"{i}\t0\t0\t0.1\t1\t{t}" for i, t in enumerate(times)]
    table = read_certificates(written(tmp_path / "t.tsv", *rows))
    assert table.columns["time"].tolist() == pytest.approx(list(times.values()))


def test_a_value_that_is_the_same_in_every_row_is_single():
    table = example()
    assert table.single("sigma") == 0.1 + 0.2
    assert table.single("radius") is None
    assert table.single("budget") is None
    assert table.optional("budget") is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("5\t1\t1\t0.5\t0\t0", "correct == (predict == label)"),
        ("5\t1\t2\t0.5\t1\t0", "correct == (predict == label)"),
        ("5\t1\t-1\t0.5\t0\t0", "abstention (predict -1) has radius 0"),
        ("5\t1\t1\t-0.5\t1\t0", "not negative"),
        ("5\t1\t-2\t0.5\t0\t0", "-1 or a class"),
        ("5\t1\t1\t0.5\t1", "expected 6 fields, found 5"),
        ("5\t1\tone\t0.5\t1\t0", "column 'predict': expected int, found 'one'"),
        ("5\t1\t1\tnan\t1\t0", "column 'radius': expected float, found 'nan'"),
        ("5\t1\t1\t0.5\t1\t1:2", "column 'time'"),
        ("99999999999999999999\t1\t1\t0.5\t1\t0", "column 'idx'"),
        ("inf\t1\t1\t0.5\t1\t0", "column 'idx'"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line(tmp_path, row, says):
    path = written(tmp_path / "t.tsv", "0\t1\t1\t0.5\t1\t0:00:01", row)
    with pytest.raises(SmoothcertError) as caught:
        read_certificates(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"idx\tlabel\tpredict\tradius\n", "lacks the column 'correct'"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, says):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(SmoothcertError, match=f"t.tsv:?1?: .*{says}"):
        read_certificates(path)


def test_missing_and_truncated_files_are_refused(tmp_path):
    with pytest.raises(SmoothcertError, match="no such certificate table"):
        read_certificates(tmp_path / "none.tsv")
    whole = gzip.compress(f"{HEADER}\n".encode() * 100)
    (tmp_path / "cut.tsv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SmoothcertError, match=r"cut\.tsv\.gz: cannot be read"):
        read_certificates(tmp_path / "cut.tsv.gz")


# --- other people's tables -----------------------------------------------------------------

ROWS = ("0\t3\t3\t0.5\t1\t0:00:01", "100\t2\t-1\t0.0\t0\t0:00:01", "200\t4\t6\t0.2\t0\t0:00:01")
PLAIN = "\n".join((HEADER, *ROWS)) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + PLAIN,
        PLAIN + "\n",
        PLAIN + "\n  \n\t\n",
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(HEADER, HEADER.replace("\t", " ")),
        PLAIN.replace("\t", " "),
        PLAIN.replace("\t1\t0:", "\tTrue\t0:").replace("\t0\t0:", "\tFalse\t0:"),
        PLAIN.replace("-1\t0.0", "-1\t-1.0"),
        PLAIN.replace("-1\t0.0", "-1\t-0.07"),
        PLAIN.replace("\tcorrect\ttime", "\tcorrect\ttime "),
    ],
    ids=["BOM", "blank line", "blank lines", "CRLF", "header of blanks", "blanks", "True and False",
         "radius -1", "negative radius of an abstention", "blank after a name"],
)  # fmt: skip
def test_the_fields_spellings_are_read_as_the_same_table(tmp_path, content):
    path, plain = tmp_path / "t.tsv", tmp_path / "plain.tsv"
    path.write_bytes(content.encode())
    plain.write_text(PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_certificates(path)
    for name, column in read_certificates(plain).columns.items():
        assert table.columns[name].tolist() == column.tolist(), name


@pytest.mark.parametrize(
    "summary", ["Certified accuracy: 0.33", "mean radius\t0.35", "=====\nACR 0.1"]
)
def test_a_summary_after_the_rows_is_left_out_with_a_warning(tmp_path, summary):
    (tmp_path / "t.tsv").write_text(PLAIN + summary + "\n")
    with pytest.warns(SmoothcertWarning, match=r"t\.tsv:5: not a row, skipped"):
        table = read_certificates(tmp_path / "t.tsv")
    assert len(table) == 3


def test_a_cut_row_is_no_summary(tmp_path):
    (tmp_path / "t.tsv").write_text(PLAIN + "300\t4\t6\n")
    with pytest.raises(SmoothcertError, match=r"t\.tsv:5: expected 6 fields, found 3"):
        read_certificates(tmp_path / "t.tsv")


def test_repeated_rows_of_a_resumed_run_are_refused_with_both_lines(tmp_path):
    (tmp_path / "t.tsv").write_text(PLAIN + ROWS[1] + "\n" + ROWS[2] + "\n")
    with pytest.raises(
        SmoothcertError, match=r"t\.tsv:5: idx 100 appears twice \(first in line 3\)"
    ):
        read_certificates(tmp_path / "t.tsv")


def test_a_right_prediction_of_radius_0_that_is_not_correct_certifies_nothing(tmp_path):
    (tmp_path / "t.tsv").write_text(PLAIN.replace("3\t3\t0.5\t1", "3\t3\t0.0\t0"))
    with pytest.warns(SmoothcertWarning, match=r"t\.tsv:2: .*radius of 0 certifies nothing"):
        table = read_certificates(tmp_path / "t.tsv")
    assert metrics.certified_accuracy(table, "0").value[0] == 0
    assert metrics.average_certified_radius(table).value == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("idx\tlabel\tpredict\tbasePredict\tcorrect\ttime\n0\t1\t1\t1\t1\t0:00:01\n",
         "predictions without a radius, which certify nothing"),
        ("idx\tlabel\tpredict\tcount\tcorrect\n0\t1\t1\t990\t1\n", "counts and no radius"),
        ("990\t10\t0\t0\n10\t900\t90\t1\n", "no header"),
        ("\t \t\t\n0\t1\t1\t1\n", "a blank header; expected idx, label"),
    ],
)  # fmt: skip
def test_what_has_no_radii_says_so(tmp_path, content, says):
    (tmp_path / "t.tsv").write_text(content)
    with pytest.raises(SmoothcertError, match=rf"t\.tsv:1: .*{says}"):
        read_certificates(tmp_path / "t.tsv")


def test_a_warning_of_the_command_line_is_one_line(tmp_path, capsys):
    (tmp_path / "t.tsv").write_text(PLAIN + "Certified accuracy: 0.33\n")
    assert main(["metrics", str(tmp_path / "t.tsv")]) == 0
    error = capsys.readouterr().err
    assert error.startswith("warning: ")
    assert error.count("\n") == 1
