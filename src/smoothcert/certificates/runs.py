"""A certificate table together with what it is of: data, architecture, training, noise.

That is read from the table's sidecar record, else from its path under ``certificates/`` or
``memory/`` (a path of the workflow is a full specification), else from a name such as
``cifar10_resnet110_gaussian_train0.25_sigma0.25.tsv.gz``. What none of them says is None.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoothcert.certificates import CertificateTable, read_certificates, sidecar
from smoothcert.certificates.metrics import Estimate, proportion
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training, number
from smoothcert.votes.records import BASE

AXES = ("dataset", "arch", "training", "noise", "scaling", "budget")
_FOLDERS = ("certificates", "memory")
_PUBLISHED = re.compile(
    r"(?P<dataset>[a-z0-9-]+)_(?P<arch>[a-z0-9]+)_(?P<method>[a-z0-9]+)"
    r"_train(?P<train>\d+\.\d+)_sigma(?P<sigma>\d+\.\d+)\.tsv(\.gz)?"
)


@dataclass(frozen=True)
class Run:
    """A certificate table and what is known of it; slugs as in a path, None where unknown."""

    path: Path
    table: CertificateTable
    record: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    arch: str | None = None
    training: str | None = None
    noise: str | None = None
    scaling: str | None = None
    budget: str | None = None

    @property
    def axes(self) -> dict[str, str | None]:
        """What the run is of, by the names of AXES: labels of its numbers."""
        return {axis: getattr(self, axis) for axis in AXES}

    @property
    def noise_name(self) -> str | None:
        """The noise without its scale: ``gaussian``."""
        return self.noise.rpartition("-")[0] if self.noise else None

    @property
    def sigma(self) -> float | None:
        """The scale in the noise's slug."""
        try:
            return float(self.noise.rpartition("-")[2]) if self.noise else None
        except ValueError:
            return None

    @property
    def trained(self) -> Training | None:
        """The training slug, parsed; None if unknown or not of this project's form."""
        try:
            return Training.parse(self.training) if self.training else None
        except SmoothcertError:
            return None

    @property
    def recipe(self) -> str:
        """The training without its scale, to group the runs of one envelope: ``cohen-fs``."""
        trained = self.trained
        if trained is None:
            return self.training or "unknown"
        return trained.slug.rpartition("-")[0]

    @property
    def norm(self) -> str:
        """The norm of the radii; l2 where the table does not say (the field's logs)."""
        return self.table.single("norm") or "l2"

    @property
    def n(self) -> int | None:
        """Estimation samples an input; None if unknown or not the same for all."""
        return self.table.single("n")

    @property
    def alpha(self) -> float | None:
        """Failure probability of a certificate; None if unknown."""
        return self.table.single("alpha")

    @property
    def base_accuracy(self) -> Estimate | None:
        """Of the base classifier on the same inputs without noise; None where no record says it
        (older votes, a table of the field's format) or labels are unknown."""
        base = self.record.get("votes", {}).get(BASE)
        if not base or base["correct"] is None or not base["inputs"]:
            return None
        return proportion(base["correct"], base["inputs"])


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a certificate table and what is known of it.

    Raises SmoothcertError for a table that cannot be read or has no rows, or a sidecar that is
    no JSON object.
    """
    path = Path(path)
    table = read_certificates(path)
    if len(table) == 0:
        raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
    record = _record(path)
    named = {axis: value for axis, value in _from_path(path).items() if value}
    for axis in AXES:
        found = table.single(axis) if axis in ("noise", "scaling", "budget") else None
        found = found or find(record, axis)
        if isinstance(found, str):
            named[axis] = found
    return Run(path, table, record, **named)


def read_runs(paths: Iterable[str | os.PathLike[str]]) -> list[Run]:
    """Several tables, ordered by what they are of and then by noise scale."""
    runs = [read_run(path) for path in paths]
    return sorted(
        runs,
        key=lambda r: (
            *(str(v or "") for v in (r.dataset, r.arch, r.recipe, r.noise_name, r.scaling)),
            r.sigma or 0.0,
            str(r.budget or ""),
            str(r.path),
        ),
    )


def _record(path: Path) -> dict[str, Any]:
    file = sidecar(path)
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SmoothcertError(f"{file}: cannot be read as a JSON record: {error}") from None
    if not isinstance(record, dict):
        raise SmoothcertError(f"{file}: expected a JSON object")
    return record


def _from_path(path: Path) -> dict[str, str]:
    folders = path.parts[:-1]
    parts = [*folders[1 - len(AXES) :], re.sub(r"\.tsv(\.gz)?$", "", path.name)]
    if len(folders) >= len(AXES) and folders[-len(AXES)] in _FOLDERS:
        return dict(zip(AXES, parts, strict=True))
    match = _PUBLISHED.fullmatch(path.name)
    if match is None:
        return {}
    method = {"gaussian": "cohen"}.get(match["method"], match["method"])
    return {
        "dataset": match["dataset"],
        "arch": match["arch"],
        "training": f"{method}-fs-{number(float(match['train']))}",
        "noise": f"gaussian-{number(float(match['sigma']))}",
        "scaling": "fixed",
    }


def find(record: Any, key: str) -> Any:
    """The value of ``key`` nearest the top of nested dictionaries; None if there is none."""
    level = [record]
    while level:
        for node in level:
            if key in node and not isinstance(node[key], dict):
                return node[key]
        level = [child for node in level for child in node.values() if isinstance(child, dict)]
    return None
