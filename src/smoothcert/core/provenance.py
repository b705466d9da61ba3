"""What made a result: a fingerprint of the code it runs, and a record of the surroundings.

The fingerprint goes into a job's specification, so that Snakemake redoes a job exactly when
code that the job runs has changed (Snakemake itself looks only at the command's text). It is
read statically from the source: modules under ``src`` that a module imports, at the top or
inside a function, and what those import in turn. Standard library only, because every start
of Snakemake imports this module; and each version of a file is parsed once a process, because
a start takes fingerprints by the hundred.
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
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

# Modules that say how something is written or reported and can change no result.
NEUTRAL = frozenset(
    {"smoothcert", "smoothcert.core.errors", "smoothcert.core.files", "smoothcert.core.provenance"}
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
    files = _Files(src)
    for name in _closure(modules, files, parts, without):
        file = files.of(name)
        assert file is not None
        if not file.only_imports:
            digest.update(f"{name}\n{file.normalized}\n".encode())
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
    return _closure(modules, _Files(src), parts, without)


def _closure(
    modules: str | Iterable[str], files: _Files, parts: Collection[str], without: Collection[str]
) -> list[str]:
    waiting = [modules] if isinstance(modules, str) else list(modules)
    waiting = [name.partition(":")[0] for name in waiting]
    # Importing a.b.c runs a and a.b first. But the entry points' own packages hold the
    # dispatcher, on which no command's result depends.
    skipped = {*NEUTRAL, *without, *(above for name in waiting for above in _above(name))}
    skipped -= set(waiting)
    for name in waiting:
        if files.of(name) is None:
            raise FileNotFoundError(f"no module {name} under {files.root}")
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name in skipped:
            continue
        file = files.of(name)
        if file is None:
            continue
        seen.add(name)
        family = f"{name.rpartition('.')[2]}."
        chosen = {part.removeprefix(family) for part in parts if part.startswith(family)}
        for found in _imported(file, name, files):
            target = files.of(found)
            if target is None:
                continue
            inside = file.package and found.startswith(f"{name}.")
            if inside and target.members and not target.members & chosen:
                continue
            waiting += [*_above(found), found]
    return sorted(seen)


def normalized(source: str) -> str:
    """``source`` without comments, docstrings, blank lines and trailing space."""
    return _normalized(source, ast.parse(source))


def _normalized(source: str, tree: ast.Module) -> str:
    lines = source.splitlines(keepends=True)
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


@dataclass(frozen=True)
class _Import:
    """An import of ``names``: from ``level`` packages up and ``module``, or (no level) plainly."""

    level: int | None
    module: str | None
    names: tuple[str, ...]

    def origin(self, package: Sequence[str]) -> str:
        """The full name of the module that names are taken from, in a file of ``package``."""
        base = package[: len(package) - self.level + 1] if self.level else ()
        return ".".join([*base, *([self.module] if self.module else [])])


@dataclass(frozen=True)
class _File:
    """What a fingerprint needs to know of one source file."""

    package: bool  # an __init__
    imports: tuple[_Import, ...]  # of all that runs
    exports: tuple[tuple[_Import, frozenset[str]], ...]  # at the top, with the names they define
    members: frozenset[str]  # that it registers with @FAMILY.member("name")
    only_imports: bool
    normalized: str


class _Files:
    """The modules under ``src`` as they are now; a new one for each question."""

    def __init__(self, src: str | os.PathLike[str]) -> None:
        self.root = Path(src)
        self._listed: dict[str, frozenset[str]] = {}
        self._found: dict[str, _File | None] = {}

    def of(self, name: str) -> _File | None:
        """The file of a module, None if there is none under ``src``."""
        if name not in self._found:
            path = self.path(name)
            self._found[name] = None if path is None else _read(path)
        return self._found[name]

    def path(self, name: str) -> str | None:
        """Where a module lies: its package's ``__init__``, or its own file."""
        *above, last = name.split(".")
        folder = "/".join([str(self.root), *above])
        if last in self._names(folder) and "__init__.py" in self._names(f"{folder}/{last}"):
            return f"{folder}/{last}/__init__.py"
        return f"{folder}/{last}.py" if f"{last}.py" in self._names(folder) else None

    def _names(self, folder: str) -> frozenset[str]:
        # Only of folders that are there: another module's name would be a look at the disk each.
        if folder not in self._listed:
            above, _, last = folder.rpartition("/")
            inside = folder == str(self.root) or last in self._names(above)
            found = Path(folder).iterdir() if inside and Path(folder).is_dir() else ()
            self._listed[folder] = frozenset(path.name for path in found)
        return self._listed[folder]


def _read(path: str) -> _File:
    stat = Path(path).stat()
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@cache
def _parsed(path: str, mtime: int, size: int) -> _File:
    source = Path(path).read_text(encoding="utf-8")
    tree = ast.parse(source, filename=path)
    top = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return _File(
        package=path.endswith("/__init__.py"),
        imports=tuple(
            _import(node)
            for node in _statements(tree, hints=False)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ),
        exports=tuple(
            (_import(node), frozenset(a.asname or a.name for a in node.names)) for node in top
        ),
        members=_members(tree),
        only_imports=_only_imports(tree),
        normalized=_normalized(source, tree),
    )


def _import(node: ast.Import | ast.ImportFrom) -> _Import:
    names = tuple(alias.name for alias in node.names)
    if isinstance(node, ast.Import):
        return _Import(None, None, names)
    return _Import(node.level, node.module, names)


def _imported(file: _File, name: str, files: _Files) -> Iterator[str]:
    """Every dotted name that the file imports and that may be a module."""
    package = name.split(".") if file.package else name.split(".")[:-1]
    for statement in file.imports:
        if statement.level is None:
            yield from statement.names
            continue
        # ``from package import name``: a submodule, or something its __init__ defines.
        origin = statement.origin(package)
        for imported in statement.names:
            submodule = f"{origin}.{imported}"
            if files.path(submodule):
                yield submodule
            else:
                yield origin
                yield from _reexported(origin, imported, files)


def _reexported(package: str, name: str, files: _Files) -> Iterator[str]:
    """The module from which the ``__init__`` of ``package`` takes ``name``, if it does."""
    file = files.of(package)
    if file is not None and file.package:
        for statement, defined in file.exports:
            if name in defined:
                yield statement.origin(package.split("."))


def _statements(node: ast.AST, hints: bool = True) -> Iterator[ast.AST]:
    """All statements in a tree; without ``hints`` not the bodies of ``if TYPE_CHECKING``."""
    if isinstance(node, ast.stmt):
        yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and not hints and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children = node.orelse
    for child in children:
        # An expression holds no statement.
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _statements(child, hints)


def _members(tree: ast.Module) -> frozenset[str]:
    """The names that a module registers with ``@FAMILY.member("name")``."""
    return frozenset(
        call.args[0].value
        for node in _statements(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "member"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    )


def _only_imports(tree: ast.Module) -> bool:
    """True for a file of imports, a docstring and ``__all__``: its text decides nothing."""
    for node in tree.body:
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
