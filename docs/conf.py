"""The manual as a site: ``make docs`` builds it, with every warning an error."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from importlib import metadata
from inspect import isclass

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
exclude_patterns = ["results/*"]

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

    target = app.outdir / "results"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(app.srcdir / "results", target, copy_function=same)


def _docstring(
    app: Sphinx, what: str, name: str, member: object, options: object, lines: list[str]
) -> None:
    """A part says its name, norm and source; stars and bars in plain text are mathematics."""
    if isclass(member) and issubclass(member, Part) and hasattr(member, "name"):
        norm, source = getattr(member, "norm", None), getattr(member, "reference", None)
        about = {"Name": f"``{member.name}``", "Norm": norm, "Source": source}
        lines += ["", *(f":{key}: {text}" for key, text in about.items() if text), ""]
    plain = re.compile(r"(``.*?``|\*[A-Z][\w .]*\*)|([*|])")
    lines[:] = [plain.sub(lambda m: m[1] or "\\" + m[2], line) for line in lines]


def _signature(
    app: Sphinx, what: str, name: str, member: object, options: object, text: str, returns: str
) -> tuple[str, str] | None:
    """An array is written as in the code, and not as numpy defines it."""
    if text is None:
        return None
    array = re.compile(r"ndarray\[tuple\[Any, \.\.\.\], dtype\[(\w+)\]\]")
    written = [
        array.sub(lambda m: "NDArray" if m[1].startswith("_") else f"NDArray[{m[1]}]", part or "")
        for part in (text, returns)
    ]
    return written[0], written[1]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", _math(False), _math(True))
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("build-finished", _results)
