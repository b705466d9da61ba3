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
NOTEBOOK = ROOT / "notebooks" / "cohen.ipynb"


def test_notebook_is_committed_without_outputs_and_paths():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
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
    record = {"seed": 4711, "environment": {"device": "cpu", "packages": {"torch": "9.8.7"}}}
    paths = certificates(tmp_path, record=record)
    base = str(tmp_path / "cohen")
    assert main(["table", "cohen", "--out", base, *paths]) == 0
    assert main(["figure", "cohen", "--out", base, *paths]) == 0
    done = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        NOTEBOOK,
        done,
        parameters={
            "preset": "smoke",
            "certificates": paths,
            "table": f"{base}.csv",
            "figure": f"{base}.png",
            "records": [str(tmp_path / "absent.json")],
        },
        cwd=str(ROOT),
        kernel_name="python3",
        progress_bar=False,
    )
    exporter = nbconvert.HTMLExporter(exclude_input=True)
    page, _ = exporter.from_filename(str(done))
    body = page[page.index("<body") :]
    markdown = (tmp_path / "cohen.md").read_text()
    acr = re.findall(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", markdown)
    assert len(acr) == 4
    for text in [
        *acr,
        "different data",
        "4711",
        "9.8.7",
        "gaussian-0.50",
        "0:00:20",
        "absent.json",
    ]:
        assert text in body
    assert "data:image/png;base64" in body
    assert "read_runs" not in body
