"""Base classifiers, trained under noise."""


# Snapshots are the states that other trainings branch from: none of most trainings.
rule train:
    input:
        rules.data.output,
        parent=parent,
    output:
        model=MODEL,
        log="<results>/models/{dataset}/{arch}/{training}/model.log.csv",
        snapshots=directory(SNAPSHOTS),
    log:
        "<logs>/train/{dataset}/{arch}/{training}.log",
    benchmark:
        "<benchmarks>/train/{dataset}/{arch}/{training}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["train"]["threads"]
    resources:
        gpu=config["resources"]["train"]["gpu"],
        mem_mb=resource("train", "mem_mb"),
        runtime=resource("train", "runtime"),
    params:
        spec=spec("train"),
        parent=parent_file,
    shell:
        "python -m smoothcert train --spec {params.spec:q} {params.parent} --out {output.model}"
        " --snapshots {output.snapshots} --quiet > {log} 2>&1"


# Models that the authors of a method published, for those trainings that start from them.
rule published_model:
    output:
        PUBLISHED_MODEL,
    log:
        "<logs>/published/{dataset}/{arch}/{training}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        file=lambda wildcards: experiments.checkpoint(config, wildcards),
        normalization=normalization,
        code=code("smoothcert.cli.import_checkpoint"),
    shell:
        "python -m smoothcert import-checkpoint {params.file:q} --dataset {wildcards.dataset}"
        " --arch {wildcards.arch} --normalization {params.normalization} --out {output} > {log} 2>&1"


rule training_table:
    input:
        runs("training"),
    output:
        "<results>/tables/training_table.md",
        "<results>/tables/training_table.tex",
        csv=report(
            "<results>/tables/training_table.csv", category="Training", labels={"what": "table"}
        ),
    log:
        "<logs>/tables/training_table.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=output_spec("table", "cohen"),
        title="Training methods, certified with the fixed noise scale",
    shell:
        "python -m smoothcert table cohen --spec {params.spec:q} --title {params.title:q}"
        " --out $(dirname {output.csv})/training_table {input} > {log} 2>&1"


# One figure a noise: the trainings that share it, side by side
rule training_curves:
    input:
        lambda wildcards: training_logs(wildcards.noise),
    output:
        "<results>/figures/training_curves_{noise}.pdf",
        png=report(
            "<results>/figures/training_curves_{noise}.png",
            category="Training",
            labels={"what": "curves", "noise": "{noise}"},
        ),
    log:
        "<logs>/figures/training_curves_{noise}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output.png, strip_suffix=".png"),
        spec=json.dumps({"code": code("smoothcert.cli.training_curves")}),
    shell:
        "python -m smoothcert training-curves {input} --spec {params.spec:q} --out {params.base} > {log} 2>&1"


rule training:
    input:
        rules.training_table.output,
        expand(
            rules.training_curves.output.png,
            noise=dict.fromkeys(run["noise"] for run in experiments.runs(config, "training")),
        ),
    localrule: True
