"""Helpers of the rules: checking the configuration, a job's specification, its resources."""

import json
import os
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

SRC = os.path.join(workflow.basedir, "src")
sys.path.insert(0, SRC)

from smoothcert.workflow import experiments
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.provenance import fingerprint

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

MODEL = "<results>/models/{dataset}/{arch}/{training}/model.safetensors"
SNAPSHOTS = "<results>/models/{dataset}/{arch}/{training}/snapshots"
PUBLISHED_MODEL = "<results>/published/{dataset}/{arch}/{training}.safetensors"
SCALES = "<results>/scales/{dataset}/{arch}/{training}/{noise}/{search}.tsv"
STORE = "<results>/votes/{dataset}/{arch}/{training}/{noise}/{scaling}"
RADIUS_TABLE = "<results>/radius-tables/{shape}/{d}.json"
CERTIFICATES = "<results>/certificates/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"
MEMORY = "<results>/memory/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"


def overlay(config):
    """The file of the chosen preset, checked before Snakemake looks for it."""
    presets = sorted(p.stem for p in Path(workflow.basedir, "config").glob("*.yaml"))
    presets.remove("schema")
    if config.get("preset") not in presets:
        raise WorkflowError(
            f"configuration: preset: {config.get('preset')!r}; expected one of {', '.join(presets)}"
        )
    return f"config/{config['preset']}.yaml"


def check(config):
    """End with one line that names the key if the configuration is wrong; export data_dir."""
    schema = Path(workflow.basedir, "config", "schema.yaml").read_text()
    try:
        experiments.check_schema(config, yaml.safe_load(schema))
        if workflow.is_main_process:
            experiments.check_choices(config)
    except SmoothcertError as error:
        raise WorkflowError(str(error)) from None
    if config["data_dir"]:
        os.environ.update(SMOOTHCERT_DATA=os.path.abspath(config["data_dir"]))


@cache
def code(modules, parts=frozenset(), without=frozenset()):
    """The fingerprint of the code that begins in `modules`: a change redoes what it decides."""
    return fingerprint(modules, SRC, parts, without)


def spec(stage):
    """Params function: all that decides one job's result, as one JSON text."""

    def of(wildcards):
        settings = experiments.settings(config, stage, dict(wildcards))
        settings["code"] = code(**experiments.code_of(stage, settings, dict(wildcards)))
        return json.dumps(settings, sort_keys=True)

    return of


def output_spec(kind, name):
    """The specification of the table or figure `name`; its options are under `outputs`."""
    options = config["outputs"].get(f"{name}_{kind}", {})
    fingerprint = code(f"smoothcert.cli.{kind}", frozenset([f"{kind}s.{name}"]))
    return json.dumps({**options, "code": fingerprint}, sort_keys=True)


def runs(section, pattern=CERTIFICATES):
    """The path `pattern` of every run in a section of `experiments`, each once."""
    return list(dict.fromkeys(pattern.format(**run) for run in experiments.runs(config, section)))


def parent(wildcards):
    """Input function: what a training starts from, a model or the snapshots of one; or nothing."""
    origin = experiments.parent(config, wildcards)
    if origin is None:
        return []
    training, part = origin
    pattern = {"model": MODEL, "published": PUBLISHED_MODEL}.get(part, SNAPSHOTS)
    return pattern.format(dataset=wildcards.dataset, arch=wildcards.arch, training=training)


def parent_file(wildcards, input):
    """The argument --parent of a training that has one."""
    origin = experiments.parent(config, wildcards)
    if origin is None:
        return ""
    if not isinstance(origin[1], int):
        return f"--parent {input.parent}"
    return f"--parent {Path(input.parent, f'model.epoch-{origin[1]}.safetensors')}"


def normalization(wildcards):
    """The first layer of a published model, which its file does not hold."""
    return experiments.recipe(config, wildcards)["normalization"]


def scales(wildcards):
    """Input function: the noise scales of the inputs, unless they are all the noise's own."""
    search = experiments.search_of(wildcards.scaling)
    return [] if search is None else SCALES.format(search=search, **wildcards)


def training_logs(noise):
    """The logs of the trainings that `experiments.training` certifies under a noise."""
    pattern = f"{Path(MODEL).with_suffix('.log.csv')}"
    wanted = [run for run in experiments.runs(config, "training") if run["noise"] == noise]
    return [pattern.format(**run) for run in wanted]


def memorized(section):
    """The certificates of a section, those with scales of their own as the memory leaves them."""
    files = {
        (CERTIFICATES if run["scaling"] == "fixed" else MEMORY).format(**run): None
        for run in experiments.runs(config, section)
    }
    return list(files)


def section_runs(sections, name):
    """The certificates that a table or figure shows, each once: those of `sections[name]`, or of
    the section of its own name."""
    name = name if name in sections else name.removesuffix("_table")
    chosen = sections.get(name, [name])
    return list(dict.fromkeys(path for section in chosen for path in memorized(section)))


def notebook_parameters(wildcards, input):
    """The parameters of a report notebook: the preset and the files it shows."""
    files = {"certificates": list(input.certificates), "table": input.table, "figure": input.figure}
    return json.dumps({"preset": config["preset"], **files})


def live_runs(table, pattern):
    """The path `pattern` of every run of a table of ISS that is sampled for its budget alone."""
    return [pattern.format(**run) for run in experiments.live_runs(config, table)]


def iss_spec(part):
    """The specification of what ISS draws in closed form, replays or audits."""
    fingerprint = code("smoothcert.cli.iss", experiments.ISS_PARTS)
    options = {**config["iss"][part], **({"seed": config["seed"]} if part == "replay" else {})}
    return json.dumps({**options, "code": fingerprint}, sort_keys=True)


def published(wildcards):
    """Input function: the published certificate tables; one line if no folder is configured."""
    try:
        return experiments.published(config)
    except SmoothcertError as error:
        raise WorkflowError(str(error)) from None


def radius_tables(runs):
    """The radius tables that runs read, each once."""
    return list(
        dict.fromkeys(
            RADIUS_TABLE.format(shape=shape, d=experiments.dimension(run["dataset"]))
            for run in runs
            if (shape := experiments.tabulated(run["noise"]))
        )
    )


def drawn(name):
    """Input function: a file of the vote store that certifies for the noise of the path."""
    return lambda wildcards: f"{STORE}/{name}".format(
        **{**wildcards, "noise": experiments.drawn_as(wildcards.noise)}
    )


def nongaussian_certify_spec(wildcards):
    """The specification of a certificate, with what its votes are read as."""
    settings = experiments.settings(config, "certify", dict(wildcards))
    fingerprint = code(**experiments.code_of("certify", settings, dict(wildcards)))
    return json.dumps({**settings, "noise": wildcards.noise, "code": fingerprint}, sort_keys=True)


def radius_table_spec(wildcards):
    """The specification of a radius table, without a scale."""
    noise = {"noise": wildcards.shape}
    fingerprint = code(**experiments.code_of("radius_table", {}, noise))
    return json.dumps({**noise, "d": int(wildcards.d), "code": fingerprint}, sort_keys=True)


def nongaussian_runs(sections):
    """The runs of sections of `experiments`."""
    return [run for section in sections for run in experiments.runs(config, section)]


def nongaussian_certificates(sections):
    """The certificates of sections of `experiments`, each once."""
    return list(dict.fromkeys(path for section in sections for path in runs(section)))


def nongaussian_spec(kind, name, sections):
    """The specification of a table or figure, with the code of the noises that it shows."""
    noises = dict.fromkeys(run["noise"] for run in nongaussian_runs(sections))
    parts = [part for noise in noises for part in experiments.noise_parts(noise)]
    fingerprint = code(f"smoothcert.cli.{kind}", frozenset([f"{kind}s.{name}", *parts]))
    return json.dumps({"code": fingerprint}, sort_keys=True)


def nongaussian_study(part):
    """The specification of what is computed without a classifier."""
    settings = {**config["nongaussian"][part], "seed": config["seed"]}
    return json.dumps({**settings, "code": code(f"smoothcert.papers.nongaussian.study.{part}")}, sort_keys=True)


def shards(suffix, store=STORE):
    """Input function: the parts of one vote store, as many as its data set asks for."""

    def of(wildcards):
        n = experiments.shards(config, wildcards.dataset)
        return [f"{store}/shards/{i}-of-{n}{suffix}" for i in range(n)]

    return of


def resource(stage, name):
    """A resource of one job of a stage; a retry asks for a multiple, up to what a site allows."""
    most = int(os.environ.get(f"SMOOTHCERT_MAX_{name.upper()}", 10**9))
    return lambda wildcards, attempt: min(attempt * config["resources"][stage][name], most)
