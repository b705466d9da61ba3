"""Helpers of the rules: checking the configuration, a job's specification, its resources."""

import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config


def home():
    """The folder of this workflow, whoever uses it: for a module of github(), a clone made here."""
    rules = workflow.current_basedir
    if not hasattr(rules, "hosted_repo"):
        return Path(rules.get_path_or_uri(secret_free=False)).parent
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref).hexsha
    clone = Path(".snakemake", f"smoothcert-{commit}").absolute()
    if not clone.exists():
        clone.parent.mkdir(exist_ok=True)
        new = tempfile.mkdtemp(dir=clone.parent)
        repository.clone(new).git.checkout(commit)
        os.rename(new, clone)
    return clone


HOME = home()
SRC = str(HOME / "src")
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


def laid_over(given):
    """config.yaml, over it the preset's file, and over both what is given."""
    config = load_configfile(HOME / "config.yaml")
    preset = given.get("preset", config["preset"])
    preset = str(one_line(naming.preset_file, preset, HOME / "config"))
    workflow.configfiles += [str(HOME / "config.yaml"), preset]
    update_config(config, load_configfile(preset))
    update_config(config, given)
    return config


def chosen_run(config, given):
    """What this call chose: the preset, the files and values over it, and so a folder's name."""
    settings = workflow.config_settings
    # What the user of a module gives is one mapping, whether it comes from files or not.
    reused = not workflow.modifier.is_main_snakefile()
    run = naming.Run(
        config["preset"],
        one_line(naming.preset_file, config["preset"], HOME / "config"),
        naming.presets(HOME / "config"),
        () if reused else tuple((path, load_configfile(path)) for path in settings.configfiles),
        given if reused else settings.config,
        config.get("name"),
    )
    one_line(lambda: run.name)
    return run


def measured(path):
    """Where a job writes what it took, as a parameter."""
    path = workflow.modifier.modify_path(f"<results>/benchmarks/{path}.tsv")
    return workflow.pathvars.apply(path)


def check(config):
    """End with one line that names the key if it is wrong; find and export the data sets."""
    os.environ.update(one_line(configuration.environment, config))
    held = bundle.datasets(Path("results", chosen.name))
    config.update(one_line(stand_ins.available, config, held))
    if workflow.is_main_process:
        one_line(configuration.check, config)
        if held is None:
            sys.stderr.writelines(f"{line}\n" for line in stand_ins.words(config))


SOURCE = Source(SRC)


def code(entries, parts=(), without=()):
    """The fingerprint of the code that begins at `entries`: a change redoes what it decides."""
    return SOURCE.fingerprint(entries, parts, without)


def stamped(settings, code_of):
    """A specification as one JSON text: the settings, and the fingerprint of the code."""
    return json.dumps({**settings, "code": code(**code_of)}, sort_keys=True)


def spec(stage):
    """Params function: all that decides one job's result."""

    def of(wildcards):
        settings = experiments.settings(config, stage, dict(wildcards))
        return stamped(settings, experiments.code_of(stage, settings, dict(wildcards)))

    return of


def output_spec(output):
    """Params function: the specification of a table or figure."""
    return lambda wildcards: stamped(
        {"options": one_line(needs.options, config, output)}, needs.code_of(config, output)
    )


def needed(output):
    """Input function: the files of a table or figure by their group; `files` is the main one."""

    def of(wildcards):
        groups = one_line(needs.files, config, output)
        return {name or "files": files for name, files in groups.items() if files}

    return of


def about(section, title=""):
    """Params function: what a caption says. A function of `input` is no reason to do a job again."""
    return lambda wildcards, input: " ".join(filter(None, [title and f"{title}.", section.claim]))


def section_files(section, report=False):
    """Input function: what a section shows, and what its notebook and claims read beside it."""
    return lambda wildcards: one_line(needs.section_files, config, section, report)


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
    settings = experiments.settings(config, part, {})
    return stamped(settings, {"entries": f"smoothcert.papers.nongaussian.study.{part}"})


def shards(suffix, store=paths.STORE):
    """Input function: the parts of one vote store, as many as its data set asks for."""
    return lambda wildcards: experiments.shard_files(config, wildcards.dataset, store, suffix)


def audit_spec(job):
    """Params function: all that decides the result of one job of an audit."""
    return lambda wildcards: stamped(
        one_line(audits.settings, config, job),
        one_line(audits.code_of, config, job, dict(wildcards)),
    )
