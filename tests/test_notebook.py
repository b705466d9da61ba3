"""The report notebook: no stored outputs, and it runs to an HTML page with the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from reporting import certificates

from smoothcert.cli import main

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COHEN = ROOT / "notebooks" / "cohen.ipynb"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs_and_paths(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert not any(re.search(r"[\"'](/|~)", "".join(cell["source"])) for cell in cells)


def test_notebook_renders_the_table_and_the_records(tmp_path, monkeypatch):
    pytest.importorskip("nbconvert")
    monkeypatch.chdir(ROOT)
    identity = {"dataset": "digits", "seed": 4711}
    record = {"identity": identity, "surroundings": {"packages": {"torch": "9.8.7"}}}
    results = tmp_path / "results"
    paths = certificates(results, record=record)
    for kind in ("table", "figure"):
        name = f"cohen_{kind}"
        out, numbers = results / f"{kind}s" / name, results / "numbers" / f"{name}.csv"
        assert main([kind, name, "--out", str(out), "--numbers", str(numbers), *paths]) == 0
    words = ["notebook", str(COHEN), "--results", str(results), "--preset", "smoke"]
    words += ["--executed", str(tmp_path / "a.ipynb"), "--out", str(tmp_path / "a.html")]
    assert main(words) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    body = page[page.index("<body") :]
    markdown = (results / "tables" / "cohen_table.md").read_text(encoding="utf-8")
    acr = re.findall(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", markdown)
    assert len(acr) == 4
    said = re.sub(r"<[^>]*>", "", body)
    for text in [*acr, "different data", "4711", "9.8.7", "Cohen, σ = 0.50"]:
        assert text in said
    assert "data:image/png;base64" in body
    assert "show.table" not in body
    executed = json.loads((tmp_path / "a.ipynb").read_text(encoding="utf-8"))["cells"]
    assert str(results) in "".join(executed[2]["source"])
    assert [c["execution_count"] for c in executed if c["cell_type"] == "code"][:2] == [1, 2]


def notebook(path: Path, *cells: tuple[str, list[str]]) -> Path:
    """A notebook of code cells with their tags."""
    code = {"cell_type": "code", "execution_count": None, "outputs": []}
    made = [
        {**code, "id": f"c{i}", "metadata": {"tags": tags}, "source": source}
        for i, (source, tags) in enumerate(cells)
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}))
    return path


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([("preset = 1", ["parameters"]), ("1 / 0", [])], r"code cell 3: ZeroDivisionError: div"),
        ([("preset = 1", ["parameters"]), ("1 +", [])], r"code cell 3: SyntaxError"),
        ([("preset = 1", [])], 'expected one cell with the tag "parameters"'),
        (None, r"not a notebook"),
    ],
)
def test_one_that_cannot_be_run_ends_with_one_line(tmp_path, capsys, cells, expected):
    pytest.importorskip("nbconvert")
    path = tmp_path / "n.ipynb"
    if cells is None:
        path.write_text("what")
    else:
        notebook(path, *cells)
    words = ["notebook", str(path), "--results", "r", "--preset", "p", "--out", str(tmp_path / "o")]
    assert main(words) == 2
    assert re.search(expected, capsys.readouterr().err.splitlines()[-1])
    assert not (tmp_path / "o").exists()


def test_what_a_cell_prints_and_displays_is_shown_with_the_values_given(tmp_path):
    pytest.importorskip("nbconvert")
    shown = (
        "from IPython.display import Markdown, display\nprint(preset)\ndisplay(Markdown('**m**'))"
    )
    path = notebook(
        tmp_path / "n.ipynb", ("preset = 'old'", ["parameters"]), (f"{shown}\n[results]", [])
    )
    words = ["notebook", str(path), "--results", "r7", "--preset", "new"]
    assert main([*words, "--out", str(tmp_path / "o.html")]) == 0
    text = (tmp_path / "o.html").read_text(encoding="utf-8")
    body = text[text.index("<body") :]
    assert re.search(r"<pre>new\s*</pre>", body)
    assert "<strong>m</strong>" in body
    assert "r7" in body
    assert "old" not in re.sub(r"<[^>]*>", "", body)
