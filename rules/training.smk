"""Base classifiers, trained under noise."""


rule train:
    input:
        rules.data.output,
    output:
        model=MODEL,
        log="<results>/models/{dataset}/{arch}/{training}/model.log.csv",
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
    shell:
        "python -m smoothcert train --spec {params.spec:q} --out {output.model} --quiet > {log} 2>&1"
