"""What docs/results shows is what today's code produces."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

from smoothcert.core.errors import SmoothcertError
from smoothcert.report.html_parts import png_uri
from smoothcert.report.ship import ship

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = sorted((REPOSITORY / "docs" / "results").glob("*/tables/*.csv"))
# What a run measures or a machine decides is no label of a row
LABELS = ("data", "dataset", "method", "training", "scaling", "budget", "noise", "architecture")


def read(path: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        names = list(reader.fieldnames or [])
        labels = [name for name in names if name in LABELS]
        # How far the columns of certified accuracy go is measured, not decided by the code
        columns = list(dict.fromkeys(re.sub(r"_\d+\.\d+", "_RADIUS", name) for name in names))
        return columns, [tuple(row[n] for n in labels) for row in reader]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_a_shipped_table_has_the_columns_and_rows_of_todays_code(path: Path) -> None:
    today = REPOSITORY / "results" / path.parts[-3] / "tables" / path.name
    if not today.exists():
        pytest.skip(f"no results of preset {path.parts[-3]} here: snakemake ship makes them")
    assert read(path) == read(today)


def test_a_run_is_shipped_whole_and_an_older_one_is_gone(tmp_path: Path) -> None:
    results, out = tmp_path / "results" / "tiny", tmp_path / "docs"
    (results / "tables").mkdir(parents=True)
    (out / "tables").mkdir(parents=True)
    (out / "tables" / "old.csv").touch()
    with pytest.raises(SmoothcertError, match="no tables or no index"):
        ship(results, out, "tiny")
    assert (out / "tables" / "old.csv").exists()  # nothing is lost for nothing
    (results / "tables" / "a.csv").write_text("x\n1\n")
    (results / "tables" / "a.md").write_text("a")
    (results / "figures").mkdir()
    Image.new("RGB", (4, 4), "red").save(results / "figures" / "shown.png")
    Image.new("RGB", (4, 4), "blue").save(results / "figures" / "not-shown.png")
    inside = png_uri(results / "figures" / "shown.png")
    (results / "index.html").write_text(
        '<a href="#a">a</a> <a href="tables/a.csv">b</a> <a href="reports/x.html">c</a>'
        f' <img src="{inside}">'
    )
    ship(results, out, "tiny")
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "README.md", "figures/shown.png", "index.html", "tables/a.csv", "tables/a.md",
    ]  # fmt: skip
    page = (out / "index.html").read_text()
    assert (
        page == '<a href="#a">a</a> <a href="tables/a.csv">b</a> c <img src="figures/shown.png">'
    )  # no dead link
    assert "snakemake --config preset=tiny" in (out / "README.md").read_text()
