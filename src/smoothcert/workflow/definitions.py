"""From the source of a module to its definitions, each with what it refers to."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

# Decorators that leave a method to be called by its name.
_ORDINARY = {"property", "cached_property", "staticmethod", "classmethod", "abstractmethod"}
_ORDINARY |= {"override", "cache", "lru_cache", "contextmanager", "overload", "setter"}


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

    def _decorated(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, index: int
    ) -> None:
        for decorator in node.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not isinstance(call, ast.Attribute):
                continue
            if call.attr == "register":
                self.module.effects.append(index)
            first = (
                decorator.args[0] if isinstance(decorator, ast.Call) and decorator.args else None
            )
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
        names, attributes, own = sorted(uses.names), sorted(uses.attributes), sorted(uses.own)
        one = Definition(text, names, attributes, own, files=sorted(uses.files))
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
        targets = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
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
        if isinstance(
            node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
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
_KEYWORDS = frozenset(
    [
        "in",
        "not",
        "and",
        "or",
        "is",
        "if",
        "else",
        "return",
        "yield",
        "assert",
        "lambda",
        "for",
        "await",
        "print",
    ]
)


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
                called = (
                    bool(words)
                    and word == "("
                    and (
                        words[-1] in (")", "]")
                        or (words[-1].isidentifier() and words[-1] not in _KEYWORDS)
                    )
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
