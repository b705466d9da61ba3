"""The data directory: where files are looked for, how they are verified and fetched.

A data directory may be read-only. Nothing is written into it but downloads, each into a
temporary folder first and moved to its name when it is whole and verified.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smoothcert.compute.lazy import torchvision
from smoothcert.core.errors import SmoothcertError

_SECONDS = 30.0  # without an answer, a server counts as unreachable


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The argument, else ``SMOOTHCERT_DATA``, else ``smoothcert`` in the user's cache folder.

    The cache folder is ``XDG_CACHE_HOME`` or ``~/.cache``. The directory need not exist.
    """
    named = data_dir or os.environ.get("SMOOTHCERT_DATA")
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "smoothcert"


def find(folder: Path, candidates: Iterable[str]) -> Path | None:
    """The first of the relative paths ``candidates`` that is a file in ``folder``."""
    return next((path for name in candidates if (path := folder / name).is_file()), None)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; raises SmoothcertError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SmoothcertError(f"{path}: cannot be read: {error.strerror or error}") from None


def verify(where: str | Path, data: bytes, expected: str, kind: str = "sha256") -> None:
    """Raise SmoothcertError unless ``data`` has the digest ``expected``."""
    found = hashlib.new(kind, data, usedforsecurity=False).hexdigest()
    if found != expected:
        label = {"sha256": "SHA-256", "md5": "MD5"}[kind]
        raise SmoothcertError(
            f"{where}: wrong checksum: expected {label} {expected}, found {found} "
            f"({len(data)} bytes); remove the file or put the canonical one in its place"
        )


@contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """A temporary folder inside ``folder`` (made if need be); nothing of it stays behind."""
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=folder))
    except OSError as error:
        _remove_empty(made)
        raise SmoothcertError(
            f"{folder}: cannot download {name} into it: {error.strerror or error}"
        ) from None
    try:
        yield temporary
    except OSError as error:
        raise SmoothcertError(f"{folder}: {name}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def download(name: str, urls: Iterable[str], md5: str | None, folder: Path) -> Path:
    """Fetch the file ``name`` into ``folder`` from the first of ``urls`` that has it whole.

    torchvision does the transfer and the check; without ``md5`` the caller checks the file. For
    use inside :func:`scratch`.

    Raises:
        SmoothcertError: no source gives a file of this MD5; says what each one answered.
    """
    path, failures = folder / name, []
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        for url in urls:
            try:
                torchvision.datasets.utils.download_url(url, folder, name, md5)
                return path
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", "") or error or type(error).__name__)
                if path.is_file() and not isinstance(error, OSError):
                    data = path.read_bytes()
                    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
                    reason = f"wrong checksum: {len(data)} bytes of MD5 {found}, expected {md5}"
                path.unlink(missing_ok=True)
                failures.append(f"{url}: {reason}")
    finally:
        socket.setdefaulttimeout(before)
    raise SmoothcertError(f"download of {name} failed: {'; '.join(failures)}")
