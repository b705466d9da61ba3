"""Pieces of the page: figures with their picture in them, tables that scroll by themselves."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path

import mistune

from smoothcert.core.errors import SmoothcertError

_MARKDOWN = mistune.create_markdown(plugins=["table"])
_BROAD = 720  # pixels of the screen
_PNG = b"\x89PNG\r\n\x1a\n"


def text(value: str) -> str:
    """As text of the page or in an attribute."""
    return html.escape(value, quote=True)


def section(key: str, title: str, parts: Sequence[str]) -> str:
    """A part of the page with its heading; ``parts`` are HTML."""
    inner = "\n".join(parts)
    return (
        f'<section id="{key}" aria-labelledby="{key}-title">'
        f'<h2 id="{key}-title">{text(title)}</h2>\n{inner}</section>'
    )


def figure(path: Path, caption: str) -> str:
    """A PNG inside the page; its words are caption and alternative text.

    Raises SmoothcertError for a file that is no PNG.
    """
    png = path.read_bytes()
    if not png.startswith(_PNG) or len(png) < 24:
        raise SmoothcertError(f"{path}: no PNG picture")
    # Drawn with twice the pixels of a screen of the paper's size.
    width, height = (int.from_bytes(png[i : i + 4], "big") // 2 for i in (16, 20))
    picture = f'<img src="{png_uri(path)}" alt="{text(caption)}" width="{width}" height="{height}">'
    if width > _BROAD:  # several panels: too small to read where it is made to fit a telephone
        picture = (
            f'<div class="broad" role="region" aria-label="{text(caption)}" tabindex="0">'
            f"{picture}</div>"
        )
    return f"<figure>{picture}<figcaption>{text(caption)}</figcaption></figure>"


def wide(label: str, table: str) -> str:
    """A table that scrolls sideways by itself, also by keyboard."""
    return f'<div class="wide" role="region" aria-label="{text(label)}" tabindex="0">{table}</div>'


def markdown_table(path: Path) -> str:
    """A file of tables/write.py: its heading, table and notes; or a bare Markdown table."""
    found = _MARKDOWN(path.read_text(encoding="utf-8"))
    assert isinstance(found, str)
    found = re.sub(r"<th(?=[ >])", '<th scope="col"', found)
    heading, mark, rest = found.partition("</h3>")
    title = html.unescape(re.sub(r"<[^>]+>", "", heading)).strip() if mark else path.stem
    before, end, notes = (rest if mark else found).partition("</table>")
    table = before.strip().replace("<table>", f"<table><caption>{text(title)}</caption>", 1) + end
    more = f"<details><summary>Notes</summary>{notes}</details>" if notes.strip() else ""
    return f"<h3>{text(title)}</h3>{wide(title, table)}{more}"


def grid(caption: str, heads: Sequence[str], body: str, kind: str = "") -> str:
    """A table of rows that are HTML already. Its roles are said, for ``stacked`` is drawn as
    blocks on a narrow screen, by which browsers would take it for no table."""
    head = "".join(f'<th scope="col" role="columnheader">{text(h)}</th>' for h in heads)
    table = (
        f'<table class="{kind}" role="table"><caption>{text(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )
    return wide(caption, table)


def badge(verdict: str, tone: str) -> str:
    """A verdict, by its word and, for who sees it, its colour."""
    return f'<span class="verdict {tone}">{text(verdict)}</span>'


def link(path: str, words: str | None = None) -> str:
    return f'<a href="{text(path)}">{text(words or path)}</a>'


def png_uri(path: Path) -> str:
    """The picture as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(lighter(path)).decode()}"


def lighter(path: Path) -> bytes:
    """A picture with 256 colours: a third of the size, and charts look the same."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(out, "PNG", optimize=True)
    return min(out.getvalue(), path.read_bytes(), key=len)
