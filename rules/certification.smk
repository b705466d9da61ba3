"""Votes of a classifier under noise, and the certificates that budgets read from them."""


# Shards take over the looks of a store that is there already, if it is of the same
# specification: a larger budget tops it up.
rule sample:
    input:
        rules.data.output,
        model=rules.train.output.model,
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
    shell:
        "python -m smoothcert sample --spec {params.spec:q} --model {input.model}"
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
