"""PNG pictures on a page: their size there, what they show in words, and a lighter copy."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from smoothcert.core.errors import SmoothcertError


def size(path: Path) -> tuple[int, int]:
    """Width and height on a page: figures have twice the pixels of a screen of the paper's size.

    Raises SmoothcertError for a file that is no picture.
    """
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return picture.width // 2, picture.height // 2
    except UnidentifiedImageError:
        raise SmoothcertError(f"{path}: not a PNG image") from None


def title(path: Path) -> str:
    """What style.save was told that it shows; else its name."""
    with Image.open(path) as picture:
        return str(picture.info.get("Title", path.stem))


def uri(path: Path) -> str:
    """The picture as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def lighter(path: Path) -> bytes:
    """A picture with 256 colours: a third of the size, and charts look the same."""
    out = io.BytesIO()
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(out, "PNG", optimize=True)
    return min(out.getvalue(), path.read_bytes(), key=len)
