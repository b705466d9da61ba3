"""What made a result: a fingerprint of the code it runs, and a record of the surroundings.

The fingerprint goes into a job's specification, so that Snakemake redoes a job exactly when
code that the job runs has changed (Snakemake itself looks only at the command's text). It is
read statically from the source: modules under ``src`` that a module imports, at the top or
inside a function, and what those import in turn. Standard library only, because every start
of Snakemake imports this module.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import platform
import subprocess
import sys
import tokenize
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Modules that say how something is written or reported and can change no result.
NEUTRAL = frozenset(
    {"smoothcert", "smoothcert.errors", "smoothcert.files", "smoothcert.provenance"}
)

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision")


def fingerprint(
    modules: str | Iterable[str],
    src: str | os.PathLike[str],
    parts: Collection[str] = (),
    without: Collection[str] = (),
) -> str:
    """16 hexadecimal digits that change when code in the closure of ``modules`` changes.

    Comments, docstrings and blank lines do not count, nor does the text of an ``__init__``
    that only imports. The value is the same on every Python version. Arguments and what is
    left out: :func:`import_closure`.
    """
    digest = hashlib.sha256()
    for name in import_closure(modules, src, parts, without):
        path = _path(name, Path(src))
        assert path is not None
        if not _only_imports(path):
            digest.update(f"{name}\n{normalized(path.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()[:16]


def import_closure(
    modules: str | Iterable[str],
    src: str | os.PathLike[str],
    parts: Collection[str] = (),
    without: Collection[str] = (),
) -> list[str]:
    """The modules under ``src`` that ``modules`` import, themselves included, in sorted order.

    Imports for type checking only are not followed; the modules in ``NEUTRAL`` and ``without``
    are left out. A module that registers members of a family (``@NOISES.member("gaussian")``) and
    is reached only through its package's ``__init__`` is kept when ``parts`` names one of its
    members as ``noise.gaussian`` (package and member): a job with Gaussian noise does not depend
    on the code of Laplace noise. Imports by a computed name (importlib) are not seen.

    Raises FileNotFoundError if ``src`` has no such module.
    """
    root = Path(src)
    waiting = [modules] if isinstance(modules, str) else list(modules)
    # Importing a.b.c runs a and a.b first. But the entry points' own packages hold the
    # dispatcher, on which no command's result depends.
    skipped = {*NEUTRAL, *without, *(above for name in waiting for above in _above(name))}
    skipped -= set(waiting)
    for name in waiting:
        if _path(name, root) is None:
            raise FileNotFoundError(f"no module {name} under {root}")
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        path = _path(name, root)
        if name in seen or name in skipped or path is None:
            continue
        seen.add(name)
        family = f"{name.rpartition('.')[2]}."
        chosen = {part.removeprefix(family) for part in parts if part.startswith(family)}
        for found in _imports(path, name, root):
            target = _path(found, root)
            if target is None:
                continue
            inside = path.name == "__init__.py" and found.startswith(f"{name}.")
            if inside and (members := _members(target)) and not members & chosen:
                continue
            waiting += [*_above(found), found]
    return sorted(seen)


def normalized(source: str) -> str:
    """``source`` without comments, docstrings, blank lines and trailing space."""
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    kept: set[int] = set()  # lines inside a string, where an empty line is data
    cuts: list[tuple[int, int, int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            cuts += [_span(node.body[0], lines)] if ast.get_docstring(node) is not None else []
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno is not None:
            kept.update(range(node.lineno, node.end_lineno))
    cuts += [
        (*token.start, *token.end)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for row, column, end_row, end_column in sorted(cuts, reverse=True):
        tail = lines[end_row - 1][end_column:]
        lines[row - 1] = lines[row - 1][:column] + tail
        for i in range(row, end_row):
            lines[i] = ""
        kept.difference_update(range(row, end_row))
    result = []
    for i, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n") if i in kept else line.rstrip()
        if text or i in kept:
            result.append(text)
    return "\n".join(result)


def record(device: str | None = None) -> dict[str, Any]:
    """What a result's sidecar says of its surroundings.

    Versions of Python and of the numerical packages, the git revision of the source with a
    flag for uncommitted changes (None outside a checkout), the platform, and ``device``
    (with the model of the GPU where it is one). Never fails for want of git.
    """
    return {
        "smoothcert": _version("smoothcert"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": dict(_git() or ()) or None,
        "platform": platform.platform(),
        "device": _device(device),
    }


def _above(name: str) -> list[str]:
    """The packages that hold a module, outermost first."""
    pieces = name.split(".")
    return [".".join(pieces[:i]) for i in range(1, len(pieces))]


def _path(name: str, src: Path) -> Path | None:
    base = src.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _tree(path: Path) -> ast.Module:
    stat = path.stat()
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@cache
def _parsed(path: Path, mtime: int, size: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path, name: str, src: Path) -> Iterator[str]:
    """Every dotted name that the file imports and that may be a module."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in _runtime(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # ``from package import name``: a submodule, or something its __init__ defines.
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                if _path(submodule, src):
                    yield submodule
                else:
                    yield origin
                    yield from _reexported(origin, alias.name, src)


def _reexported(package: str, name: str, src: Path) -> Iterator[str]:
    """The module from which the ``__init__`` of ``package`` takes ``name``, if it does."""
    path = _path(package, src)
    if path is not None and path.name == "__init__.py":
        for node in _tree(path).body:
            if isinstance(node, ast.ImportFrom) and name in {
                a.asname or a.name for a in node.names
            }:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                yield ".".join(
                    [*(up if node.level else []), *([node.module] if node.module else [])]
                )


def _runtime(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but the bodies of ``if TYPE_CHECKING``."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _runtime(child)


def _members(path: Path) -> set[str]:
    """The names that a module registers with ``@FAMILY.member("name")``."""
    return {
        call.args[0].value
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "member"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def _only_imports(path: Path) -> bool:
    """True for a file of imports, a docstring and ``__all__``: its text decides nothing."""
    for node in _tree(path).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            continue
        return False
    return True


def _span(node: ast.stmt, lines: list[str]) -> tuple[int, int, int, int]:
    """Start and end of a node as (row, column, row, column), columns in characters."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None

    def column(row: int, offset: int) -> int:
        return len(lines[row - 1].encode()[:offset].decode())

    start, end = node.lineno, node.end_lineno
    return start, column(start, node.col_offset), end, column(end, node.end_col_offset)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def _git() -> tuple[tuple[str, Any], ...] | None:
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        ).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository: it must be tracked there.
        git("ls-files", "--error-unmatch", here.name)
        dirty = git("status", "--porcelain", "--untracked-files=no", "--", ":/")
        return ("revision", git("rev-parse", "HEAD")), ("dirty", bool(dirty))
    except (OSError, subprocess.SubprocessError):
        return None


def _device(device: str | None) -> str | None:
    torch = sys.modules.get("torch")
    if device is None or torch is None or not str(device).startswith("cuda"):
        return None if device is None else str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"
