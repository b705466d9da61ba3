"""The folder of a run's results: that of its preset, or of its own where the run changes it.

A preset is one of ``config/*.yaml``, by name, or a file of a user's own. What ``--configfile`` and
``--config`` lay over it gives other results, which never take the place of the preset's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError

# What says where files lie and what jobs ask for: no result depends on it.
PLACES = frozenset(
    {
        "preset", "name", "target", "data_dir", "published", "checkpoints_dir", "resources",
        "container",
    }
)  # fmt: skip
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"


def presets(folder: Path) -> dict[str, Path]:
    """The presets in ``folder``, by name; config.yaml there is what a new folder begins with."""
    return {p.stem: p for p in sorted(folder.glob("*.yaml")) if p.stem != "config"}


def preset_file(preset: Any, folder: Path) -> Path:
    """The file of a preset: a name of ``folder``, or the path of a file of one's own."""
    known = presets(folder)
    if preset in known:
        copy = Path("config", f"{preset}.yaml")
        if copy.is_file() and copy.read_bytes() != known[preset].read_bytes():
            raise SmoothcertError(
                f"configuration: preset: {copy} differs from the workflow's own {preset}, which is"
                " taken; delete it, or rename it and give its path as preset"
            )
        return known[preset]
    own = isinstance(preset, str) and preset.endswith((".yaml", ".yml"))
    if own and Path(preset).is_file():
        return Path(preset)
    raise SmoothcertError(
        f"configuration: preset: expected one of {', '.join(known)}, or an existing file that"
        f" ends in .yaml; found {preset!r}"
    )


@dataclass(frozen=True)
class Run:
    """What a call of Snakemake has chosen.

    ``overlays`` are the files of ``--configfile`` with their content, ``given`` the keys of
    ``--config``, ``chosen`` a name that the configuration itself gives (key ``name``).
    """

    preset: str
    file: Path
    known: Mapping[str, Path]
    overlays: tuple[tuple[Path, Mapping[str, Any]], ...] = ()
    given: Mapping[str, Any] | None = None
    chosen: str | None = None

    @property
    def changes(self) -> tuple[Path, ...]:
        """The overlays on which results depend."""
        return tuple(path for path, content in self.overlays if set(content or ()) - PLACES)

    @property
    def name(self) -> str:
        """The folder below ``results``; raises SmoothcertError where a name has to be given."""
        if self.chosen is not None:
            return _checked(self.chosen)
        base = self.file.stem
        if base in self.known and not self.known[base].samefile(self.file):
            raise SmoothcertError(
                f"configuration: preset: {self.file} would share results/{base} with the preset"
                f" {base}; rename the file, or give --config name=NAME"
            )
        return _checked("-".join([base, *(path.stem for path in self.changes), *self._values()]))

    def _values(self) -> Iterable[str]:
        changed = {k: v for k, v in (self.given or {}).items() if k not in PLACES}
        for key, value in changed.items():
            if not isinstance(value, int | float | str) or not re.fullmatch(_NAME, str(value)):
                raise SmoothcertError(
                    f"configuration: {key}: --config changes the results of preset"
                    f" {self.preset}; add name=NAME to name their folder, or put it in a file for"
                    " --configfile"
                )
            yield f"{key}{value}"

    @property
    def files(self) -> list[str]:
        """The overlays, as one writes them here."""
        here = Path.cwd()
        paths = [path for path, _ in self.overlays]
        return [str(p.relative_to(here) if p.is_relative_to(here) else p) for p in paths]

    @property
    def values(self) -> list[str]:
        """``KEY=VALUE`` of ``--config``, without preset and target."""
        given = {k: v for k, v in (self.given or {}).items() if k not in ("preset", "target")}
        return [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in given.items()]

    @property
    def words(self) -> list[str]:
        """The arguments of ``snakemake`` that choose this run."""
        over = ["--configfile", *self.files] if self.overlays else []
        return ["--config", f"preset={self.preset}", *self.values, *over]


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise SmoothcertError(
            "configuration: name: expected letters, digits, _ . + and -, as it names the results"
            f" folder; found {name!r}; give one with --config name=NAME"
        )
    return name
