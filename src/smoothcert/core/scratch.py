"""The work of a job in progress, kept beside its output: a killed run goes on from it.

A :class:`Scratch` is a folder that one process holds at a time. What is in it are snapshots,
each written whole or not at all, and a :class:`Journal` of lines. It goes once the final file
stands.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text

_HELD = "specification.json"  # what the work is of; the process that holds its lock may write


class Scratch:
    """The folder of the work on ``out``, open between ``with`` and the end of it.

    Its name has a digest of ``specification``, which is all that decides the result: a run with
    another one begins anew. A run that leaves nothing in it leaves no folder behind.
    """

    def __init__(self, out: Path, specification: Mapping[str, Any]) -> None:
        self.out = out
        self._specification = json.dumps(specification, sort_keys=True)
        digest = hashlib.sha256(self._specification.encode()).hexdigest()
        self.folder = out.with_name(f".{out.name}.{digest[:16]}.partial")

    def __enter__(self) -> Self:
        """Hold the folder; made if there is none.

        Raises SmoothcertError if another process holds it, or it is of another specification;
        OSError where it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / _HELD).open("a+")  # closed in __exit__
        try:
            self._hold()
        except BaseException:
            self._lock.close()
            raise
        return self

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SmoothcertError(
                f"{self.folder}: another process is writing {self.out.name}"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):  # no locks here
                raise
        self._lock.seek(0)
        text = self._lock.read()
        try:
            difference = first_difference(json.loads(text), json.loads(self._specification))
        except ValueError:  # new, or cut short by a kill
            self._lock.truncate(0)
            self._lock.write(self._specification)
            self._lock.flush()
        else:
            if difference:
                raise SmoothcertError(f"{self.folder}: partial work from another run: {difference}")

    def __exit__(self, *exc: object) -> None:
        files = self.folder.iterdir() if self.folder.exists() else ()
        if not any(file.stat().st_size for file in files if file.name != _HELD):
            self.remove()
        self._lock.close()

    def path(self, name: str) -> Path:
        """Where something of the work is kept; write it atomically."""
        return self.folder / name

    def read(self, name: str) -> dict[str, Any] | None:
        """A snapshot that :meth:`write` has kept, or None; SmoothcertError if it is damaged."""
        path = self.path(f"{name}.json")
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise _corrupt(str(path), str(error)) from None

    def write(self, name: str, content: dict[str, Any]) -> dict[str, Any]:
        """Keep a snapshot, plain data, atomically; returns what :meth:`read` will return."""
        text = json.dumps(content)
        write_text(self.path(f"{name}.json"), text)
        return json.loads(text)

    def remove(self) -> None:
        """Delete the folder: the final file stands."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Journal:
    """A file that grows by lines with checksums; a context manager. ``lines`` it held already.

    A last line cut short by a kill is dropped; anything else that does not check is refused.
    The caller sees to it that one process at a time writes it.
    """

    def __init__(self, path: Path) -> None:
        """Open or create. Raises SmoothcertError: corrupt; OSError: not writable."""
        self.path = path
        self._handle = path.open("a+b", buffering=0)  # closed in __exit__
        try:
            self.lines = self._resume()
        except BaseException:
            self._handle.close()
            raise

    def _resume(self) -> list[str]:
        self._handle.seek(0)
        data = self._handle.readall()
        whole = data[: data.rfind(b"\n") + 1]
        lines = []
        for number, line in enumerate(whole.split(b"\n")[:-1], 1):
            text, _, crc = line.decode(errors="replace").rpartition(" ")
            if f"{zlib.crc32(text.encode()):08x}" != crc:
                raise self.corrupt(number, "checksum does not match")
            lines.append(text)
        # Only now: a file that is refused is left as it was found.
        if len(whole) < len(data):
            self._handle.truncate(len(whole))
        return lines

    def corrupt(self, line: int, reason: str) -> SmoothcertError:
        """The error that names a line, counted from 1."""
        return _corrupt(f"{self.path}:{line}", reason)

    def append(self, text: str) -> None:
        """Add one line and hand it to the operating system: it survives a SIGKILL.

        Raises SmoothcertError where it cannot be written (a full disk).
        """
        line = memoryview(f"{text} {zlib.crc32(text.encode()):08x}\n".encode())
        try:
            while line:
                line = line[self._handle.write(line) :]
        except OSError as error:
            raise SmoothcertError(f"{self.path}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._handle.close()


def _corrupt(where: str, reason: str) -> SmoothcertError:
    return SmoothcertError(f"{where}: corrupt ({reason}); delete the file to make it again")


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first key in which two specifications differ, with both values; '' if none."""
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            return f"{key}: {one.get(key)!r} and {other.get(key)!r}"
    return ""
