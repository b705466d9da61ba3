"""Locally Biased Randomized Smoothing (Anderson and Sojoudi): what is computed for it."""

from smoothcert.papers.lbrs import plan as lbrs_plan


wildcard_constraints:
    task="|".join(config["lbrs"]["tasks"]),
    seed=r"\d+",


rule lbrs_spiral:
    output:
        arrays="<results>/lbrs/spiral.npz",
        table="<results>/lbrs/spiral.csv",
    log:
        "<logs>/lbrs/spiral.log",
    conda:
        "../envs/smoothcert.yaml"
    params:
        benchmark=measured("lbrs/spiral"),
        base=subpath(output.arrays, strip_suffix=".npz"),
        spec=lambda wildcards: lbrs_plan.spec(
            config, "spiral", wildcards, code("smoothcert.lbrs.spiral")
        ),
    shell:
        "python -m smoothcert lbrs spiral --spec {params.spec:q} --out {params.base}"
        " --benchmark {params.benchmark} > {log} 2>&1"


rule lbrs_image:
    input:
        lambda wildcards: f"<results>/data/{lbrs_plan.dataset(config, wildcards.task)}.json",
        ready("lbrs"),
    output:
        "<results>/lbrs/{task}/seed-{seed}.csv",
        "<results>/lbrs/{task}/seed-{seed}.json",
    log:
        "<logs>/lbrs/{task}/seed-{seed}.log",
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["lbrs"]["threads"]
    resources:
        **gpus.resources(config, "lbrs"),
    params:
        benchmark=measured("lbrs/{task}/seed-{seed}"),
        base=subpath(output[0], strip_suffix=".csv"),
        spec=lambda wildcards: lbrs_plan.spec(
            config,
            "image",
            wildcards,
            code(
                "smoothcert.lbrs.image",
                experiments.parts("dataset", lbrs_plan.dataset(config, wildcards.task)),
            ),
        ),
    shell:
        "OMP_NUM_THREADS={threads} python -m smoothcert lbrs image --spec {params.spec:q}"
        f" --out {{params.base}} --device {gpus.device(config, 'lbrs')}"
        " --benchmark {params.benchmark} > {log} 2>&1"


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
            **gpus.resources(config, "lbrs", network=False),
        params:
            folder=subpath(output[0], parent=True),
            spec=lambda wildcards, task=lbrs_task: lbrs_plan.spec(
                config,
                "certify",
                {"task": task, "seed": wildcards.seed},
                code("smoothcert.lbrs.smooth"),
            ),
        shell:
            "OMP_NUM_THREADS={threads} python -m smoothcert lbrs certify --spec {params.spec:q}"
            " --out {params.folder} > {log} 2>&1"
