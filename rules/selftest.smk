"""The first job on a kind of GPU: does it compute what is certified? The others wait for it."""


rule selftest:
    output:
        gpus.verdict(),
    log:
        "<logs>/selftest.log",
    conda:
        "../envs/smoothcert.yaml"
    threads: config["resources"]["sample"]["threads"]
    resources:
        **{**gpus.resources(config, "sample"), "gpu": 1},
    params:
        code=code("smoothcert.workflow.selftest.run"),
    shell:
        "python -m smoothcert selftest --device cuda --out {output} > {log} 2>&1"
