"""Base classifiers, trained under noise."""


# Snapshots are the states that other trainings branch from: none of most trainings.
rule train:
    input:
        unpack(parent),
        data=[*rules.data.output, *ready("train")],
    output:
        model=paths.MODEL,
        log=paths.TRAINING_LOG,
        snapshots=directory(paths.SNAPSHOTS),
    log:
        "<logs>/train/{dataset}/{arch}/{training}.log",
    conda:
        "../envs/smoothcert.yaml"
    threads: lambda wildcards: gpus.training_threads(config, wildcards)
    resources:
        **gpus.for_training(config, gpus.resources(config, "train")),
    params:
        benchmark=measured("train/{dataset}/{arch}/{training}"),
        spec=spec("train"),
        parent=lambda wildcards, input: experiments.parent_flag(config, wildcards, input),
    shell:
        "python -m smoothcert train --spec {params.spec:q} {params.parent} --out {output.model}"
        f" --snapshots {{output.snapshots}} --device {gpus.device(config, 'train')}"
        " --processes {resources.gpu} --benchmark {params.benchmark} --quiet > {log} 2>&1"


# Models that the authors of a method published: trainings start from them, or they take the place
# of one.
rule published_model:
    output:
        paths.PUBLISHED_MODEL,
    log:
        "<logs>/published/{dataset}/{arch}/{training}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        file=lambda wildcards: experiments.checkpoint(config, wildcards),
        normalization=lambda wildcards: experiments.recipe(config, wildcards)["normalization"],
        code=code("smoothcert.cli.import_checkpoint"),
    shell:
        "python -m smoothcert import-checkpoint {params.file:q} --dataset {wildcards.dataset}"
        " --arch {wildcards.arch} --normalization {params.normalization} --out {output} > {log} 2>&1"
