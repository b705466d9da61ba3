"""``smoothcert audit KIND``: try to break certificates; writes verdicts as JSON.

Ends with status 1, its file written, where a variant that this project calls sound is broken;
a broken promise of a paper is a result and ends with 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import create_model

from smoothcert.audits import catalogue
from smoothcert.audits.catalogue import MEMORY_SOUNDNESS, Kind
from smoothcert.cli.command import Command, data_dir_place, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.workflow.catalogue import function

_AUDITS = {kind.name: kind for kind in catalogue.KINDS}
KINDS = {name: kind.help for name, kind in _AUDITS.items()}

# The files that audits take, beside their settings
_PLACES: dict[str, tuple[Any, Any]] = {
    "tables": (tuple[Path, ...], positional((), "certificates (.tsv)", "TABLE")),
    "model": (Path | None, place(None, "checkpoint of the certified classifier", "FILE")),
    "levels": (
        tuple[Path, ...],
        place(
            (), "for dual smoothing: the models of its levels (--model is the estimator)", "FILE"
        ),
    ),
    "votes": (tuple[Path, ...], place((), "vote stores", "NPZ")),
    "spiral": (Path | None, place(None, "what `smoothcert lbrs spiral` wrote", "NPZ")),
    "data_dir": (str | None, data_dir_place()),
    "device": (str, place("auto", "device to run on", "auto|cpu|cuda")),
    "quiet": (bool, place(False, "show no progress on standard error")),
}


class _Audit(Command):
    kind: ClassVar[Kind]

    def run(self) -> int:
        # Here, because an audit needs torch and `--help` does not.
        from smoothcert.audits.job import perform

        names = self.kind.settings.model_fields
        settings = self.kind.settings(**{name: getattr(self, name) for name in names})
        audit = function(self.kind.audit)()
        return perform(self.kind, audit, self._subject(), settings, self.out, self.code)

    def _subject(self) -> Any:
        from smoothcert.audits.base import Subject

        files = {name: getattr(self, name) for name in self.kind.takes if name != "quiet"}
        if not getattr(self, "quiet", True):
            files["progress"] = _say
        return Subject(**files)

    out: Path = place(
        help="writes BASE.json (the verdicts) and the data behind them", metavar="BASE"
    )


class _Recheckable(_Audit):
    out: Path | None = place(  # type: ignore[assignment]
        None, "as for other audits; required unless --recheck is given", "BASE"
    )
    recheck: Path | None = place(None, "recheck these witnesses (BASE.npz) instead", "NPZ")

    def run(self) -> int:
        if self.recheck is None:
            if self.out is None:
                raise SmoothcertError("out is missing: give --out")
            return super().run()
        from smoothcert.audits.recheck import recheck

        given: Any = self
        seed = given.seed if "seed" in self.model_fields_set else None
        return recheck(self.recheck, self._subject(), given.seeds, seed, given.budget)


def command(name: str) -> type[Command]:
    """The command of a kind: the flags are its settings and the files that it takes."""
    kind = _AUDITS[name]
    base = _Recheckable if kind is MEMORY_SOUNDNESS else _Audit
    fields: dict[str, Any] = {place: _PLACES[place] for place in kind.takes}
    bases: Any = (base, kind.settings)
    text = f"{kind.help.capitalize()}."
    make: Callable[..., type[_Audit]] = create_model
    audit = make(name, __base__=bases, __doc__=text, **fields)
    audit.kind = kind
    audit.epilog = f"example: smoothcert audit {name} {kind.example}"
    return audit


def _say(what: str, done: int, of: int) -> None:
    print(f"{what} {done} of {of}", file=sys.stderr)
