"""Data sets: fetched or verified, with a record of what they are."""


rule data:
    output:
        "<results>/data/{dataset}.json",
    log:
        "<logs>/data/{dataset}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        own=lambda wildcards: one_line(datasets.stamp, wildcards.dataset) or "",
        code=lambda wildcards: code(**experiments.code_of("data", {}, dict(wildcards))),
    shell:
        "python -m smoothcert data {wildcards.dataset} --out {output} > {log} 2>&1"
