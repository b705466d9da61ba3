"""Helpers of the audits: what each is about, its specification."""


def audited(kind, key="runs"):
    """The runs that a kind of audit is about, each once."""
    try:
        return experiments.expand(config["audits"][kind][key])
    except SmoothcertError as error:
        raise WorkflowError(f"configuration: audits.{kind}.{key}.{error}") from None


def audited_models(kind):
    """The same by their model: {(dataset, arch, training): runs}."""
    models = {}
    for run in audited(kind):
        models.setdefault((run["dataset"], run["arch"], run["training"]), []).append(run)
    return models


def audit_spec(kind, of=lambda wildcards: [], drop=("runs",), **more):
    """The specification of one audit; `of` gives the runs that decide which code it runs."""

    def made(wildcards):
        options = {k: v for k, v in config["audits"][kind].items() if k not in drop}
        parts = (experiments.code_of("audit", {}, run)["parts"] for run in of(wildcards))
        options["code"] = code(f"smoothcert.cli.audits.{kind}", frozenset().union(*parts))
        return json.dumps({"seed": config["seed"], **options, **more}, sort_keys=True)

    return made


def audit_named(pattern, runs):
    """NAME=FILE of each run, as the figure of memory-soundness takes them."""
    axes = [a for a in experiments.AXES if len({run[a] for run in audited("memory_soundness")}) > 1]
    axes = [a for a in axes if a != "noise"] or ["training"]
    return lambda wildcards, input: [
        f"{', '.join(run[a] for a in axes)}={file}" for run, file in zip(runs, input[pattern])
    ]


def audit_budget(wildcards):
    """The one budget under which all certificates of a store are looked at together."""
    budgets = {run["budget"] for run in audited("honesty", "together")}
    if len(budgets) > 1:
        raise WorkflowError(
            "configuration: audits.honesty.together: expected one budget, found"
            f" {', '.join(sorted(budgets))}"
        )
    return budgets.pop()


def audit_honesty_spec(wildcards):
    """The specification of the audit of whole tables."""
    of = lambda w: [*audited("honesty"), *audited("honesty", "together")]
    more = {"budget": audit_budget(wildcards)}
    return audit_spec("honesty", of, drop=("runs", "together"), **more)(wildcards)


def audit_numerics_of(wildcards):
    """The run of a data set whose certificates are made in other arithmetic."""
    of = [run for run in audited("numerics") if run["dataset"] == wildcards.dataset]
    if len(of) != 1:
        raise WorkflowError(
            f"configuration: audits.numerics.runs: {len(of)} runs of {wildcards.dataset}; expected"
            " one of a data set"
        )
    return of[0]
