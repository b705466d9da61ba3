"""What a target costs, before it runs: `snakemake plan --config target=ddrs_table1 preset=paper`."""


# No output: a plan is of what is there now. The whole configuration of this call goes along.
rule plan:
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        target=config.get("target", "all"),
        preset=config["preset"],
        config=lambda wildcards: json.dumps(config),
    shell:
        "python -m smoothcert plan {params.target} --preset {params.preset} --config {params.config:q}"
        " 2> {log} || (cat {log} >&2; exit 1)"
