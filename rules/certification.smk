"""Noise scales, votes of a classifier under noise, and the memory of certificates."""


# One search gives all the scalings that experiments want of it: a sweep over K is one job.
rule scales:
    input:
        rules.data.output,
        ready("sample"),
        model=lambda wildcards: experiments.model(config, wildcards),
    output:
        table=paths.SCALES,
        record=paths.SCALES.replace(".tsv", ".json"),
    log:
        "<logs>/scales/{dataset}/{arch}/{training}/{noise}/{search}.log",
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        **gpus.resources(config, "sample"),
    params:
        benchmark=measured("scales/{dataset}/{arch}/{training}/{noise}/{search}"),
        spec=spec("scales"),
    shell:
        "python -m smoothcert scales --spec {params.spec:q} --model {input.model}"
        f" --out {{output.table}} --device {gpus.device(config, 'sample')}"
        " --benchmark {params.benchmark} --quiet > {log} 2>&1"


# Shards take over the looks of a store that is there already, if it is of the same
# specification: a larger budget tops it up.
rule sample:
    input:
        rules.data.output,
        ready("sample"),
        model=lambda wildcards: experiments.model(config, wildcards),
        scales=scales,
    output:
        temp(f"{paths.STORE}/shards/{{i}}-of-{{n}}.json"),
        votes=temp(f"{paths.STORE}/shards/{{i}}-of-{{n}}.npz"),
    log:
        "<logs>/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{i}-of-{n}.log",
    wildcard_constraints:
        i=r"\d+",
        n=r"\d+",
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        **gpus.resources(config, "sample"),
    params:
        benchmark=measured("sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{i}-of-{n}"),
        spec=spec("sample"),
        scales=lambda wildcards, input: f"--scales {input.scales}" if input.scales else "",
    shell:
        "python -m smoothcert sample --spec {params.spec:q} --model {input.model} {params.scales}"
        " --top-up $(dirname $(dirname {output.votes}))/votes.npz"
        " --shard {wildcards.i}/{wildcards.n} --out {output.votes}"
        f" --device {gpus.device(config, 'sample')}"
        " --benchmark {params.benchmark} --quiet > {log} 2>&1"


rule gather:
    input:
        shards(".json"),
        votes=shards(".npz"),
    output:
        votes=f"{paths.STORE}/votes.npz",
        record=f"{paths.STORE}/votes.json",
    log:
        "<logs>/gather/{dataset}/{arch}/{training}/{noise}/{scaling}.log",
    wildcard_constraints:
        scaling=f"(?!{experiments.routed_slugs()}$)[^/]+",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code(**experiments.code_of("gather", {}, {})),
    shell:
        "python -m smoothcert gather --out {output.votes} {input.votes} > {log} 2>&1"


# Dual smoothing: an estimator is trained, and with its votes those of its levels are put together.
rule route:
    input:
        rules.data.output,
        unpack(lambda wildcards: one_line(needs.of_levels, config, wildcards)),
    output:
        router=paths.ROUTER,
        route=f"{paths.STORE}/route.npz",
        votes=f"{paths.STORE}/votes.npz",
        record=f"{paths.STORE}/votes.json",
    log:
        "<logs>/route/{dataset}/{arch}/{training}/{noise}/{scaling}.log",
    wildcard_constraints:
        scaling=experiments.routed_slugs(),
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["train"]["threads"]
    resources:
        **gpus.resources(config, "train"),
    params:
        router=spec("router"),
        route=spec("route"),
    shell:
        "(python -m smoothcert router --spec {params.router:q} --models {input.models}"
        f" --out {{output.router}} --quiet --device {gpus.device(config, 'train')}"
        " && python -m smoothcert route --spec {params.route:q} --router {output.router}"
        " --votes {input.votes} --out {output.votes} --quiet"
        f" --device {gpus.device(config, 'train')}) > {{log}} 2>&1"


# A radius table depends on the noise's shape and the dimension alone: one job makes it for all
# models, inputs and scales.
rule radius_table:
    output:
        paths.RADIUS_TABLE,
    log:
        "<logs>/radius-tables/{shape}/{d}.log",
    wildcard_constraints:
        shape=r"[a-z0-9_-]+",
        d=r"\d+",
    conda:
        "../envs/smoothcert.yaml"
    params:
        benchmark=measured("radius-tables/{shape}/{d}"),
        spec=radius_table_spec,
    shell:
        "python -m smoothcert radius-table --spec {params.spec:q} --out {output}"
        " --benchmark {params.benchmark} > {log} 2>&1"


rule memory:
    input:
        rules.data.output,
        paths.CERTIFICATES.replace(".tsv", ".json"),
        table=paths.CERTIFICATES,
    output:
        table=paths.MEMORY,
        record=str(Path(paths.MEMORY).with_suffix(".json")),
    log:
        "<logs>/memory/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=spec("memory"),
    shell:
        "python -m smoothcert memory {input.table} --spec {params.spec:q} --out {output.table} > {log} 2>&1"
