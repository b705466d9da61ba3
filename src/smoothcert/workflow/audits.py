"""The jobs of the audits under a configuration: what each takes, and what decides its result.

Nothing is trained or sampled for an audit: its runs are runs of ``experiments``, whose models,
votes and certificates it takes. Paths of results stand below the folder ``audits``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoothcert.audits.catalogue import JOBS, MEMORY_SOUNDNESS, Job, Kind
from smoothcert.audits.outputs import SECTION
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.lbrs import plan as lbrs_plan
from smoothcert.report.output import Run
from smoothcert.workflow import experiments, gpus, needs, paths
from smoothcert.workflow.catalogue import expanded

Config = dict[str, Any]
Files = dict[str, Any]  # the inputs of a rule, by name

_LBRS = "lbrs"  # the key of the certificates of LBRS


def runs(config: Config, kind: Kind, grids: str = "runs") -> list[Run]:
    """The runs that a kind of audit is about, each once."""
    try:
        return experiments.expand(config["audits"][kind.key][grids])
    except SmoothcertError as error:
        raise SmoothcertError(f"configuration: audits.{kind.key}.{grids}.{error}") from None


def of_job(config: Config, job: Job, wildcards: Run) -> list[Run]:
    """The runs of one job: those that its path names."""
    if job.subject in ("run", "routed"):
        return [dict(wildcards)]
    found = [
        run
        for grids in job.grids
        for run in runs(config, job.kind, grids)
        if all(run[axis] == value for axis, value in wildcards.items())
    ]
    if job.subject == "dataset" and len(found) != 1:
        raise SmoothcertError(
            f"configuration: audits.{job.kind.key}.runs: {len(found)} runs of"
            f" {wildcards['dataset']}; expected one per data set"
        )
    return found


def inputs(config: Config, job: Job, wildcards: Run) -> Files:
    """The files of one job: those that its command takes, and those it waits for (``data``)."""
    if job.subject == "nothing":
        return {}
    if job.subject == "lbrs":
        return {"spiral": f"{paths.RESULTS}/lbrs/spiral.npz", "tables": _lbrs(config, job.kind)}
    if job.subject == "whole":
        together = runs(config, job.kind, "together")
        return {
            "tables": [paths.CERTIFICATES.format(**run) for run in runs(config, job.kind)],
            "votes": [f"{paths.STORE}/votes.npz".format(**run) for run in together],
        }
    chosen = of_job(config, job, wildcards)
    if job.subject == "routed":
        models = needs.of_levels(config, chosen[0])["models"]
        estimator = {"model": paths.ROUTER.format(**chosen[0]), "levels": models}
        data = paths.DATA.format(**chosen[0])
        return {"tables": [paths.CERTIFICATES.format(**chosen[0])], **estimator, "data": data}
    return {
        "tables": [paths.CERTIFICATES.format(**run) for run in chosen],
        "model": experiments.model(config, chosen[0]),
        "data": paths.DATA.format(**chosen[0]),
    }


def _lbrs(config: Config, kind: Kind) -> list[str]:
    chosen, seed = config["audits"][kind.key][_LBRS], config["lbrs"]["seeds"][0]
    return [
        f"{lbrs_plan.ROOT}/{task}/certificates/seed-{seed}/{name}"
        for task in chosen["tasks"]
        for bias in chosen["bias"]
        for name in lbrs_plan.certificates(config, task)
        if name.endswith(f"-b{bias:g}.tsv")
    ]


def runs_a_network(job: Job) -> bool:
    """Whether a job computes where ``--device`` says; those of LBRS's certificates do not."""
    return "device" in job.kind.takes and job.subject != "lbrs"


def stage_on_gpu(job: Job) -> str | None:
    """Whose resources a job takes to run a network; None if it runs none."""
    return job.resources if runs_a_network(job) else None


def words(config: Config, job: Job, files: Mapping[str, Any]) -> list[str]:
    """The files of a job as its command takes them, and the device of one that runs a network."""
    given = {k: [v] if isinstance(v, str) else list(v) for k, v in files.items()}
    found = given.pop("tables", [])
    for waited in ("data", "selftest"):
        given.pop(waited, None)
    if stage := stage_on_gpu(job):
        given["device"] = [gpus.device(config, stage)]
    return [*found, *(word for name, some in given.items() for word in (f"--{name}", *some))]


def settings(config: Config, job: Job) -> Config:
    """The options of a job that the configuration gives, with its seeds."""
    kind = job.kind
    grids = {name for one in JOBS if one.kind is kind for name in one.grids}
    given = {k: v for k, v in config["audits"][kind.key].items() if k not in (*grids, _LBRS)}
    seeds = {"seed": config["seed"], "scale_seed": config["seed"]}
    options = {**{k: v for k, v in seeds.items() if k in kind.settings.model_fields}, **given}
    if "together" in job.grids:
        options["budget"] = _budget(config, kind)
    return options


def _budget(config: Config, kind: Kind) -> str:
    """The one budget under which all certificates of a store are looked at together."""
    budgets = sorted({run["budget"] for run in runs(config, kind, "together")})
    if len(budgets) != 1:
        raise SmoothcertError(
            f"configuration: audits.{kind.key}.together: expected one budget, found"
            f" {', '.join(budgets)}"
        )
    return budgets[0]


def code_of(config: Config, job: Job, wildcards: Run) -> Config:
    """The arguments of Source.fingerprint for one job."""
    chosen = of_job(config, job, wildcards) if job.subject not in ("lbrs", "nothing") else []
    slugs = {(axis, slug) for run in chosen for axis, slug in run.items()}
    slugs |= {("noise", noise) for noise in config["audits"][job.kind.key].get("noises", ())}
    return {
        "entries": (job.kind.audit, "smoothcert.audits.job:perform"),
        "parts": frozenset(part for axis, slug in slugs for part in experiments.parts(axis, slug)),
    }


def results(config: Config, job: Job, ending: str = "json") -> list[str]:
    """The files of all jobs of an entry, below the folder of the results."""
    named = [{}] if "{" not in job.path else runs(config, job.kind, job.grids[0])
    return list(dict.fromkeys(f"audits/{job.path}.{ending}".format(**run) for run in named))


def verdicts(config: Config) -> list[str]:
    """The verdicts of all audits."""
    return [path for job in JOBS for path in results(config, job)]


def shown(config: Config) -> dict[str, list[str]]:
    """By the key of each kind: its verdicts and the tables and figures made from its rows."""
    outputs = [(output, needs.files(config, output)) for output in expanded(config, SECTION)]
    found: dict[str, list[str]] = {}
    for job in JOBS:
        made = {
            f"{paths.RESULTS}/{path}" for e in job.kind.endings for path in results(config, job, e)
        }
        show = [needs.shown(o) for o, files in outputs if made.intersection(files.get("", []))]
        verdicts = [f"{paths.RESULTS}/{path}" for path in results(config, job)]
        found.setdefault(job.kind.key, []).extend([*verdicts, *show])
    # Both attack inside the radius.
    found["falsification"] += found["attack_accuracy"]
    return found


def numerics_datasets(config: Config) -> list[str]:
    """The data sets of the audit of the arithmetic."""
    job = _job("numerics")
    return list(dict.fromkeys(run["dataset"] for run in runs(config, job.kind)))


def attacked_balls(config: Config) -> list[str]:
    """What memory-soundness saw, a file a run."""
    return results(config, _job("memory_soundness"), "tsv")


def balls_at_sigma_0(config: Config) -> list[str]:
    """The certificates of those runs at the noise's own scale, of those that there are."""
    every = list(experiments.all_runs(config))
    twins = [{**run, "scaling": "fixed"} for run in runs(config, MEMORY_SOUNDNESS)]
    prefix = f"{paths.RESULTS}/"
    found = (paths.CERTIFICATES.format(**twin) for twin in twins if twin in every)
    return list(dict.fromkeys(path.removeprefix(prefix) for path in found))


def under_attack(config: Config) -> list[str]:
    """Accuracies under attack, a file a run."""
    return results(config, _job("attack_accuracy"), "csv")


def _job(name: str) -> Job:
    return next(job for job in JOBS if job.name == name)
