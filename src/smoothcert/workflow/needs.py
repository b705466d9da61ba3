"""From what a table or figure says it needs to the files, the code and the settings of its job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import published as published_tables
from smoothcert.report.output import Need, Output, Run, Section
from smoothcert.workflow import experiments, paths
from smoothcert.workflow.catalogue import SECTIONS, expanded, function, target

Config = dict[str, Any]


def files(config: Config, output: Output) -> dict[str, list[str]]:
    """The files that an output is made from by their group, each once; ``""`` is the main group.

    Those that it waits for but is not given stand under ``"waits"``.
    """
    groups: dict[str, dict[str, None]] = {}
    for need in output.needs:
        group = "waits" if need.group is None else need.group
        groups.setdefault(group, {}).update(dict.fromkeys(resolve(config, need)))
    return {group: list(paths) for group, paths in groups.items()}


def resolve(config: Config, need: Need) -> list[str]:
    """The files of one need, each once, in the order of the configuration."""
    if need.kind == "published":
        return published(config, need)
    if need.kind == "file":
        return [f"{paths.RESULTS}/{need.of}"]
    if need.kind == "paths":
        return [f"{paths.RESULTS}/{path}" for path in function(need.of)(config)]
    if need.kind == "radius_tables":
        return radius_tables(runs(config, need))
    chosen = runs(config, need)
    if need.seeds and not chosen:
        raise SmoothcertError(
            f"configuration: experiments.{need.of}: no runs; expected trainings of several seeds,"
            " as in config/smoke.yaml"
        )
    return list(dict.fromkeys(_path(need.kind, run) for run in chosen))


def published(config: Config, need: Need) -> list[str]:
    """The files of the published tables that a need is of.

    Raises SmoothcertError where one is not there: what to set.
    """
    here = experiments.published(config)
    missing = [name for name in wanted(need) if name not in here]
    if missing:
        raise SmoothcertError(
            f"configuration: published: {len(missing)} of"
            f" {len(wanted(need))} published certificate tables are missing, such as"
            f" {missing[0]}.tsv.gz; put them in {published_tables.folder()}, or set"
            " download to fetch them"
        )
    return [paths.PUBLISHED.format(name=name) for name in wanted(need)]


def wanted(need: Need) -> list[str]:
    """The published tables that a need is of, by name; none of a need of another kind."""
    if need.kind != "published":
        return []
    every = list(published_tables.tables())
    return every if need.select is None else need.select(every)


def of_levels(config: Config, run: Mapping[str, str]) -> dict[str, list[str]]:
    """The models and the votes among which a run's estimator chooses, each model once."""
    found = experiments.levels(dict(run))
    votes = [_path("votes", level) for level in found]
    models = dict.fromkeys(experiments.model(config, level) for level in found)
    records = [path.replace(".npz", ".json") for path in votes]
    return {"models": list(models), "votes": votes, "records": records}


def radius_tables(runs: Iterable[Run]) -> list[str]:
    """The radius tables that the certificates of runs read, each once."""
    found = (
        paths.RADIUS_TABLE.format(shape=shape, d=experiments.dimension(run["dataset"]))
        for run in runs
        if (shape := experiments.tabulated(run["noise"]))
    )
    return list(dict.fromkeys(found))


def runs(config: Config, need: Need) -> list[Run]:
    """The runs whose files a need names; none for a need of another kind."""
    if need.kind in ("published", "file", "paths"):
        return []
    of = experiments.live_runs if need.kind == "live" else experiments.runs
    chosen = of(config, need.of)
    if need.kind == "scales":
        chosen = [run for run in chosen if experiments.search_of(run["scaling"])]
    return chosen if need.select is None else need.select(chosen)


def _path(kind: str, run: Run) -> str:
    if kind == "votes":
        store = {**run, "noise": experiments.drawn_as(run["noise"])}
        return f"{paths.STORE}/votes.npz".format(**store)
    if kind == "scales":
        return paths.SCALES.format(search=experiments.search_of(run["scaling"]), **run)
    if kind == "memorized":
        return (paths.CERTIFICATES if run["scaling"] == "fixed" else paths.MEMORY).format(**run)
    patterns = {
        "certificates": paths.CERTIFICATES,
        "live": paths.LIVE_CERTIFICATES,
        "logs": paths.TRAINING_LOG,
        "data": paths.DATA,
    }
    if kind not in patterns:
        raise ValueError(f"no kind of files {kind!r}")
    return patterns[kind].format(**run)


def options(config: Config, output: Output) -> Config:
    """The options that the configuration gives an output, with its seed where it has one."""
    given: Config = {}
    if output.config is not None:
        given = config
        for key in output.config.split("."):
            given = given.get(key, {})
    given = {k: v for k, v in given.items() if v is not None}
    if "seed" in output.options.model_fields:
        given.setdefault("seed", config["seed"])
    return output.options.check(given, f"configuration: {output.config}").model_dump(
        mode="json", exclude_unset=True
    )


def code_of(config: Config, output: Output) -> Config:
    """The arguments of Source.fingerprint for the job of an output."""
    entries = [output.make, f"{output.options.__module__}:{output.options.__name__}"]
    if output.kind == "table":
        entries += ["smoothcert.report.write:write_table"]
    else:
        assert output.draw is not None
        entries += [output.draw, "smoothcert.report.style:save"]
    shown = [run for need in output.needs for run in runs(config, need)]
    slugs = {(axis, slug) for run in shown for axis, slug in run.items()}
    parts = {part for axis, slug in slugs for part in experiments.parts(axis, slug)}
    return {"entries": tuple(entries), "parts": frozenset({*parts, *output.parts})}


def available(config: Config, output: Output) -> bool:
    """False for what needs published certificates that are not there, or runs of several seeds
    where the configuration has none: it is a target, not more."""
    empty = any(need.seeds and not runs(config, need) for need in output.needs)
    return not empty and not _lacks_published(config, output)


def _lacks_published(config: Config, output: Output) -> bool:
    names = {name for need in output.needs for name in wanted(need)}
    return not names <= set(experiments.published(config))


def left_out(config: Config) -> list[Output]:
    """The tables and figures that are not made, for want of published certificates."""
    every = [o for section in SECTIONS for o in expanded(config, section)]
    return [output for output in every if _lacks_published(config, output)]


def left_out_words(config: Config) -> str:
    """One line where published certificates are wanted and not there; else nothing."""
    missing = left_out(config)
    if not missing or config["published"] != "found":
        return ""
    return (
        f"Without the published certificates ({published_tables.folder()}) these are left out:"
        f" {', '.join(map(target, missing))}. --config published=download fetches them."
    )


def shown(output: Output) -> str:
    """The file of an output by which others ask for it."""
    return _file(output, "csv" if output.kind == "table" else "png")


def readable(output: Output) -> str:
    """The file of an output that a browser shows."""
    return _file(output, "html" if output.kind == "table" else "png")


def formats(output: Output) -> list[str]:
    """The same in other formats."""
    endings = ("csv", "md", "tex") if output.kind == "table" else ("pdf",)
    return [_file(output, ending) for ending in endings]


def _file(output: Output, ending: str) -> str:
    return f"{paths.RESULTS}/{output.kind}s/{output.name}.{ending}"


def made(output: Output) -> list[str]:
    """All files of an output."""
    numbers = f"{paths.RESULTS}/numbers/{target(output)}.csv"
    return [readable(output), *formats(output), numbers]


def section_files(config: Config, section: Section, report: bool = False) -> list[str]:
    """What a section shows: its tables and figures, and what its notebook and claims read.

    With ``report`` the notebook's page as well.
    """
    files = [shown(o) for o in expanded(config, section) if available(config, o)]
    if report and section.notebook:
        files.append(f"{paths.RESULTS}/reports/{section.notebook}.html")
    return files + [path for need in section.needs for path in resolve(config, need)]


def certificates(config: Config) -> list[str]:
    """The certificates of every run."""
    found = (run for section in config["experiments"] for run in experiments.runs(config, section))
    return list(dict.fromkeys(_path("certificates", run) for run in found))


def words(groups: Mapping[str, Any]) -> list[str]:
    """The files of an output as its command takes them: FILE (of ``files``) or GROUP=FILE."""
    lists = {name: [some] if isinstance(some, str) else some for name, some in groups.items()}
    lists.pop("waits", None)
    return [f if k == "files" else f"{k}={f}" for k, some in lists.items() for f in some]
