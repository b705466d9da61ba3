"""A run as a Workflow Run RO-Crate: a zip file that says what made each file in it, and from what.

The profile is https://w3id.org/ro/wfrun/workflow/0.5. Unpacked, a crate is the results where the
workflow puts them, with the workflow's rules and configuration; the code is named by its revision.
"""

from __future__ import annotations

import json
import mimetypes
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, sha256
from smoothcert.report.page import Page

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_BIOSCHEMAS = "https://bioschemas.org/profiles/{}/1.0-RELEASE"
_WORKFLOW = (
    "rules", "config.yaml", "config", "envs", "notebooks", "profiles", "slurm", "requirements.lock",
    "README.md", "LICENSE", "CITATION.cff",
)  # fmt: skip
_LEFT_OUT = {"logs", "snapshots"}

# What lies in a folder of results
_MEANING = {
    "data": "a data set: what was found and verified",
    "models": "a base classifier, with its record and the log of its training",
    "routers": "an estimator that chooses a noise level, with its record",
    "scales": "the noise scale of each input",
    "votes": "class counts under noise, with the record of what was sampled",
    "certificates": "certificates, one row an input, with the record of what made them",
    "memory": "certificates after the memory of DDRS",
    "published-certificates": "what certificates say that papers' authors published",
    "radius-tables": "tabulated certified radii of a noise",
    "live": "votes and certificates that were sampled for one budget alone",
    "lbrs": "locally biased smoothing: its experiments and certificates",
    "nongaussian": "non-Gaussian noise without a classifier",
    "audits": "attempts to break certificates: verdicts with their evidence",
    "numbers": "every number of a table or figure, one row each",
    "differences": "a table minus the paper's, with the sampling error of both",
    "reports": "a notebook, run on these results",
    "benchmarks": "what a job took: seconds, memory, processor time",
}
_FORMATS = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".ipynb": "application/x-ipynb+json",
    ".npz": "application/zip",
    ".tsv": "text/tab-separated-values",
    ".safetensors": "application/octet-stream",
}
# What a record says of the machine and the computation; all else in it is software
_SETTINGS = ("dataset", "seed", "arch", "git revision")
_MACHINE = ("platform", "device", "engine", "precision")


def write_crate(page: Page, out: Path, workflow: Path, made_by: str, author: str | None) -> int:
    """Write the crate of a run to ``out`` and return how many files it holds.

    ``workflow`` is the checkout, ``made_by`` the words of ``snakemake`` that made the results,
    ``author`` a name or an address such as an ORCID. When the run began and ended is taken from
    the files' times. Raises SmoothcertError where the package rocrate, the checkout or the
    results are not there.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise SmoothcertError(
            "a crate: needs the package rocrate (pip install 'smoothcert[crate]')"
        ) from None
    if not (workflow / "Snakefile").is_file():
        raise SmoothcertError(f"{workflow / 'Snakefile'}: not found; run this in the checkout")
    if not any(page.results.glob("numbers/*.csv")):
        raise SmoothcertError(f"{page.results}: no table or figure; make them with snakemake")
    crate = _Crate(ROCrate(version="1.1"), page, workflow, made_by, author)
    crate.describe()
    with atomic(out) as temporary:
        crate.crate.write_zip(temporary)
    return len(crate.crate.data_entities)


class _Crate:
    """The crate while it is put together."""

    def __init__(
        self, crate: ROCrate, page: Page, workflow: Path, made_by: str, author: str | None
    ) -> None:
        self.crate, self.page, self.workflow = crate, page, workflow
        self.made_by, self.author = made_by, author
        shown = [one for section in page.sections for one in page.shown(section)]
        self.titles = {str(Path(one.path).with_suffix("")): one.title for one in shown}

    def describe(self) -> None:
        root = self.crate.root_dataset
        root["name"] = (
            f"Certified robustness by randomized smoothing: results of {self.page.preset}"
        )
        root["description"] = (
            f"Tables, figures, certificates and votes that `snakemake {self.made_by}` made of"
            f" {', '.join(self.page.datasets) or 'no data'}, with the workflow that made them."
            " index.html in the results shows them all."
        )
        mit = "https://spdx.org/licenses/MIT"
        root["license"] = self._new(mit, "CreativeWork", name="MIT License", identifier=mit)
        root["conformsTo"] = [
            self._new(url, "CreativeWork", name=name, version=url.rpartition("/")[2])
            for url, name in _PROFILES.items()
        ]
        workflow, settings = self._workflow()
        results = {
            path: self._file(path, f"results/{self.page.preset}/{path.relative_to(base)}")
            for base in [self.page.results]
            for path in _files(base)
        }
        data = [self._data_set(path) for path in sorted(self.page.results.glob("data/*.json"))]
        seeds = [
            self._value("seed", seed) for seed in self.page.made.values.get("seed", {"unknown": 1})
        ]
        workflow["input"] = [
            self._parameter("configuration", "File", settings),
            self._parameter("seed", "Integer", seeds),
            *([self._parameter("data sets", "Collection", data)] if data else []),
        ]
        outputs = {
            kind: [one for path, one in results.items() if self._folder(path) == kind]
            for kind in ("tables", "figures", "certificates", "votes")
        }
        workflow["output"] = [
            self._parameter(kind, "File", files) for kind, files in outputs.items() if files
        ]
        run = self._new(
            "#run", "CreateAction",
            name=f"snakemake {self.made_by}",
            description=f"The run of the workflow that made results/{self.page.preset}",
            instrument=workflow,
            object=[*settings, *seeds, *data],
            result=[*results.values()],
            actionStatus="http://schema.org/CompletedActionStatus",
            additionalProperty=[*self._machine()],
            **self._times(results),
        )  # fmt: skip
        if self.author:
            own = self.author if self.author.startswith("https://") else "#author"
            run["agent"] = root["author"] = self._new(own, "Person", name=self.author)
        root["mentions"] = [run, *data]

    def _workflow(self) -> tuple[Entity, list[Entity]]:
        """The workflow with its parts, and the files that configured this run."""
        facts = self.page.made.values
        software = {n: v for n, v in facts.items() if n not in (*_SETTINGS, *_MACHINE)}
        workflow = self.crate.add_workflow(
            self.workflow / "Snakefile", "Snakefile", main=True, lang="snakemake"
        )
        names = {
            "name": "smoothcert: tables and figures of papers on randomized smoothing",
            "version": ", ".join(facts.get("git revision", ("unknown",))),
            "sha256": sha256(self.workflow / "Snakefile"),
            "encodingFormat": "text/plain",
            "conformsTo": {"@id": _BIOSCHEMAS.format("ComputationalWorkflow")},
            "creator": self._new(
                "#developers", "Organization", name=metadata.metadata("smoothcert")["Author"]
            ),
            "license": {"@id": "https://spdx.org/licenses/MIT"},
        }
        for key, value in names.items():
            workflow[key] = value
        workflow["softwareRequirements"] = [
            self._new(
                f"pkg:pypi/{name}", "SoftwareApplication", name=name, version=", ".join(versions)
            )
            for name, versions in software.items()
        ]
        parts = {
            path: self._file(path, path.relative_to(self.workflow).as_posix())
            for name in _WORKFLOW
            for path in _files(self.workflow / name)
        }
        workflow["hasPart"] = [*parts.values()]
        words = shlex.split(self.made_by.replace("=", " "))
        chosen = ["config.yaml", *(f"config/{word}.yaml" for word in words), *words]
        settings = [
            parts.get(path) or self._file(path, f"configuration/{path.name}")
            for path in dict.fromkeys(self.workflow / name for name in chosen)
            if path.is_file()
        ]
        return workflow, settings

    def _file(self, path: Path, where: str) -> Entity:
        folder, title = self._folder(path), self.titles.get(self._below(path))
        kind = _FORMATS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
        about: dict[str, Any] = {
            "name": title or where,
            "encodingFormat": kind,
            "contentSize": str(path.stat().st_size),
            "sha256": sha256(path),
        }
        if title or folder in _MEANING:
            about["description"] = f"{title} ({folder})" if title else _MEANING[folder]
        if where == "README.md":
            about["about"] = {"@id": "./"}
        return self.crate.add_file(path, where, properties=about)

    def _below(self, path: Path) -> str:
        """The path below the results, without its ending; "" of a file of the workflow."""
        if not path.is_relative_to(self.page.results):
            return ""
        return path.relative_to(self.page.results).with_suffix("").as_posix()

    def _folder(self, path: Path) -> str:
        return self._below(path).partition("/")[0]

    def _data_set(self, path: Path) -> Entity:
        """A data set by the digests of its splits; the record of it is in the crate."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            splits = record["splits"]
            digests = [
                self._value(f"SHA-256 of {record['name']}, {split}, as it was read", one["digest"])
                for split, one in splits.items()
            ]
            size = ", ".join(f"{split} {one['size']}" for split, one in splits.items())
        except (ValueError, KeyError, TypeError) as error:
            raise SmoothcertError(f"{path}: no record of a data set: {error}") from None
        return self._new(
            f"#data-{path.stem}", "Collection",
            name=record["name"],
            description=f"{record.get('n_classes')} classes, shape {record.get('shape')}: {size}",
            identifier=digests,
            subjectOf={"@id": f"results/{self.page.preset}/data/{path.name}"},
        )  # fmt: skip

    def _parameter(self, name: str, kind: str, examples: list[Entity]) -> Entity:
        """A parameter of the workflow, and what stood for it in this run."""
        parameter = self._new(
            f"#parameter-{name.replace(' ', '-')}", "FormalParameter",
            name=name,
            additionalType=kind,
            conformsTo={"@id": _BIOSCHEMAS.format("FormalParameter")},
            workExample=examples,
        )  # fmt: skip
        for one in examples:
            one["exampleOfWork"] = parameter
        return parameter

    def _machine(self) -> Iterator[Entity]:
        """What computed, and how long each kind of job took."""
        for name in _MACHINE:
            for value in self.page.made.values.get(name, ()):
                yield self._value(name, value)
        for rule, (jobs, seconds) in self.page.made.seconds.items():
            yield self._value(f"seconds of {jobs} jobs of {rule}", f"{seconds:.1f}")

    def _times(self, results: Iterable[Path]) -> dict[str, str]:
        """When the first measured job began and the last file was written."""
        written = {path: path.stat().st_mtime for path in results}
        began = [
            written[path] - float(path.read_text(encoding="utf-8").split()[3])
            for path in written
            if self._folder(path) == "benchmarks"
        ]
        times = {"endTime": max(written.values())}
        if began:
            times["startTime"] = min(began)
        return {
            name: datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
            for name, time in times.items()
        }

    def _value(self, name: str, value: str) -> Entity:
        own = f"#{name}-{value}".replace(" ", "-").replace("/", "-")
        return self._new(own, "PropertyValue", name=name, value=value)

    def _new(self, own: str, kind: str, **properties: Any) -> Entity:
        """An entity of the crate that is no file."""
        from rocrate.model.contextentity import ContextEntity

        entity = ContextEntity(self.crate, own, properties={"@type": kind})
        for name, value in properties.items():
            single = isinstance(value, list) and len(value) == 1
            entity[name] = value[0] if single else value
        return self.crate.add(entity)


def _files(place: Path) -> list[Path]:
    """The file itself, or all files of a folder but logs, snapshots and hidden ones."""
    if place.is_file():
        return [place]
    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and not any(
            part in _LEFT_OUT or part.startswith((".", "__"))
            for part in path.relative_to(place).parts
        )
    ]
