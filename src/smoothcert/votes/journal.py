"""The partial store: looks are appended as they come, so that a killed run loses none.

One text line a look, ``row stream look seconds class:count,... crc32``, after a first line
that holds the specification. A last line cut short by a kill is dropped; anything else that
does not check is corrupt and refused. One process at a time writes a journal.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smoothcert.core.errors import SmoothcertError
from smoothcert.votes import first_difference

SELECTION, ESTIMATION = "selection", "estimation"


class Look(NamedTuple):
    """One line: the votes of one look (or of the selection samples) of one input."""

    row: int
    stream: str
    look: int
    seconds: float
    votes: dict[int, int]


def partial_path(out: Path, specification: Mapping[str, Any]) -> Path:
    """Where the partial store of ``out`` lies, keyed by all that determines its votes."""
    digest = hashlib.sha256(json.dumps(specification, sort_keys=True).encode()).hexdigest()
    return out.with_name(f".{out.name}.{digest[:16]}.partial")


class Journal:
    """An open partial store; use as a context manager. ``looks`` is what it held already."""

    def __init__(self, path: Path, specification: Mapping[str, Any]) -> None:
        """Open or create. Raises SmoothcertError: in use, or corrupt; OSError: not writable."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = path.open("a+b", buffering=0)  # closed in __exit__
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._handle.close()
            raise SmoothcertError(f"{path}: another process is sampling this store") from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):  # no locks here
                self._handle.close()
                raise
        try:
            self.looks = self._resume(json.dumps(specification, sort_keys=True))
        except BaseException:
            self._handle.close()
            raise

    def _resume(self, specification: str) -> list[Look]:
        self._handle.seek(0)
        data = self._handle.readall()
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        looks = self._parse(lines, specification) if lines else []
        # Only now: a file that is refused is left as it was found.
        if len(whole) < len(data):
            self._handle.truncate(len(whole))
        if not lines:
            self._write(specification)
        return looks

    def _parse(self, lines: list[bytes], specification: str) -> list[Look]:
        try:
            found = json.loads(_checked(lines[0]))
        except ValueError as error:
            raise self._corrupt(1, str(error)) from None
        difference = first_difference(found, json.loads(specification))
        if difference:
            raise SmoothcertError(f"{self.path}: partial store of another run: {difference}")
        looks = []
        for number, line in enumerate(lines[1:], 2):
            try:
                looks.append(_parse(_checked(line)))
            except ValueError as error:
                raise self._corrupt(number, str(error)) from None
        return looks

    def _corrupt(self, line: int, what: str) -> SmoothcertError:
        return SmoothcertError(
            f"{self.path}:{line}: corrupt partial store ({what}); delete it to sample anew"
        )

    def append(self, look: Look) -> None:
        """Add one look and hand it to the operating system: it survives a SIGKILL.

        Raises SmoothcertError where it cannot be written (a full disk).
        """
        votes = ",".join(f"{c}:{v}" for c, v in sorted(look.votes.items()) if v)
        self._write(f"{look.row} {look.stream} {look.look} {look.seconds:.6f} {votes}")

    def _write(self, text: str) -> None:
        line = memoryview(f"{text} {zlib.crc32(text.encode()):08x}\n".encode())
        try:
            while line:
                line = line[self._handle.write(line) :]
        except OSError as error:
            raise SmoothcertError(f"{self.path}: cannot be written: {error.strerror}") from None

    def remove(self) -> None:
        """Delete the file, once the final store stands."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self._handle.close()


def _checked(line: bytes) -> str:
    text, _, crc = line.decode(errors="replace").rpartition(" ")
    if f"{zlib.crc32(text.encode()):08x}" != crc:
        raise ValueError("checksum does not fit")
    return text


def _parse(text: str) -> Look:
    row, stream, look, seconds, votes = text.split(" ")
    pairs = (pair.split(":") for pair in votes.split(",") if pair)
    return Look(int(row), stream, int(look), float(seconds), {int(c): int(v) for c, v in pairs})
