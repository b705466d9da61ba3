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
NUMBER = re.compile(r"\d+(?:\.\d+)?")
# A page is one program: its Python shares names, its shell the folder. Marks part the outputs.
PROGRAM = """
import subprocess, sys
for kind, block in {blocks!r}:
    if kind == "python":
        exec(compile(block, {name!r}, "exec"), globals())
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], check=True)
    print({mark!r}, flush=True)
"""
MARK = "-- end of block --"


def blocks(page: Path) -> list[tuple[str, str, str | None]]:
    """(python or sh, the block, what it prints or None)."""
    found: list[tuple[str, str, str | None]] = []
    for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind != "text":
            found.append((kind, block, None))
        else:
            found[-1] = (*found[-1][:2], block)
    return found


def same(shown: str, printed: str) -> bool:
    """Whether a line is what a page shows: the words exactly, numbers nearly."""
    pattern = NUMBER.sub("#", shown).split("...")
    near = 5.0 if "%" in shown or "points" in shown else 0.05
    if not re.fullmatch(".*".join(map(re.escape, pattern)), NUMBER.sub("#", printed)):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict="..." not in shown)
    return "..." in shown or all(abs(float(a) - float(b)) <= near for a, b in pairs)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(REPOSITORY))
)
def test_a_page_runs_and_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path / "checkout")
    shown = blocks(page)
    program = PROGRAM.format(blocks=[b[:2] for b in shown], name=page.name, mark=MARK)
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
    for (_, block, expected), printed in zip(shown, done.stdout.split(f"{MARK}\n"), strict=False):
        if expected is None:
            continue
        lines = printed.splitlines()
        wanted = expected.splitlines()
        if "..." in wanted:  # lines left out
            at = wanted.index("...")
            rest = len(wanted) - at - 1
            wanted, lines = wanted[:at] + wanted[at + 1 :], lines[:at] + lines[len(lines) - rest :]
        assert len(wanted) == len(lines), f"{block}\nprints\n{printed}"
        for a, b in zip(wanted, lines, strict=True):
            assert same(a, b), f"{page.name} shows\n{a}\nand it prints\n{b}"
