"""What the README, the tutorial and the how-to pages show runs as it stands there.

The fenced ``python`` and ``sh`` blocks of a page run in order, in a folder that holds the workflow
and nothing else. A ``text`` block after one is what it prints: ``...`` stands for anything, and a
number for one near it, for networks differ between processors.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, copy_workflow

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.M | re.S)
NUMBER = r"\d+(?:\.\d+)?"
# A page is one program: its Python shares names, its shell the folder. Marks part the outputs.
PROGRAM = """
import subprocess, sys
for kind, block in {blocks!r}:
    if kind == "python":
        exec(compile(block, {name!r}, "exec"), globals())
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], check=True)
    print({mark!r}, end='', flush=True)
"""
MARK = "-- end of block --\n"


def blocks(page: Path) -> list[tuple[str, str, str | None]]:
    """(python or sh, the block, what it prints or None)."""
    found: list[tuple[str, str, str | None]] = []
    for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind != "text":
            found.append((kind, block, None))
        else:
            found[-1] = (*found[-1][:2], block)
    return found


def check(shown: str, printed: str) -> None:
    """Assert that what was printed is what the page shows."""
    pieces = re.split(rf"(\.\.\.|{NUMBER})", shown)
    special = {"...": "(?s:.*)"}
    pattern = "".join(
        special.get(p, f"({NUMBER})" if re.fullmatch(NUMBER, p) else re.escape(p)) for p in pieces
    )
    found = re.fullmatch(pattern, printed)
    assert found, f"the page shows\n{shown}\nand it prints\n{printed}"
    numbers = iter(found.groups())
    for line in shown.splitlines():
        near = 5.0 if "%" in line or "points" in line else 0.05
        for number in re.findall(NUMBER, line):
            assert float(next(numbers)) == pytest.approx(float(number), abs=near), line


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(REPOSITORY))
)
def test_a_page_runs_and_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path / "checkout")
    found = blocks(page)
    program = PROGRAM.format(blocks=[b[:2] for b in found], name=page.name, mark=MARK)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src"),
             "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    *outputs, rest = done.stdout.split(MARK)
    assert len(outputs) == len(found), rest
    for (_, _, shown), printed in zip(found, outputs, strict=True):
        if shown is not None:
            check(shown, printed)
