"""The IDX format of MNIST and its relatives: a header and unsigned bytes, perhaps compressed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.storage import read_bytes


def content(path: Path, expected: str = "") -> bytes:
    """The decompressed bytes of a file, ``.gz`` or not; ``expected`` ends the words on a
    truncated one. Raises SmoothcertError that names the file."""
    data = read_bytes(path)
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except EOFError:
        raise SmoothcertError(
            f"{path}: truncated: its {len(data)} bytes end before the gzip stream does{expected}"
        ) from None
    except (OSError, zlib.error) as error:
        raise SmoothcertError(f"{path}: not a complete gzip file: {error}") from None


def is_idx(path: Path) -> bool:
    """Whether a file's name says so: ``t10k-images-idx3-ubyte``, ``t10k-images.idx3-ubyte.gz``."""
    return path.name.removesuffix(".gz").endswith(("-ubyte", ".idx"))


def array(name: str | Path, data: bytes) -> NDArray[np.uint8]:
    """The bytes after an IDX header: magic 0x0800 + rank, then the sizes, big-endian.

    Raises SmoothcertError where the sizes are not those of the bytes.
    """
    rank = data[3] if len(data) > 3 else 0
    if data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * rank:
        raise SmoothcertError(f"{name}: not an IDX file of unsigned bytes")
    sizes = np.frombuffer(data, ">u4", count=rank, offset=4)
    if sizes.prod(dtype=np.int64) != len(data) - 4 - 4 * rank:
        raise SmoothcertError(
            f"{name}: not an IDX file of unsigned bytes: {len(data)} bytes for the sizes"
            f" {'x'.join(map(str, sizes))}"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)
