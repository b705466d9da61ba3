"""HTML is made by the templates in ``templates/`` and nowhere else. Text is escaped in them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup


@cache
def environment() -> Environment:
    return Environment(
        loader=PackageLoader("smoothcert.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """A template of the folder with its values."""
    return environment().get_template(template).render(values)


def part(name: str, *values: Any) -> Markup:
    """A macro of parts.html with its arguments."""
    macro = getattr(environment().get_template("parts.html").module, name)
    return Markup(macro(*values))
