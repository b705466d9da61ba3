"""Certificates that papers' authors published: one job a table."""


# The file is found by the job, and verified: only what was measured of it is a result.
rule replay_published:
    output:
        paths.PUBLISHED,
    log:
        "<logs>/published-certificates/{name}.log",
    wildcard_constraints:
        name=r"[a-z0-9_.-]+",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        benchmark=measured("published-certificates/{name}"),
        spec=published_spec,
        download="--download" if config["published"] == "download" else "",
    shell:
        "python -m smoothcert published --spec {params.spec:q} {params.download} --out {output}"
        " --benchmark {params.benchmark} > {log} 2>&1"
