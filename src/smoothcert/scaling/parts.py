"""The finished batches of a search in progress, so that a killed run loses at most one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text


class Parts:
    """A folder beside ``out``, named by all that decides the result; a context manager.

    A part is JSON, written whole or not at all. One process at a time holds the folder.
    """

    def __init__(self, out: Path, specification: Mapping[str, Any]) -> None:
        """Open or create. Raises SmoothcertError if another process holds it."""
        digest = hashlib.sha256(json.dumps(specification, sort_keys=True).encode()).hexdigest()
        self.folder = out.with_name(f".{out.name}.{digest[:16]}.partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SmoothcertError(f"{self.folder}: another process is making {out.name}") from None

    def read(self, stage: str, number: int) -> dict[str, Any] | None:
        """A finished part, or None. Raises SmoothcertError for one that is no JSON."""
        path = self._path(stage, number)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise SmoothcertError(f"{path}: corrupt ({error}); delete it to search anew") from None

    def write(self, stage: str, number: int, part: dict[str, Any]) -> dict[str, Any]:
        """Keep a part; returns what :meth:`read` will return."""
        text = json.dumps(part)
        write_text(self._path(stage, number), text)
        return json.loads(text)

    def _path(self, stage: str, number: int) -> Path:
        return self.folder / f"{stage}-{number:05d}.json"

    def remove(self) -> None:
        """Delete the folder, once the final table stands."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.close()
