"""What a target costs, before it runs: `snakemake plan --config target=ddrs_table1 preset=paper`."""


# No output: a plan is of what is there now, with the configuration of this call.
rule plan:
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        target=config.get("target", "all"),
        chosen=[
            *("--preset", chosen.preset),
            *(["--configfile", *chosen.files] if chosen.files else []),
            *(["--config", *chosen.values] if chosen.values else []),
        ],
    shell:
        "python -m smoothcert plan {params.target} {params.chosen:q}"
        " 2> {log} || (cat {log} >&2; exit 1)"
