"""The manual as a site: ``make docs`` builds it, with every warning an error."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from inspect import isclass
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from smoothcert.core.slugs import Part

logger = logging.getLogger(__name__)

project = "smoothcert"
author = copyright = "smoothcert contributors"
version = release = metadata.version("smoothcert")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["results/*/*", "results/words.md"]  # words.md is a part of README.md
suppress_warnings = ["myst.header"]  # the ledger starts below the heading of its page

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]  # as GitHub writes it
highlight_language = "text"

autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"smoothcert {version}"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_math_renderer = "mathml"


def _math(block: bool) -> tuple[Callable[[HTML5Translator, nodes.Element], None], None]:
    """TeX -> MathML, which browsers show by themselves: no script, nothing from elsewhere."""

    def visit(self: HTML5Translator, node: nodes.Element) -> None:
        try:
            self.body.append(tex2mathml(node.astext(), as_block=block))
        except MathError as error:
            logger.warning("math: %s", error, location=node)
        raise nodes.SkipNode

    return visit, None


def _results(app: Sphinx, error: Exception | None) -> None:
    """Put the shipped results into the site as they are; a link to each file is enough."""

    def same(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another disk
            shutil.copy2(source, target)

    for preset in filter(Path.is_dir, (app.srcdir / "results").iterdir()):
        target = app.outdir / "results" / preset.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(preset, target, copy_function=same)


def _folders(app: Sphinx, docname: str, source: list[str]) -> None:
    """A link to the folder of a preset leads to its page."""
    if docname.startswith("results/"):
        page = r'<a href="\2/index.html">\1</a>'
        source[0] = re.sub(r"\[([\w-]+)\]\(([\w-]+)\)", page, source[0])


def _is_member(found: object) -> bool:
    """Whether it is a noise, budget, ... and not what they have in common."""
    return isclass(found) and issubclass(found, Part) and hasattr(found, "name")


def _skip(
    app: Sphinx, what: str, name: str, found: Any, skipped: bool, options: object
) -> bool | None:
    """What a family answers is described once, at its base class."""
    function = getattr(found, "fget", found)
    owner = getattr(function, "__qualname__", "").rpartition(".")[0]
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    alias = what == "class" and isclass(found)
    return True if alias or _is_member(getattr(module, owner, None)) else None


def _docstring(
    app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]
) -> None:
    """A part says its name, norm and source; stars and bars in plain text are mathematics."""
    if _is_member(found):
        known = {"name": "name", "norm": "norm", "source": "reference"}
        about = {key: getattr(found, attribute, None) for key, attribute in known.items()}
        lines += ["", "; ".join(f"{key}: {text}" for key, text in about.items() if text), ""]
    plain = re.compile(r"(``.*?``|\*[A-Z][\w .]*\*)|([*|])")
    lines[:] = [plain.sub(lambda m: m[1] or "\\" + m[2], line) for line in lines]


def _signature(
    app: Sphinx, what: str, name: str, found: object, options: object, text: str, returns: str
) -> tuple[str, str] | None:
    """Arrays as the code writes them, and not as numpy defines them."""
    array = r"~?numpy\.ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[~?([\w.]+)\]\]"

    def short(part: str | None) -> str:
        part = re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", part or "")
        kind = re.compile(array)
        return kind.sub(
            lambda m: "NDArray" if "_typing" in m[1] else f"NDArray[{m[1].split('.')[-1]}]", part
        )

    return (short(text), short(returns)) if text else None


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", _math(False), _math(True))
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("source-read", _folders)
    app.connect("build-finished", _results)
