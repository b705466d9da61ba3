"""Noise scales, votes of a classifier under noise, certificates, and their memory."""


# One search gives all the scalings that experiments want of it: a sweep over K is one job.
rule scales:
    input:
        rules.data.output,
        model=rules.train.output.model,
    output:
        table=SCALES,
        record=SCALES.replace(".tsv", ".json"),
    log:
        "<logs>/scales/{dataset}/{arch}/{training}/{noise}/{search}.log",
    benchmark:
        "<benchmarks>/scales/{dataset}/{arch}/{training}/{noise}/{search}.tsv"
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        gpu=config["resources"]["sample"]["gpu"],
        mem_mb=resource("sample", "mem_mb"),
        runtime=resource("sample", "runtime"),
    params:
        spec=spec("scales"),
    shell:
        "python -m smoothcert scales --spec {params.spec:q} --model {input.model}"
        " --out {output.table} --quiet > {log} 2>&1"


# Shards take over the looks of a store that is there already, if it is of the same
# specification: a larger budget tops it up.
rule sample:
    input:
        rules.data.output,
        model=rules.train.output.model,
        scales=scales,
    output:
        temp(f"{STORE}/shards/{{i}}-of-{{n}}.json"),
        votes=temp(f"{STORE}/shards/{{i}}-of-{{n}}.npz"),
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
        scales=lambda wildcards, input: f"--scales {input.scales}" if input.scales else "",
    shell:
        "python -m smoothcert sample --spec {params.spec:q} --model {input.model} {params.scales}"
        " --top-up $(dirname $(dirname {output.votes}))/votes.npz"
        " --shard {wildcards.i}/{wildcards.n} --out {output.votes} --quiet > {log} 2>&1"


rule gather:
    input:
        shards(".json"),
        votes=shards(".npz"),
    output:
        votes=f"{STORE}/votes.npz",
        record=f"{STORE}/votes.json",
    log:
        "<logs>/gather/{dataset}/{arch}/{training}/{noise}/{scaling}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code("smoothcert.cli.gather"),
    shell:
        "python -m smoothcert gather --out {output.votes} {input.votes} > {log} 2>&1"


rule certify:
    input:
        rules.gather.output.record,
        votes=rules.gather.output.votes,
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
        "python -m smoothcert certify --spec {params.spec:q} --votes {input.votes} --out {output.table} > {log} 2>&1"


rule memory:
    input:
        rules.data.output,
        rules.certify.output.record,
        table=rules.certify.output.table,
    output:
        table=MEMORY,
        record=str(Path(MEMORY).with_suffix(".json")),
    log:
        "<logs>/memory/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=spec("memory"),
    shell:
        "python -m smoothcert memory {input.table} --spec {params.spec:q} --out {output.table} > {log} 2>&1"
