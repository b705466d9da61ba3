"""Helpers of the rules: checking the configuration, a job's specification, its resources."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

SRC = os.path.join(workflow.basedir, "src")
sys.path.insert(0, SRC)
# An installed copy may have been imported already, by the plugin that shows progress.
for name in [name for name in sys.modules if name.split(".")[0] == "smoothcert"]:
    del sys.modules[name]

from smoothcert.audits.catalogue import JOBS as AUDIT_JOBS
from smoothcert.core import warm
from smoothcert.core.errors import SmoothcertError
from smoothcert import datasets
from smoothcert.workflow import audits, bundle, catalogue, configuration, experiments, gpus
from smoothcert.workflow import naming, needs, paths, stand_ins
from smoothcert.workflow.fingerprint import Source

# Jobs run the library of this checkout with Snakemake's own Python, also where its environment
# is not activated; an environment of --software-deployment-method comes before it.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [SRC, os.environ.get("PYTHONPATH")])),
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
)

# The C library gives tensors of a few MB back to the kernel each time and gets them anew, page by
# page: that was measured to take a fifth of the time of sampling on a CPU. Keep them.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 << 20))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(256 << 20))


def one_line(function, *arguments):
    """What a function gives; a mistake in the configuration ends Snakemake with its one line."""
    try:
        return function(*arguments)
    except SmoothcertError as error:
        raise WorkflowError(str(error)) from None


PRESETS = Path(workflow.basedir, "config")


def overlay(config):
    """The file of the chosen preset, checked before Snakemake looks for it."""
    return str(one_line(naming.preset_file, config.get("preset"), PRESETS))


def chosen_run(config):
    """What this call chose: the preset, the files and values over it, and so a folder's name."""
    settings = workflow.config_settings
    run = naming.Run(
        config["preset"],
        Path(overlay(config)),
        naming.presets(PRESETS),
        tuple((path, load_configfile(path)) for path in settings.configfiles),
        settings.config,
        config.get("name"),
    )
    one_line(lambda: run.name)
    return run


def measured(path):
    """Where a job writes what it took, as a parameter."""
    return f"results/{chosen.name}/benchmarks/{path}.tsv"


def check(config):
    """End with one line that names the key if it is wrong; find and export the data sets."""
    os.environ.update(one_line(configuration.environment, config))
    config.update(one_line(stand_ins.available, config))
    if workflow.is_main_process:
        one_line(configuration.check, config)
        sys.stderr.writelines(f"{line}\n" for line in stand_ins.words(config))


SOURCE = Source(SRC)


def code(entries, parts=(), without=()):
    """The fingerprint of the code that begins at `entries`: a change redoes what it decides."""
    return SOURCE.fingerprint(entries, parts, without)


def spec(stage):
    """Params function: all that decides one job's result, as one JSON text."""

    def of(wildcards):
        settings = experiments.settings(config, stage, dict(wildcards))
        settings["code"] = code(**experiments.code_of(stage, settings, dict(wildcards)))
        return json.dumps(settings, sort_keys=True)

    return of


def output_spec(output):
    """Params function: the specification of a table or figure."""

    def of(wildcards):
        options = one_line(needs.options, config, output)
        made_by = code(**needs.code_of(config, output))
        return json.dumps({"options": options, "code": made_by}, sort_keys=True)

    return of


def needed(output):
    """Input function: the files of a table or figure by their group; `files` is the main one."""

    def of(wildcards):
        groups = one_line(needs.files, config, output)
        return {name or "files": files for name, files in groups.items() if files}

    return of


def section_files(section):
    """Input function: what a section shows, and what its notebook and claims read beside it."""
    return lambda wildcards: one_line(needs.section_files, config, section)


def parent(wildcards):
    """Input function: what a training starts from, by the kind of it; or nothing.

    Of the folder of snapshots only the times are known, which a copy changes: that a parent was
    trained anew shows in its model.
    """
    origin = experiments.parent(config, wildcards)
    if origin is None:
        return {}
    axes = {"dataset": wildcards.dataset, "arch": wildcards.arch, "training": origin[0]}
    if origin[1] == "published":
        return {"parent": paths.PUBLISHED_MODEL.format(**axes)}
    model = {"parent": experiments.model(config, axes)}
    if origin[1] == "model":
        return model
    return {**model, "snapshots": ancient(paths.SNAPSHOTS.format(**axes))}


def parent_file(wildcards, input):
    """The argument --parent of a training that has one."""
    origin = experiments.parent(config, wildcards)
    if origin is None:
        return ""
    if "snapshots" not in input.keys():
        return f"--parent {input.parent}"
    return f"--parent {Path(input.snapshots, f'model.epoch-{origin[1]}.safetensors')}"


def ready(stage):
    """What a stage's jobs wait for beside their files: the self-test, which redoes none of them."""
    return [ancient(path) for path in gpus.selftest(config, stage)]


def scales(wildcards):
    """Input function: the noise scales of the inputs, unless they are all the noise's own."""
    search = experiments.search_of(wildcards.scaling)
    return [] if search is None else paths.SCALES.format(search=search, **wildcards)


def drawn(name):
    """Input function: a file of the vote store that certifies for the noise of the path."""
    return lambda wildcards: f"{paths.STORE}/{name}".format(
        **{**wildcards, "noise": experiments.drawn_as(wildcards.noise)}
    )


def radius_table_spec(wildcards):
    """The specification of a radius table, without a scale."""
    made_by = code(**experiments.code_of("radius_table", {}, {"noise": wildcards.shape}))
    return json.dumps({"noise": wildcards.shape, "d": int(wildcards.d), "code": made_by})


def published_spec(wildcards):
    """The specification of what is measured of a published table."""
    one = datasets.published.table(wildcards.name)
    made_by = f"{code(**experiments.code_of('published', {}, {}))} of {one.sha256}"
    settings = experiments.settings(config, "published", {})
    return json.dumps({**settings, "name": one.name, "code": made_by}, sort_keys=True)


def nongaussian_study(part):
    """The specification of what is computed without a classifier."""
    made_by = {"code": code(f"smoothcert.papers.nongaussian.study.{part}")}
    return json.dumps({**experiments.settings(config, part, {}), **made_by}, sort_keys=True)


def shards(suffix, store=paths.STORE):
    """Input function: the parts of one vote store, as many as its data set asks for."""
    return lambda wildcards: experiments.shard_files(config, wildcards.dataset, store, suffix)


def resources_of(stage, network=True):
    """What a job asks for; a retry for a multiple, up to what a site allows; a GPU for a network."""
    given, asked = config["resources"][stage], {}
    for name in ("mem_mb", "runtime"):
        most = int(os.environ.get(f"SMOOTHCERT_MAX_{name.upper()}", 10**9))
        asked[name] = lambda wildcards, attempt, n=name, m=most: min(attempt * given[n], m)
    return {"gpu": given["gpu"] if network else 0, **asked}


def audit_spec(job):
    """Params function: all that decides the result of one job of an audit."""

    def of(wildcards):
        options = one_line(audits.settings, config, job)
        made_by = code(**one_line(audits.code_of, config, job, dict(wildcards)))
        return json.dumps({**options, "code": made_by}, sort_keys=True)

    return of
