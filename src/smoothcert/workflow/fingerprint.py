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

Beside them count what names from outside stand for (``np`` is numpy), and the data files and
modules that code names in a text of its own. Too much counts rather than too little, but what is
reached by a computed name (getattr, importlib) has to be an entry point. Comments, docstrings,
annotations of functions and formatting do not count; the value is the same on every Python.

A start of Snakemake asks for hundreds of fingerprints, so what a version of a file says, and the
values for a version of the tree, are kept in the user's cache folder. Standard library only.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from smoothcert.workflow import definitions
from smoothcert.workflow.definitions import Definition, Module, read_module

# Modules that say how something is written or reported and can change no result.
NEUTRAL = frozenset(
    {"smoothcert", "smoothcert.core.errors", "smoothcert.core.files", "smoothcert.core.provenance"}
)

# Bases from outside that call no method of a class by its name, but for those in _CALLED.
_PLAIN = {"object", "ABC", "Protocol", "Generic", "NamedTuple", "Enum", "StrEnum", "BaseModel"}
_PLAIN |= {"Exception", "ValueError"}
# Called by their names from outside: pydantic's, and those of file-like objects.
_CALLED = {"model_post_init", "read", "write", "close", "flush", "seek", "tell"}


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
        self.save = self._cache.save
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


# --- The cache ----------------------------------------------------------------------------------


class _Cache:
    """What versions of files say, and fingerprints of versions of a tree, in two JSON files.

    They are named by the text that reads modules, so that another version of it reads none of them.
    """

    def __init__(self, root: Path, folder: str | os.PathLike[str] | None) -> None:
        above = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        me = hashlib.sha256(sys.version.encode())
        for text in (Path(__file__), Path(definitions.__file__)):
            me.update(text.read_bytes())
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
