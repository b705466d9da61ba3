"""What the figures of Zhang et al. 2020 are computed from without a classifier."""

for nongaussian_part in ("ablation", "toy"):

    rule:
        name:
            f"nongaussian_{nongaussian_part}_points"
        output:
            f"<results>/nongaussian/{nongaussian_part}.csv",
        log:
            f"<logs>/nongaussian/{nongaussian_part}.log",
        conda:
            "../envs/smoothcert.yaml"
        params:
            part=nongaussian_part,
            spec=nongaussian_study(nongaussian_part),
        shell:
            "python -m smoothcert nongaussian {params.part} --spec {params.spec:q} --out {output} > {log} 2>&1"
