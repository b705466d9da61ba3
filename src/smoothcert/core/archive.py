"""Files of a folder in one archive, with a digest each; and back, each of them verified.

The archive (``.tar.xz``) is the same to the bit whenever and by whomever the same files are packed.
Its first member is the manifest, as JSON: what the packer says of the files, and in ``files`` the
SHA-256 of each by its name.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, sha256
from smoothcert.core.scratch import Scratch

MANIFEST = "bundle.json"

Manifest = dict[str, Any]


def pack(path: Path, root: Path, names: Iterable[str], about: Mapping[str, Any]) -> None:
    """Write the files ``names`` of the folder ``root`` to ``path``, atomically."""
    files = {name: sha256(root / name) for name in sorted(names)}
    manifest = json.dumps({**about, "files": files}, indent=1, sort_keys=True)
    with atomic(path) as temporary, tarfile.open(temporary, "w:xz") as archive:
        _add(archive, MANIFEST, manifest.encode())
        for name in files:
            _add(archive, name, (root / name).read_bytes())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, and the time 0
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def unpack(path: Path, folder: Path) -> Manifest:
    """The files of an archive as ``folder``, which appears when all of them are verified.

    A folder to which the same archive was unpacked before is verified and left as it is. Raises
    SmoothcertError for a damaged archive, a member that does not belong there, and a folder that
    holds anything else.
    """
    with Scratch(folder, {"archive": sha256(path)}) as work:
        try:
            with tarfile.open(path, "r:xz") as archive:
                text = _content(archive, archive.next())
                manifest = _parsed(text)
                if folder.exists() and any(folder.iterdir()):
                    if not (folder / MANIFEST).exists() or read(folder) != manifest:
                        raise SmoothcertError(
                            f"{folder}: holds other results; expected no such folder, or one that"
                            f" {path} was unpacked to"
                        )
                    return verified(folder)
                new = work.path("files")
                shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
                _write(new / MANIFEST, text)
                _extract(archive, new, manifest["files"])
            new.replace(folder)
            return manifest
        except (tarfile.TarError, lzma.LZMAError, EOFError, ValueError) as error:
            raise SmoothcertError(f"{path}: damaged, or no bundle: {error}") from None
        finally:
            work.remove()


def _parsed(text: bytes) -> Manifest:
    manifest = json.loads(text)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ValueError(f"{MANIFEST} names no files")
    return manifest


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    stream = None if member is None or not member.isfile() else archive.extractfile(member)
    if stream is None:
        raise ValueError(f"{MANIFEST if member is None else member.name}: expected a file")
    return stream.read()


def _extract(archive: tarfile.TarFile, folder: Path, digests: Mapping[str, str]) -> None:
    """The members after the first, which must be those that have a digest."""
    left = dict(digests)
    while (member := archive.next()) is not None:
        content = _content(archive, member)
        # An error for a path that leaves the folder; one from the root loses its slash
        name = tarfile.data_filter(member, str(folder)).name
        if left.pop(name, None) != hashlib.sha256(content).hexdigest():
            raise ValueError(f"{name}: not what {MANIFEST} says")
        _write(folder / name, content)
    if left:
        raise ValueError(f"{len(left)} files are missing, such as {next(iter(left))}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read(folder: Path) -> Manifest:
    """The manifest of a folder that an archive was unpacked to."""
    path = folder / MANIFEST
    try:
        return _parsed(path.read_bytes())
    except ValueError as error:
        raise SmoothcertError(f"{path}: damaged: {error}") from None


def verified(folder: Path) -> Manifest:
    """The same, after a look at every file; SmoothcertError names one that is not as packed."""
    manifest = read(folder)
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise SmoothcertError(f"{path}: missing; expected every file of its bundle")
        if (found := sha256(path)) != digest:
            raise SmoothcertError(f"{path}: changed; expected SHA-256 {digest}, found {found}")
    return manifest
