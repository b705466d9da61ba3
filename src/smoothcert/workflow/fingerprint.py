"""A fingerprint of the code that decides a job's result, definition by definition.

It goes into the job's specification, so that Snakemake redoes a job exactly when code that the
job runs has changed (Snakemake itself looks only at the command's text). It is read statically
from the source. Each module is cut into definitions: functions, classes, methods, assignments.
From the job's entry points on, a definition counts

- when code that counts refers to its name, through imports and re-exports;
- as a method of a class that counts, when code that counts uses an attribute of its name (on
  ``self``: in a class of which an object may be both), or when something outside could call it:
  double underscores, an unknown decorator, a class with a base from outside (a torch module);
- as a member of a family (``@NOISES.member("gaussian")``), when the job chooses it;
- as a statement with an effect (``register(...)``), when the module is imported at all.

Beside them count what names from outside stand for (``np`` is numpy) and the data files and
modules that code names in a text of its own. Too much counts rather than too little, but what is reached by a computed name (getattr,
importlib) has to be an entry point. Comments, docstrings, annotations of functions and formatting
do not count; the value is the same on every Python version.

A start of Snakemake asks for hundreds of fingerprints, so what a version of a file says, and the
values for a version of the tree, are kept in the user's cache folder. Standard library only.
"""

from __future__ import annotations

import ast
import atexit
import hashlib
import io
import json
import os
import sys
import tokenize
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

# Modules that say how something is written or reported and can change no result.
NEUTRAL = frozenset(
    {"smoothcert", "smoothcert.core.errors", "smoothcert.core.files", "smoothcert.core.provenance"}
)

# Bases from outside that call no method of a class by its name, but for those in _CALLED.
_PLAIN = frozenset(
    "object ABC Protocol Generic NamedTuple Enum StrEnum IntEnum BaseModel Exception ValueError".split()
)
# Decorators that leave a method to be called by its name.
_ORDINARY = frozenset(
    "property cached_property staticmethod classmethod abstractmethod override cache lru_cache"
    " contextmanager overload setter".split()
)
# Called by their names from outside: pydantic's, and those of file-like objects.
_CALLED = frozenset("model_post_init read write close flush seek tell".split())


@dataclass
class Definition:
    """One function, method, class (without its methods), assignment or other statement."""

    text: str  # its digest
    names: list[str] = field(default_factory=list)  # dotted names that start outside of it
    attributes: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)  # attributes of ``self``
    owner: int | None = None  # of a method: its class
    files: list[str] = field(default_factory=list)  # text that may name a data file or a module
    methods: dict[str, list[int]] = field(default_factory=dict)  # of a class
    always: list[int] = field(default_factory=list)  # of these, called from outside
    bases: list[str] | None = None  # of a class; "?" for one that is no name


@dataclass
class Module:
    """What one version of a file defines."""

    definitions: list[Definition] = field(default_factory=list)
    bound: dict[str, list[int]] = field(default_factory=dict)  # names at the top
    effects: list[int] = field(default_factory=list)  # statements that do something when imported
    # local name -> (level, module, name) of ``from module import name``, name "" for a module
    imports: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    loads: list[tuple[int, str, str]] = field(default_factory=list)  # imported at the top
    members: dict[str, list[int]] = field(default_factory=dict)  # registered in a family


Place = tuple[str, int]  # a definition: its module, and which


class Source:
    """The modules under ``src`` as they are now; a new one for each version of the tree.

    ``cache``: a folder, by default ``smoothcert`` in $XDG_CACHE_HOME; nothing but the time
    depends on it.
    """

    def __init__(
        self, src: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
    ) -> None:
        self.root = Path(src)
        self._texts: dict[str, tuple[str, bytes]] = {}  # module -> digest, text
        self._packages: set[str] = set()
        self._data: dict[str, list[Path]] = {}  # name of a file or of its folder -> files
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if not f.startswith((".", "__pycache__")))
            self._list(Path(folder), sorted(names))
        self._cache = _Cache(self.root, cache)
        self._modules: dict[str, Module] = {}
        self._values: dict[str, str] | None = None
        self._bases: dict[Place, dict[str, list[Place]]] = {}
        self._above: dict[Place, frozenset[Place]] = {}

    def _list(self, folder: Path, names: Sequence[str]) -> None:
        dotted = ".".join(folder.relative_to(self.root).parts)
        for name in names:
            path = folder / name
            if not name.endswith(".py"):
                for key in (name, folder.name):
                    self._data.setdefault(key, []).append(path)
                continue
            module = ".".join(filter(None, [dotted, name[:-3]]))
            if name == "__init__.py":
                module = dotted
                self._packages.add(module)
            text = path.read_bytes()
            self._texts[module] = hashlib.sha256(text).hexdigest(), text

    def __contains__(self, module: str) -> bool:
        return module in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def module(self, name: str) -> Module:
        """What the module of a dotted name defines."""
        if name not in self._modules:
            digest, text = self._texts[name]
            self._modules[name] = self._cache.module(digest, text)
        return self._modules[name]

    def origin(self, module: str, level: int, target: str) -> str:
        """The full name of what ``from {level dots}target import ...`` means in a module."""
        if not level:
            return target
        package = module.split(".") if module in self._packages else module.split(".")[:-1]
        base = package[: len(package) - level + 1]
        return ".".join([*base, *filter(None, [target])])

    def data(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The data files that text may name, by their own or their folder's name; their digests."""
        for path in sorted({path for name in names for path in self._data.get(name, ())}):
            text = hashlib.sha256(path.read_bytes()).hexdigest()
            yield path.relative_to(self.root).as_posix(), text

    @cached_property
    def digest(self) -> str:
        """Of the whole tree."""
        whole = hashlib.sha256()
        for name, (digest, _) in sorted(self._texts.items()):
            whole.update(f"{name} {digest}\n".encode())
        for path, digest in self.data(self._data):
            whole.update(f"{path} {digest}\n".encode())
        return whole.hexdigest()

    def fingerprint(
        self,
        entries: str | Iterable[str],
        parts: Collection[str] = (),
        without: Collection[str] = (),
    ) -> str:
        """16 hexadecimal digits that change when code that the job runs changes.

        ``entries``: "package.module:function", ":Class.method", or a whole "package.module".
        ``parts``: the members of families that the job chooses, as ``noise.gaussian`` (package
        and member); names that no member has are ignored. ``without``: definitions that the job
        does not run, whatever refers to them. Raises LookupError for an entry point, or one of
        ``without``, that is not there.
        """
        starts = [entries] if isinstance(entries, str) else sorted(entries)
        key = json.dumps([starts, sorted(parts), sorted(without)])
        if self._values is None:
            self._values = self._cache.values(self.digest)
        if key not in self._values:
            self._values[key] = self.reach(starts, parts, without).digest()
        return self._values[key]

    def definition(self, place: Place) -> Definition:
        """What stands at a place."""
        return self.module(place[0]).definitions[place[1]]

    def bases(self, place: Place) -> dict[str, list[Place]]:
        """The bases of a class by their name in its module; none for one from outside."""
        if place not in self._bases:
            found = {
                name: [
                    at
                    for at in (Reach(self).places(place[0], name) if name != "?" else ())
                    if self.definition(at).bases is not None
                ]
                for name in self.definition(place).bases or ()
            }
            self._bases[place] = found
        return self._bases[place]

    def above(self, place: Place) -> frozenset[Place]:
        """The classes under src that a class derives from."""
        if place not in self._above:
            self._above[place] = frozenset()  # a class above itself is a mistake, not a loop
            near = {at for found in self.bases(place).values() for at in found}
            self._above[place] = frozenset(near.union(*map(self.above, near)))
        return self._above[place]

    def called_from_outside(self, place: Place) -> bool:
        """Whether a base of a class, or of one above it, comes from outside and calls methods."""
        return any(
            not found and name.rpartition(".")[2] not in _PLAIN
            for one in (place, *self.above(place))
            for name, found in self.bases(one).items()
        )

    def reach(
        self, entries: Iterable[str], parts: Collection[str] = (), without: Collection[str] = ()
    ) -> Reach:
        """All that counts; arguments as for :meth:`fingerprint`."""
        reach = Reach(self)
        for entry in without:
            module, _, name = entry.partition(":")
            if not name or not (places := Reach(self).places(module, name)):
                raise LookupError(f"no {entry} under {self.root}")
            reach.leave(places)
        for entry in entries:
            reach.enter(entry)
        for part in sorted(parts):
            reach.choose(part)
        reach.complete()
        return reach


class Reach:
    """The definitions that count from some entry points on."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._without: set[Place] = set()
        self.reached: dict[str, set[int]] = {}
        self.outside: set[tuple[str, str]] = set()  # names, and what they are outside of src
        self._files: set[str] = set()
        self._attributes: set[str] = set(_CALLED)
        self._waiting: dict[str, list[Place]] = {}  # methods by name
        self._own: dict[Place, set[str]] = {}  # attributes used on ``self``, by class
        self._kin: dict[Place, set[Place]] = {}  # classes of which an object may be both
        self._loaded: set[str] = set()
        self._todo: list[Place] = []

    def names(self) -> dict[str, set[str]]:
        """The names that count, by module: for tests and curious people."""
        result: dict[str, set[str]] = {}
        for name, indices in self.reached.items():
            module = self.source.module(name)
            found = {n for n, where in module.bound.items() if indices & set(where)}
            for owner, where in module.bound.items():
                for one in where:
                    methods = module.definitions[one].methods
                    found |= {f"{owner}.{m}" for m, at in methods.items() if indices & set(at)}
            result[name] = found
        return result

    def digest(self) -> str:
        """Of the texts of all that counts, of names from outside and of data files."""
        digest = hashlib.sha256()
        for name in sorted(self.reached):
            module = self.source.module(name)
            effects = [i for i in module.effects if i in self.reached[name]]
            rest = self.reached[name] - set(effects)
            texts = [module.definitions[i].text for i in effects]
            texts += sorted(module.definitions[i].text for i in rest)
            digest.update("\n".join([name, *texts, ""]).encode())
        for pair in [*sorted(self.outside), *self.source.data(self._files)]:
            digest.update(f"{' '.join(pair)}\n".encode())
        return digest.hexdigest()[:16]

    def leave(self, places: Iterable[Place]) -> None:
        """Definitions that do not count."""
        self._without.update(places)

    def enter(self, entry: str) -> None:
        """An entry point."""
        module, _, name = entry.partition(":")
        if module not in self.source:
            raise LookupError(f"no module {module} under {self.source.root}")
        if not name:
            self._whole(module)
            return
        name, *attributes = name.split(".")
        before = len(self._todo), len(self.outside)
        self._find(module, [name])
        if (len(self._todo), len(self.outside)) == before and not self._has(module, name):
            raise LookupError(f"no {entry} under {self.source.root}")
        for attribute in attributes:
            self._use(attribute)

    def _has(self, module: str, name: str) -> bool:
        return name in self.source.module(module).bound

    def choose(self, part: str) -> None:
        """The members of a name, such as ``noise.gaussian``."""
        family, _, member = part.partition(".")
        for name in self.source:
            if f".{family}." in f".{name}." and member in self.source.module(name).members:
                for index in self.source.module(name).members[member]:
                    self._add(name, index)

    def complete(self) -> None:
        """Follow all that what counts refers to."""
        while self._todo:
            name, index = self._todo.pop()
            one = self.source.module(name).definitions[index]
            for dotted in one.names:
                self._find(name, dotted.split("."))
            self._files.update(one.files)
            for text in one.files:  # a module or its function, imported by its name
                if "." in text and text.partition(":")[0] in self.source:
                    self.enter(text)
            for attribute in one.attributes if one.owner is not None else one.attributes + one.own:
                self._use(attribute)
            if one.owner is not None:
                self._use_on_self((name, one.owner), one.own)
            if one.bases is not None:
                self._relate((name, index))
                always = set(one.always)
                if self.source.called_from_outside((name, index)):
                    always.update(i for where in one.methods.values() for i in where)
                for i in always:
                    self._add(name, i)
                for method, where in one.methods.items():
                    for i in where:
                        if method in self._attributes:
                            self._add(name, i)
                        else:
                            self._waiting.setdefault(method, []).append((name, i))

    def _use(self, attribute: str) -> None:
        if attribute not in self._attributes:
            self._attributes.add(attribute)
            for name, index in self._waiting.pop(attribute, ()):
                self._add(name, index)

    def _use_on_self(self, place: Place, attributes: Iterable[str]) -> None:
        new = set(attributes) - self._own.setdefault(place, set())
        self._own[place] |= new
        for kin in self._kin.get(place, ()):
            self._methods(kin, new)

    def _relate(self, place: Place) -> None:
        """A class counts: an object of it is one of every class above, too."""
        family = {place, *self.source.above(place)}
        for one in family:
            new = family - self._kin.setdefault(one, set())
            self._kin[one] |= new
            for kin in new:
                self._methods(kin, self._own.get(one, ()))

    def _methods(self, place: Place, names: Iterable[str]) -> None:
        methods = self.source.definition(place).methods
        for method in names:
            for index in methods.get(method, ()):
                self._add(place[0], index)

    def _add(self, name: str, index: int) -> None:
        if name in NEUTRAL or (name, index) in self._without:
            return
        seen = self.reached.setdefault(name, set())
        if index not in seen:
            seen.add(index)
            self._todo.append((name, index))
            self._load(name)

    def _load(self, name: str) -> None:
        """A module is imported: its effects count, and those of what it imports at the top."""
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self._loaded or name not in self.source:
                continue
            self._loaded.add(name)
            if name in NEUTRAL:
                continue
            module = self.source.module(name)
            for index in module.effects:
                self._add(name, index)
            if "." in name:
                waiting.append(name.rpartition(".")[0])
            for level, target, what in module.loads:
                origin = self.source.origin(name, level, target)
                waiting += [origin, f"{origin}.{what}"]

    def _whole(self, name: str) -> None:
        for index in range(len(self.source.module(name).definitions)):
            self._add(name, index)

    def _find(self, name: str, dotted: list[str]) -> bool:
        """What a dotted name means in a module; False if the module has no such name."""
        module = self.source.module(name)
        first, *rest = dotted
        found = False
        for index in module.bound.get(first, ()):
            self._add(name, index)
            found = True
        for level, target, what in module.imports.get(first, ()):
            found = True
            origin = self.source.origin(name, level, target)
            if not what:  # ``import a.b`` binds a, ``import a.b as c`` binds a.b
                self._inside(origin, rest, first)
            elif f"{origin}.{what}" in self.source:
                self._inside(f"{origin}.{what}", rest, first)
            else:
                self._inside(origin, [what, *rest], first)
        for level, target, _ in module.imports.get("*", ()) if not found else ():
            origin = self.source.origin(name, level, target)
            found = found or (origin in self.source and self._find(origin, dotted))
        return found

    def _inside(self, name: str, rest: list[str], alias: str) -> None:
        """The attribute ``rest`` of a module."""
        while rest and f"{name}.{rest[0]}" in self.source:
            name, rest = f"{name}.{rest[0]}", rest[1:]
        if name not in self.source:
            self.outside.add((alias, ".".join([name, *rest[:1]])))
        elif name in NEUTRAL:
            return
        elif not rest:
            self._load(name)
            self._whole(name)
        else:
            self._load(name)
            self._find(name, rest)

    def places(self, name: str, dotted: str) -> list[Place]:
        """The definitions that a dotted name means in a module."""
        self._find(name, dotted.split("."))
        return list(self._todo)


# --- From the text of a module to its definitions ---------------------------------------------


def read_module(text: str) -> Module:
    """The definitions of a module's source."""
    return _Reader(text).module


class _Reader:
    def __init__(self, text: str) -> None:
        self.module = Module()
        self._lines = list(_logical_lines(text))
        for node in ast.parse(text).body:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, top=True)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            for other in node.orelse:
                self._statement(other)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            index = self._define(node)
            self.module.bound.setdefault(node.name, []).append(index)
            self._decorated(node, index)
        elif isinstance(node, ast.ClassDef):
            index = self._class(node)
            self.module.bound.setdefault(node.name, []).append(index)
            self._decorated(node, index)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        else:
            self._other(node)

    def _other(self, node: ast.stmt) -> None:
        """An assignment, or another statement that may do something."""
        names = sorted(_bound([node]))
        if names == ["__all__"]:
            return
        index = self._define(node)
        for name in names:
            self.module.bound.setdefault(name, []).append(index)
        if not _only_binds(node):
            self.module.effects.append(index)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                self._import(inner, top=True)

    def _decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, index: int) -> None:
        for decorator in node.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not isinstance(call, ast.Attribute):
                continue
            if call.attr == "register":
                self.module.effects.append(index)
            first = decorator.args[0] if isinstance(decorator, ast.Call) and decorator.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self.module.members.setdefault(first.value, []).append(index)

    def _class(self, node: ast.ClassDef) -> int:
        methods = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        rest = [n for n in node.body if n not in methods]
        uses = _Uses(_bound(node.body))
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            uses.visit(part)
        for statement in rest:
            if isinstance(statement, ast.AnnAssign):  # pydantic and dataclasses read it
                uses.visit(statement.annotation)
            uses.visit(statement)
        index = self._add(self._text(node, without=methods), uses)
        one = self.module.definitions[index]
        one.bases = [_dotted(_unsubscripted(base)) or "?" for base in node.bases]
        for method in methods:
            at = self._define(method)
            self.module.definitions[at].owner = index
            one.methods.setdefault(method.name, []).append(at)
            ordinary = all(_last(d) in _ORDINARY for d in method.decorator_list)
            if not ordinary or (method.name.startswith("__") and method.name.endswith("__")):
                one.always.append(at)
        return index

    def _define(self, node: ast.stmt) -> int:
        """A definition of its own."""
        uses = _Uses(())
        uses.visit(node)
        for child in ast.walk(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                self._import(child, top=False)
        return self._add(self._text(node), uses)

    def _add(self, text: str, uses: _Uses) -> int:
        parts = (uses.names, uses.attributes, uses.own)
        one = Definition(text, *map(sorted, parts), files=sorted(uses.files))
        self.module.definitions.append(one)
        return len(self.module.definitions) - 1

    def _import(self, node: ast.Import | ast.ImportFrom, top: bool) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                target = (0, alias.name if alias.asname else name, "")
                load = (0, alias.name, "")
            else:
                name = "*" if alias.name == "*" else alias.asname or alias.name
                target = load = (node.level, node.module or "", alias.name)
            where = self.module.imports.setdefault(name, [])
            if target not in where:
                where.append(target)
            if top and load not in self.module.loads:
                self.module.loads.append(load)

    def _text(self, node: ast.stmt, without: Sequence[ast.stmt] = ()) -> str:
        """The digest of a node's logical lines."""
        skipped = [_rows(n) for n in without]
        start, end = _rows(node)
        lines = [
            (depth, text)
            for row, depth, text in self._lines
            if start <= row <= end and not any(a <= row <= b for a, b in skipped)
        ]
        base = lines[0][0] if lines else 0
        joined = "\n".join(f"{depth - base} {text}" for depth, text in lines)
        return hashlib.sha256(joined.encode()).hexdigest()[:20]


class _Uses(ast.NodeVisitor):
    """The names from outside, the attributes and the texts that a piece of code uses."""

    def __init__(self, bound: Collection[str]) -> None:
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.own: set[str] = set()
        self.files: set[str] = set()
        self._scopes: list[Collection[str]] = [bound]

    def visit_Name(self, node: ast.Name) -> None:
        self._name(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = _dotted(node)
        if dotted is None:
            self.attributes.add(node.attr)
            self.visit(node.value)
            return
        first, *rest = dotted.split(".")
        if first in ("self", "cls"):
            self.own.add(rest.pop(0))
        self.attributes.update(rest)
        self._name(dotted)

    def _name(self, dotted: str) -> None:
        first = dotted.partition(".")[0]
        if not any(first in scope for scope in self._scopes):
            self.names.add(dotted)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and 2 < len(node.value) < 60 and "\n" not in node.value:
            self.files.add(node.value.rpartition("/")[2])

    def visit_Call(self, node: ast.Call) -> None:
        name = _last(node.func)
        if name in ("getattr", "hasattr", "setattr", "attrgetter", "methodcaller"):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    self.attributes.update(argument.value.split("."))
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        for outer in (*node.decorator_list, *defaults):
            self.visit(outer)
        self._inner(node.body, _arguments(node.args) | _bound(node.body))

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for outer in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outer)
        self._inner([node.body], _arguments(node.args))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for outer in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outer)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self.visit(statement.annotation)
        self._inner(node.body, ())

    def _comprehension(self, node: Any) -> None:
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self._inner(list(ast.iter_child_nodes(node)), targets)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _inner(self, body: Iterable[ast.AST], bound: Collection[str]) -> None:
        self._scopes.append(bound)
        for node in body:
            self.visit(node)
        self._scopes.pop()


def _bound(body: Iterable[ast.AST]) -> set[str]:
    """The names that statements bind, but for imports, not looking into definitions in them."""
    names: set[str] = set()
    outer: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        if isinstance(node, ast.Global | ast.Nonlocal):
            outer.update(node.names)
        waiting += ast.iter_child_nodes(node)
    return names - outer


def _arguments(args: ast.arguments) -> set[str]:
    several = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return {a.arg for a in (*several, args.vararg, args.kwarg) if a is not None}


def _only_binds(node: ast.stmt) -> bool:
    """True for a statement that gives names a value and does nothing else."""
    if isinstance(node, ast.Assign):
        return all(isinstance(n, ast.Name | ast.Tuple | ast.List) for n in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name)
    if isinstance(node, ast.If | ast.Try):
        inner = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]
        inner += [n for h in getattr(node, "handlers", ()) for n in h.body]
        return all(
            isinstance(n, ast.Import | ast.ImportFrom | ast.Pass | ast.FunctionDef | ast.ClassDef)
            or _only_binds(n)
            for n in inner
        )
    return False


def _is_type_checking(test: ast.expr) -> bool:
    return _last(test) == "TYPE_CHECKING"


def _dotted(node: ast.expr) -> str | None:
    """``a.b.c`` of names and attributes; None for another expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value)
        return None if above is None else f"{above}.{node.attr}"
    return None


def _last(node: ast.expr) -> str:
    """The last name of a decorator, a function or a condition."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _unsubscripted(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) else node


def _rows(node: ast.stmt) -> tuple[int, int]:
    """First and last row, its decorators included."""
    above = [d.lineno for d in getattr(node, "decorator_list", ())]
    assert node.end_lineno is not None
    return min([node.lineno, *above]), node.end_lineno


_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_KEYWORDS = frozenset("in not and or is if else return yield assert lambda for await print".split())


def _logical_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """First row, depth and text of each logical line: without comments, layout and strings that
    stand alone (docstrings), and without commas that a formatter adds before a bracket."""
    rows = text.splitlines(keepends=True)
    depth, start, words = 0, 0, [""][:0]
    only_strings, nested, opened = True, 0, (0, 0)
    f_start, f_end = (getattr(tokenize, f"FSTRING_{k}", -1) for k in ("START", "END"))
    brackets: list[tuple[bool, int]] = []  # of a call or definition?, commas so far
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind, word = token.type, token.string
        if kind == f_start:
            opened = opened if nested else token.start
            nested += 1
            continue
        if nested:
            nested -= kind == f_end
            if nested or kind != f_end:
                continue
            kind, word = tokenize.STRING, _slice(rows, opened, token.end)
            start = start or opened[0]
            only_strings = False
        if kind == tokenize.INDENT:
            depth += 1
        elif kind == tokenize.DEDENT:
            depth -= 1
        elif kind == tokenize.NEWLINE:
            if words and not only_strings:
                yield start, depth, " ".join(words)
            start, words, only_strings, brackets = 0, [], True, []
        elif kind not in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
            start = start or token.start[0]
            plain = kind == tokenize.STRING and "f" not in word[:2].lower().split(word[-1])[0]
            only_strings = only_strings and plain
            if word in _OPEN and kind == tokenize.OP:
                called = bool(words) and word == "(" and (
                    words[-1] in (")", "]") or (words[-1].isidentifier() and words[-1] not in _KEYWORDS)
                )
                brackets.append((called or word == "{", 0))
            elif word in _CLOSE and kind == tokenize.OP and brackets:
                called, commas = brackets.pop()
                if words[-1] == "," and (called or commas > 1):
                    words.pop()
            elif word == "," and brackets:
                brackets[-1] = brackets[-1][0], brackets[-1][1] + 1
            words.append(word)


def _slice(rows: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    lines = list(rows[start[0] - 1 : end[0]])
    lines[-1] = lines[-1][: end[1]]
    lines[0] = lines[0][start[1] :]
    return "".join(lines)


# --- The cache ----------------------------------------------------------------------------------


class _Cache:
    """What versions of files say, and fingerprints of versions of a tree, in two JSON files.

    They are named by this module's own text, so that another version of it reads none of them.
    """

    def __init__(self, root: Path, folder: str | os.PathLike[str] | None) -> None:
        above = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        me = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode())
        me.update(str(root.resolve()).encode())
        folder = Path(folder or Path(above, "smoothcert"))
        self._modules_path = folder / f"code-{me.hexdigest()[:16]}.json"
        self._values_path = folder / f"fingerprints-{me.hexdigest()[:16]}.json"
        self._modules: dict[str, Any] | None = None
        self._used: dict[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._sizes = (0, 0)
        atexit.register(self.save)

    def module(self, digest: str, text: bytes) -> Module:
        """What a file of this digest and text says."""
        if self._modules is None:
            self._modules = _load(self._modules_path)
        known = self._modules.get(digest)
        if known is None:
            module = read_module(text.decode("utf-8"))
            self._used[digest] = asdict(module)
            return module
        self._used[digest] = known
        definitions = [Definition(**one) for one in known["definitions"]]
        return Module(**{**known, "definitions": definitions})

    def values(self, tree: str) -> dict[str, str]:
        """The fingerprints of a tree; what is added is kept."""
        known = _load(self._values_path)
        values: dict[str, str] = known.get(tree, {})
        self._values = {tree: values}
        self._sizes = (len(values), 0)
        return values

    def save(self) -> None:
        """Keep what is new; a folder that cannot be written keeps nothing."""
        if set(self._used) - set(self._modules or ()):
            _store(self._modules_path, {**(self._modules or {}), **self._used})
        if sum(map(len, self._values.values())) > self._sizes[0]:
            _store(self._values_path, self._values)


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _store(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(value), encoding="utf-8")
        part.replace(path)
    except OSError:
        return
