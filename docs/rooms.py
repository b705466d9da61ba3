"""The picture of the rooms in architecture.md, made from the imports of the code.

    python docs/rooms.py           # prints it, with files and lines of each room
    python docs/rooms.py --write   # puts it into docs/architecture.md

An arrow goes from a room to one that it imports, left out where a longer way leads there too.
"""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "smoothcert"
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- rooms: made by docs/rooms.py -->", "<!-- /rooms -->"


def rooms() -> list[str]:
    """The folders of the package."""
    return sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))


def imported(room: str) -> set[str]:
    """The other rooms that a room imports, at the top of a module or inside a function."""
    known = set(rooms())
    found: set[str] = set()
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smoothcert"):
                parts = (node.module or "").split(".")
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return (found & known) - {room}


def arrows() -> list[tuple[str, str]]:
    """The imports between rooms that no longer way of imports implies."""
    direct = {room: imported(room) for room in rooms()}
    reach: dict[str, set[str]] = {}
    for room in TopologicalSorter(direct).static_order():  # raises CycleError for a way back up
        reach[room] = direct[room].union(*(reach[below] for below in direct[room]))
    return [
        (room, below)
        for room in reversed(reach)
        for below in sorted(direct[room])
        if not any(below in reach[other] for other in direct[room] - {below})
    ]


def picture() -> str:
    """A Mermaid flow chart."""
    lines = [f"    {above} --> {below}" for above, below in arrows()]
    return "\n".join([START, "```mermaid", "flowchart TD", *lines, "```", END])


def with_picture(page: str) -> str:
    """The page with the picture as the code is now."""
    before, rest = page.split(START)
    return before + picture() + rest.split(END)[1]


def main() -> None:
    """Print, or write."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(with_picture(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    print(picture())
    for room in rooms():
        files = list((PACKAGE / room).rglob("*.py"))
        count = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
        print(f"{room:14}{len(files):4} files{count:7,} lines")


if __name__ == "__main__":
    main()
