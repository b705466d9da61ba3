"""What docs/results shows is what today's code produces."""

import csv
import re
from pathlib import Path

import pytest

from smoothcert.cli import main

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


def test_the_page_about_the_shipped_results_is_what_its_command_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    folders = sorted(Path("docs/results").glob("*/tables/claims_by_data.csv"))
    runs = [str(path.parent.parent) for path in folders]
    made = tmp_path / "docs/results"
    made.mkdir(parents=True)
    for run in runs:  # the page links to them
        (made / Path(run).name).symlink_to(Path(run).resolve())
    monkeypatch.chdir(tmp_path)
    words = str(REPOSITORY / "docs/results/words.md")
    places = ["--out", "docs/results/ledger", "--page", "docs/results/README.md", "--words", words]
    assert main(["overview", "ledger", *runs, *places]) == 0
    for name in ("README.md", "ledger.md", "ledger.csv"):
        assert (made / name).read_text() == (REPOSITORY / "docs/results" / name).read_text()
