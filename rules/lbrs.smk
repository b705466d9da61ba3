"""Locally Biased Randomized Smoothing (Anderson and Sojoudi): figures 1 to 6, claims, certificates."""

from smoothcert.papers.lbrs import plan as lbrs_plan


wildcard_constraints:
    task="|".join(config["lbrs"]["tasks"]),
    seed=r"\d+",


rule lbrs_spiral:
    output:
        arrays="<results>/lbrs/spiral.npz",
        table=report("<results>/lbrs/spiral.csv", category="LBRS", labels={"what": "radii"}),
    log:
        "<logs>/lbrs/spiral.log",
    benchmark:
        "<benchmarks>/lbrs/spiral.tsv"
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output.arrays, strip_suffix=".npz"),
        spec=lambda wildcards: lbrs_plan.spec(
            config, "spiral", wildcards, fingerprint("smoothcert.lbrs.spiral", SRC)
        ),
    shell:
        "smoothcert lbrs spiral --spec {params.spec:q} --out {params.base} > {log} 2>&1"


rule lbrs_image:
    input:
        lambda wildcards: f"<results>/data/{lbrs_plan.dataset(config, wildcards.task)}.json",
    output:
        "<results>/lbrs/{task}/seed-{seed}.csv",
    log:
        "<logs>/lbrs/{task}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/lbrs/{task}/seed-{seed}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["lbrs"]["threads"]
    resources:
        gpu=config["resources"]["lbrs"]["gpu"],
        mem_mb=resource("lbrs", "mem_mb"),
        runtime=resource("lbrs", "runtime"),
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        spec=lambda wildcards: lbrs_plan.spec(
            config, "image", wildcards, fingerprint("smoothcert.lbrs.image", SRC)
        ),
    shell:
        "OMP_NUM_THREADS={threads} smoothcert lbrs image --spec {params.spec:q}"
        " --out {params.base} > {log} 2>&1"


# One rule a task, for the number of tables depends on it.
for lbrs_task in config["lbrs"]["tasks"]:

    rule:
        name:
            f"lbrs_certify_{lbrs_task}"
        input:
            f"<results>/data/{lbrs_plan.dataset(config, lbrs_task)}.json",
        output:
            expand(
                "<results>/lbrs/{task}/certificates/seed-{{seed}}/{table}",
                task=lbrs_task,
                table=lbrs_plan.certificates(config, lbrs_task),
            ),
        log:
            f"<logs>/lbrs/{lbrs_task}/certify-{{seed}}.log",
        conda:
            "../envs/smoothcert.yaml"
        threads: config["resources"]["lbrs"]["threads"]
        resources:
            mem_mb=resource("lbrs", "mem_mb"),
            runtime=resource("lbrs", "runtime"),
        params:
            folder=subpath(output[0], parent=True),
            spec=lambda wildcards, task=lbrs_task: lbrs_plan.spec(
                config,
                "certify",
                {"task": task, "seed": wildcards.seed},
                fingerprint("smoothcert.lbrs.smooth", SRC),
            ),
        shell:
            "OMP_NUM_THREADS={threads} smoothcert lbrs certify --spec {params.spec:q}"
            " --out {params.folder} > {log} 2>&1"


# The figures of the paper: 1 and 2 the spiral, 3 and 4 the first task, 5 and 6 the second.
for lbrs_figure, lbrs_name in {"fig1": "regions", "fig2": "radii"}.items():

    rule:
        name:
            f"lbrs_{lbrs_figure}"
        input:
            rules.lbrs_spiral.output.arrays,
        output:
            f"<results>/figures/lbrs_{lbrs_figure}.pdf",
            report(
                f"<results>/figures/lbrs_{lbrs_figure}.png",
                category="LBRS",
                labels={"what": f"figure {lbrs_figure[3:]}"},
            ),
        log:
            f"<logs>/figures/lbrs_{lbrs_figure}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            name=lbrs_name,
            base=subpath(output[0], strip_suffix=".pdf"),
            code=fingerprint("smoothcert.papers.lbrs.figures", SRC),
        shell:
            "smoothcert lbrs figure {params.name} {input} --out {params.base} > {log} 2>&1"


for lbrs_number, (lbrs_name, lbrs_task) in enumerate(
    [(name, task) for task in config["lbrs"]["tasks"] for name in ("sweep", "attack")], 3
):

    rule:
        name:
            f"lbrs_fig{lbrs_number}"
        input:
            lbrs_plan.accuracies(config, lbrs_task),
        output:
            f"<results>/figures/lbrs_fig{lbrs_number}.pdf",
            report(
                f"<results>/figures/lbrs_fig{lbrs_number}.png",
                category="LBRS",
                labels={"what": f"figure {lbrs_number}"},
            ),
        log:
            f"<logs>/figures/lbrs_fig{lbrs_number}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            name=lbrs_name,
            base=subpath(output[0], strip_suffix=".pdf"),
            title=lbrs_plan.title(config, lbrs_task),
            code=fingerprint("smoothcert.papers.lbrs.figures", SRC),
        shell:
            "smoothcert lbrs figure {params.name} {input} --title {params.title:q}"
            " --out {params.base} > {log} 2>&1"


rule lbrs_claims:
    input:
        spiral=rules.lbrs_spiral.output.arrays,
        images=[f for task in config["lbrs"]["tasks"] for f in lbrs_plan.accuracies(config, task)],
    output:
        report("<results>/tables/lbrs_claims.csv", category="LBRS", labels={"what": "claims"}),
        "<results>/tables/lbrs_claims.md",
    log:
        "<logs>/tables/lbrs_claims.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        named=lambda wildcards, input: [
            f"{lbrs_plan.label(config, Path(f).parent.name)}={f}" for f in input.images
        ],
        code=fingerprint("smoothcert.papers.lbrs.verdicts", SRC),
    shell:
        "smoothcert lbrs claims --spiral {input.spiral} --out {params.base} {params.named:q}"
        " > {log} 2>&1"


rule lbrs_certificates:
    input:
        lbrs_plan.all_certificates(config),
    localrule: True


rule lbrs_report:
    input:
        spiral=rules.lbrs_spiral.output.table,
        claims=rules.lbrs_claims.output[0],
        certificates=lbrs_plan.all_certificates(config),
        figures=expand("<results>/figures/lbrs_fig{n}.png", n=range(1, 7)),
        notebook="notebooks/lbrs.ipynb",
    output:
        report("<results>/reports/lbrs.html", category="LBRS", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/lbrs.ipynb",
        text="<logs>/reports/lbrs.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        figures=lambda wildcards, input: str(Path(input.figures[0]).parent),
        certificates=lambda wildcards, input: str(Path(input.certificates[0]).parents[3]),
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook}"
        " -p spiral {input.spiral} -p claims {input.claims} -p figures {params.figures}"
        " -p certificates {params.certificates} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule lbrs:
    input:
        expand("<results>/figures/lbrs_fig{n}.png", n=range(1, 7)),
        rules.lbrs_claims.output,
        rules.lbrs_certificates.input,
        rules.lbrs_report.output,
    localrule: True
