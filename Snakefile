"""Certified robustness by randomized smoothing: every table and figure is a target.

`snakemake cohen_table` makes one table, `snakemake cohen` all of one paper, `snakemake`
everything of the preset; `snakemake --config preset=laptop` takes another preset, and
`--configfile my.yaml` changes some of it, in a folder of its own (results/smoke-my).
"""

from snakemake.utils import min_version

min_version("9.16")


include: "rules/common.smk"


# Later values win: config.yaml, the preset's file, then what is given on the command line, or by
# whoever uses this workflow as a module.
given = config
config = laid_over(given)
# What differs from a preset has a folder of its own.
chosen = chosen_run(config, given)
check(config)


# With --sdm apptainer all jobs run in it.
container: config["container"]


# Nothing is sampled or trained into a folder that came from a bundle (docs/regenerate.md).
shipped = one_line(bundle.opened, Path("results", chosen.name), config)


pathvars:
    results=f"results/{chosen.name}",
    logs=f"results/{chosen.name}/logs",


report: "rules/report/workflow.rst"


# Caps local runs where gpu=1 is set (profiles/default), never submissions to a cluster.
resource_scopes:
    gpu="local",


# A slug has no slash, so a path names one run only.
wildcard_constraints:
    dataset=r"[a-z0-9-]+",
    arch=r"[a-z0-9_]+",
    training=r"[^/]+",
    noise=r"[^/]+",
    scaling=r"[^/]+",
    budget=r"[^/]+",


shown = [
    (section, entry)
    for section in catalogue.SECTIONS
    for entry in catalogue.expanded(config, section)
    if not (shipped and entry.outside)
]


# What gives the files of a bundle
if not shipped:

    include: "rules/data.smk"
    include: "rules/selftest.smk"
    include: "rules/training.smk"
    include: "rules/certification.smk"
    include: "rules/live.smk"
    include: "rules/lbrs.smk"
    include: "rules/published.smk"
    include: "rules/nongaussian.smk"
    include: "rules/audits.smk"


include: "rules/outputs.smk"
include: "rules/overview.smk"
include: "rules/plan.smk"


# Snakemake 9 limits how many jobs start in a second by a timer that arms itself again; each job
# that ends adds one more, until looking for jobs takes much of a core. Only a cluster needs a limit.
onstart:
    # where published certificates are wanted and not there, or inside a job of Slurm
    for words in filter(None, (needs.left_out_words(config), gpus.inside_a_job())):
        print(words, file=sys.stderr)
    bundle.keep(Path("results", chosen.name), config)
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
        # Only a long run, with Snakemake's own Python, is worth a process that has imported all.
        ours = not workflow.deployment_settings.deployment_method
        if ours and len([*workflow.dag.needrun_jobs()]) > 20:
            warm.start()


rule all:
    default_target: True
    input:
        rules.page.output,
    localrule: True
