"""The report notebook: no stored outputs, and it runs to an HTML page with the table."""

from __future__ import annotations

import json
import os
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


@pytest.mark.slow
def test_notebook_renders_the_table_and_the_records(tmp_path, monkeypatch):
    papermill = pytest.importorskip("papermill")
    nbconvert = pytest.importorskip("nbconvert")
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    identity = {"dataset": "digits", "seed": 4711}
    record = {"identity": identity, "surroundings": {"packages": {"torch": "9.8.7"}}}
    results = tmp_path / "results"
    paths = certificates(results, record=record)
    for kind in ("table", "figure"):
        name = f"cohen_{kind}"
        out, numbers = results / f"{kind}s" / name, results / "numbers" / f"{name}.csv"
        assert main([kind, name, "--out", str(out), "--numbers", str(numbers), *paths]) == 0
    done = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        COHEN,
        done,
        parameters={"preset": "smoke", "results": str(results)},
        cwd=str(ROOT),
        kernel_name="python3",
        progress_bar=False,
    )
    exporter = nbconvert.HTMLExporter(exclude_input=True)
    page, _ = exporter.from_filename(str(done))
    body = page[page.index("<body") :]
    markdown = (results / "tables" / "cohen_table.md").read_text(encoding="utf-8")
    acr = re.findall(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", markdown)
    assert len(acr) == 4
    for text in [*acr, "different data", "4711", "9.8.7", "Cohen, σ = 0.50"]:
        assert text in body
    assert "data:image/png;base64" in body
    assert "show.table" not in body
