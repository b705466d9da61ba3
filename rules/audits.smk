"""Attempts to break every kind of certificate; a verdict a promise.

Nothing is trained or sampled for an audit: `audits.{kind}.runs` in config.yaml names runs of
`experiments`, whose models, votes and certificates it takes. A broken promise of a paper is a
result, and its job succeeds. Where a variant that this project calls sound is broken, the job
fails; since Snakemake deletes what a failed job made, the verdicts are then beside its log.
"""

AUDITED = "{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}"


rule audit_memory_run:
    input:
        rules.data.output,
        rules.certify.output.record,
        table=rules.certify.output.table,
        model=rules.train.output.model,
    output:
        verdicts=f"<results>/audits/memory_soundness/{AUDITED}.json",
        attacked=f"<results>/audits/memory_soundness/{AUDITED}.tsv",
        witnesses=f"<results>/audits/memory_soundness/{AUDITED}.npz",
    log:
        f"<logs>/audits/memory_soundness/{AUDITED}.log",
    benchmark:
        f"<benchmarks>/audits/memory_soundness/{AUDITED}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        base=subpath(output.verdicts, strip_suffix=".json"),
        spec=audit_spec("memory_soundness", lambda w: [dict(w)], scale_seed=config["seed"]),
    shell:
        "python -m smoothcert audit memory-soundness {input.table} --model {input.model}"
        " --spec {params.spec:q} --out {params.base} --quiet > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"


# Which of the runs there are at the noise's own scale too, to compare radii with
AUDIT_MEMORY_FIXED = [
    run
    for run in audited("memory_soundness")
    if {**run, "scaling": "fixed"} in list(experiments.all_runs(config))
]


rule audit_memory_figure:
    input:
        attacked=[
            rules.audit_memory_run.output.attacked.format(**run)
            for run in audited("memory_soundness")
        ],
        fixed=[paths.CERTIFICATES.format(**{**run, "scaling": "fixed"}) for run in AUDIT_MEMORY_FIXED],
    output:
        "<results>/figures/audit_memory.pdf",
        report(
            "<results>/figures/audit_memory.png",
            category="Audits",
            labels={"what": "noise scales inside balls"},
        ),
    log:
        "<logs>/figures/audit_memory.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".pdf"),
        attacked=audit_named("attacked", audited("memory_soundness")),
        fixed=audit_named("fixed", AUDIT_MEMORY_FIXED),
        code=code("smoothcert.cli.audits.memory_figure"),
    shell:
        "python -m smoothcert audit memory-figure {params.attacked:q} --fixed {params.fixed:q}"
        " --out {params.base} > {log} 2>&1"


rule audit_memory_soundness:
    input:
        [
            rules.audit_memory_run.output.verdicts.format(**run)
            for run in audited("memory_soundness")
        ],
        rules.audit_memory_figure.output,
    localrule: True


rule audit_falsification_model:
    input:
        rules.data.output,
        tables=lambda w: [
            paths.CERTIFICATES.format(**run)
            for run in audited_models("falsification")[w.dataset, w.arch, w.training]
        ],
        model=rules.train.output.model,
    output:
        verdicts="<results>/audits/falsification/{dataset}/{arch}/{training}.json",
        attacked="<results>/audits/falsification/{dataset}/{arch}/{training}.tsv",
        points="<results>/audits/falsification/{dataset}/{arch}/{training}.npz",
    log:
        "<logs>/audits/falsification/{dataset}/{arch}/{training}.log",
    benchmark:
        "<benchmarks>/audits/falsification/{dataset}/{arch}/{training}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        base=subpath(output.verdicts, strip_suffix=".json"),
        spec=audit_spec(
            "falsification",
            lambda w: audited_models("falsification")[w.dataset, w.arch, w.training],
            drop=("runs", "lbrs"),
        ),
    shell:
        "python -m smoothcert audit falsification {input.tables} --model {input.model}"
        " --spec {params.spec:q} --out {params.base} > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"


rule audit_falsification_lbrs:
    input:
        spiral=rules.lbrs_spiral.output.arrays,
        tables=[
            f"{lbrs_plan.ROOT}/{task}/certificates/seed-{config['lbrs']['seeds'][0]}/{name}"
            for task in config["audits"]["falsification"]["lbrs"]["tasks"]
            for bias in config["audits"]["falsification"]["lbrs"]["bias"]
            for name in lbrs_plan.certificates(config, task)
            if name.endswith(f"-b{bias:g}.tsv")
        ],
    output:
        verdicts="<results>/audits/falsification/lbrs.json",
        attacked="<results>/audits/falsification/lbrs.tsv",
        points="<results>/audits/falsification/lbrs.npz",
    log:
        "<logs>/audits/falsification/lbrs.log",
    benchmark:
        "<benchmarks>/audits/falsification/lbrs.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["lbrs"]["threads"]
    resources:
        mem_mb=resource("lbrs", "mem_mb"),
        runtime=resource("lbrs", "runtime"),
    params:
        base=subpath(output.verdicts, strip_suffix=".json"),
        spec=audit_spec("falsification", drop=("runs", "lbrs")),
    shell:
        "python -m smoothcert audit falsification {input.tables} --spiral {input.spiral}"
        " --spec {params.spec:q} --out {params.base} > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"


rule audit_attack_run:
    input:
        rules.data.output,
        rules.certify.output.record,
        table=rules.certify.output.table,
        model=rules.train.output.model,
    output:
        verdicts=f"<results>/audits/attack_accuracy/{AUDITED}.json",
        rows=f"<results>/audits/attack_accuracy/{AUDITED}.csv",
        figures=multiext(f"<results>/audits/attack_accuracy/{AUDITED}", ".pdf", ".png"),
    log:
        f"<logs>/audits/attack_accuracy/{AUDITED}.log",
    benchmark:
        f"<benchmarks>/audits/attack_accuracy/{AUDITED}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        base=subpath(output.verdicts, strip_suffix=".json"),
        spec=audit_spec("attack_accuracy", lambda w: [dict(w)]),
    shell:
        "python -m smoothcert audit attack-accuracy {input.table} --model {input.model}"
        " --spec {params.spec:q} --out {params.base} > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"


rule audit_attack_figure:
    input:
        [rules.audit_attack_run.output.rows.format(**run) for run in audited("attack_accuracy")],
    output:
        "<results>/figures/audit_attack_accuracy.pdf",
        report(
            "<results>/figures/audit_attack_accuracy.png",
            category="Audits",
            labels={"what": "certified accuracy and accuracy under attack"},
        ),
    log:
        "<logs>/figures/audit_attack_accuracy.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".pdf"),
        code=code("smoothcert.audits.figure_attack"),
    shell:
        "python -m smoothcert audit attack-accuracy {input} --out {params.base} > {log} 2>&1"


rule audit_falsification:
    input:
        [
            "<results>/audits/falsification/{}/{}/{}.json".format(*model)
            for model in audited_models("falsification")
        ],
        rules.audit_falsification_lbrs.output.verdicts,
        [rules.audit_attack_run.output.verdicts.format(**run) for run in audited("attack_accuracy")],
        rules.audit_attack_figure.output,
    localrule: True


rule audit_coverage:
    output:
        "<results>/audits/coverage.json",
        "<results>/audits/coverage.csv",
        "<results>/figures/audit_coverage.pdf",
        report(
            "<results>/figures/audit_coverage.png",
            category="Audits",
            labels={"what": "failure rates of confidence procedures"},
        ),
    log:
        "<logs>/audits/coverage.log",
    benchmark:
        "<benchmarks>/audits/coverage.tsv"
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".json"),
        figure=subpath(output[2], strip_suffix=".pdf"),
        spec=audit_spec("coverage", drop=()),
    shell:
        "python -m smoothcert audit coverage --spec {params.spec:q} --out {params.base}"
        " > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"
        "; mv {params.base}.pdf {params.figure}.pdf; mv {params.base}.png {params.figure}.png"


rule audit_honesty:
    input:
        tables=[paths.CERTIFICATES.format(**run) for run in audited("honesty")],
        votes=[f"{paths.STORE}/votes.npz".format(**run) for run in audited("honesty", "together")],
    output:
        "<results>/audits/honesty.json",
        multiext("<results>/audits/honesty-together", ".csv", ".md", ".tex"),
        multiext("<results>/audits/honesty-optimism", ".csv", ".md", ".tex"),
        pdf="<results>/figures/audit_honesty.pdf",
        png=report(
            "<results>/figures/audit_honesty.png",
            category="Audits",
            labels={"what": "whole tables, and choices made on test inputs"},
        ),
    log:
        "<logs>/audits/honesty.log",
    benchmark:
        "<benchmarks>/audits/honesty.tsv"
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".json"),
        figure=subpath(output.pdf, strip_suffix=".pdf"),
        spec=audit_honesty_spec,
    shell:
        "python -m smoothcert audit honesty {input.tables} --votes {input.votes}"
        " --spec {params.spec:q} --out {params.base} > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"
        "; mv {params.base}.pdf {params.figure}.pdf; mv {params.base}.png {params.figure}.png"


rule audit_numerics_run:
    input:
        "<results>/data/{dataset}.json",
        table=lambda w: paths.CERTIFICATES.format(**audit_numerics_of(w)),
        model=lambda w: paths.MODEL.format(**audit_numerics_of(w)),
    output:
        "<results>/audits/numerics-{dataset}.json",
        multiext("<results>/audits/numerics-{dataset}-arithmetic", ".csv", ".md", ".tex"),
        pdf="<results>/figures/audit_numerics_{dataset}.pdf",
        png=report(
            "<results>/figures/audit_numerics_{dataset}.png",
            category="Audits",
            labels={"what": "other arithmetic, {dataset}"},
        ),
    log:
        "<logs>/audits/numerics-{dataset}.log",
    benchmark:
        "<benchmarks>/audits/numerics-{dataset}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        base=subpath(output[0], strip_suffix=".json"),
        figure=subpath(output.pdf, strip_suffix=".pdf"),
        spec=audit_spec("numerics", lambda w: [audit_numerics_of(w)]),
    shell:
        "python -m smoothcert audit numerics {input.table} --model {input.model}"
        " --spec {params.spec:q} --out {params.base} > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"
        "; mv {params.base}.pdf {params.figure}.pdf; mv {params.base}.png {params.figure}.png"


rule audit_numerics:
    input:
        [
            f"<results>/audits/numerics-{dataset}.json"
            for dataset in dict.fromkeys(run["dataset"] for run in audited("numerics"))
        ],
    localrule: True


rule audit_radii:
    output:
        "<results>/audits/radii.json",
    log:
        "<logs>/audits/radii.log",
    benchmark:
        "<benchmarks>/audits/radii.tsv"
    conda:
        "../envs/smoothcert.yaml"
    params:
        noises=config["audits"]["radii"]["noises"],
        spec=audit_spec(
            "radii",
            lambda w: [{"noise": noise} for noise in config["audits"]["radii"]["noises"]],
            drop=("noises",),
        ),
    shell:
        "python -m smoothcert audit radii {params.noises} --spec {params.spec:q} --out {output}"
        " > {log} 2>&1"
        " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"


AUDIT_VERDICTS = [
    *(f for f in rules.audit_memory_soundness.input if f.endswith(".json")),
    *(f for f in rules.audit_falsification.input if f.endswith(".json")),
    rules.audit_coverage.output[0],
    rules.audit_radii.output[0],
    rules.audit_honesty.output[0],
    *rules.audit_numerics.input,
]
AUDIT_FIGURES = [
    rules.audit_memory_figure.output[1],
    rules.audit_attack_figure.output[1],
    rules.audit_coverage.output[3],
    rules.audit_honesty.output.png,
    *(
        rules.audit_numerics_run.output.png.format(dataset=run["dataset"])
        for run in audited("numerics")
    ),
]


rule audit_summary:
    input:
        AUDIT_VERDICTS,
    output:
        report("<results>/audits/summary.html", category="Audits", labels={"what": "every promise"}),
    log:
        "<logs>/audits/summary.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code("smoothcert.cli.audits.summary"),
    shell:
        "python -m smoothcert audit summary {input} --out {output} > {log} 2>&1"


rule audit_report:
    input:
        notebook="notebooks/audits.ipynb",
        verdicts=AUDIT_VERDICTS,
        figures=AUDIT_FIGURES,
    output:
        report("<results>/reports/audits.html", category="Audits", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/audits.ipynb",
        text="<logs>/reports/audits.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        files=lambda wildcards, input: json.dumps(
            {"verdicts": list(input.verdicts), "figures": list(input.figures)}
        ),
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook} -y {params.files:q} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule audits:
    input:
        rules.audit_summary.output,
        rules.audit_report.output,
        AUDIT_FIGURES,
    localrule: True
