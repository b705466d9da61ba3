"""Votes of a classifier under noise, and the certificates that budgets read from them."""


rule sample:
    input:
        rules.data.output,
        model=rules.train.output.model,
    output:
        temp(f"{STORE}/shards/{{i}}-of-{{n}}.npz"),
    log:
        "<logs>/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{i}-of-{n}.log",
    benchmark:
        "<benchmarks>/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{i}-of-{n}.tsv"
    wildcard_constraints:
        i=r"\d+",
        n=r"\d+",
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        spec=spec("sample"),
    shell:
        "smoothcert sample --spec {params.spec:q} --model {input.model}"
        " --shard {wildcards.i}/{wildcards.n} --out {output} > {log} 2>&1"


rule gather:
    input:
        shards,
    output:
        f"{STORE}/votes.npz",
    log:
        "<logs>/gather/{dataset}/{arch}/{training}/{noise}/{scaling}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code("gather"),
    shell:
        "smoothcert gather --out {output} {input} > {log} 2>&1"


rule certify:
    input:
        rules.gather.output,
    output:
        table=CERTIFICATES,
        record=str(Path(CERTIFICATES).with_suffix(".json")),
    log:
        "<logs>/certify/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=spec("certify"),
    shell:
        "smoothcert certify --spec {params.spec:q} --votes {input} --out {output.table} > {log} 2>&1"
