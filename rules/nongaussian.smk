"""Zhang et al. 2020, non-Gaussian noise: tables 1 to 3, figures 1 to 4, and where a gain comes from.

A radius table depends on the noise's shape and the dimension alone: one job makes it for all
models, inputs and scales.
"""

NONGAUSSIAN_TABLES = {
    "nongaussian_table1": ["nongaussian_l1"],
    "nongaussian_table2": ["nongaussian_l2"],
    "nongaussian_table3": ["nongaussian_linf"],
    "nongaussian_gain": ["nongaussian_l1", "nongaussian_l2", "nongaussian_linf"],
    "nongaussian_training": ["nongaussian_training"],
}
NONGAUSSIAN_TITLES = {
    "nongaussian_table1": "Table 1 of Zhang et al.: l1",
    "nongaussian_table2": "Table 2 of Zhang et al.: l2",
    "nongaussian_table3": "Table 3 of Zhang et al.: linf",
    "nongaussian_gain": "Where a gain of non-Gaussian noise comes from",
    "nongaussian_training": "Models trained with the noise that certifies",
}


rule nongaussian_radius_table:
    output:
        RADIUS_TABLE,
    log:
        "<logs>/radius-tables/{shape}/{d}.log",
    benchmark:
        "<benchmarks>/radius-tables/{shape}/{d}.tsv"
    wildcard_constraints:
        shape=r"[a-z0-9_-]+",
        d=r"\d+",
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=radius_table_spec,
    shell:
        "python -m smoothcert radius-table --spec {params.spec:q} --out {output} > {log} 2>&1"


# Certificates that need more than the votes of their own noise: a radius table, or the votes of
# Gaussian noise read for linf.
rule nongaussian_certify:
    input:
        drawn("votes.json"),
        votes=drawn("votes.npz"),
        table=lambda wildcards: radius_tables([dict(wildcards)]),
    output:
        table=CERTIFICATES,
        record=str(Path(CERTIFICATES).with_suffix(".json")),
    log:
        "<logs>/certify/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
    wildcard_constraints:
        noise=r"(centripetal|mixed|gaussian)-l(1|2|inf)[_-][^/]+",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=nongaussian_certify_spec,
        table=lambda wildcards, input: f"--radius-table {input.table}" if input.table else "",
    shell:
        "python -m smoothcert certify --spec {params.spec:q} --votes {input.votes} {params.table}"
        " --out {output.table} > {log} 2>&1"


ruleorder: nongaussian_certify > certify


for nongaussian_name, nongaussian_sections in NONGAUSSIAN_TABLES.items():

    rule:
        name:
            nongaussian_name
        input:
            nongaussian_certificates(nongaussian_sections),
        output:
            report(
                f"<results>/tables/{nongaussian_name}.csv",
                category="Non-Gaussian noise",
                labels={"what": NONGAUSSIAN_TITLES[nongaussian_name]},
            ),
            f"<results>/tables/{nongaussian_name}.md",
            f"<results>/tables/{nongaussian_name}.tex",
        log:
            f"<logs>/tables/{nongaussian_name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            name=nongaussian_name,
            base=subpath(output[0], strip_suffix=".csv"),
            title=NONGAUSSIAN_TITLES[nongaussian_name],
            spec=nongaussian_spec("table", nongaussian_name, nongaussian_sections),
        shell:
            "python -m smoothcert table {params.name} --spec {params.spec:q} --title {params.title:q}"
            " --out {params.base} {input} > {log} 2>&1"


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


for nongaussian_name, (nongaussian_what, nongaussian_points) in {
    "nongaussian_fig1": ("fig1", []),
    "nongaussian_fig2": ("fig2", []),
    "nongaussian_fig3": ("fig3", rules.nongaussian_toy_points.output),
    "nongaussian_ablation": ("ablation", rules.nongaussian_ablation_points.output),
}.items():

    rule:
        name:
            nongaussian_name
        input:
            nongaussian_points,
        output:
            f"<results>/figures/{nongaussian_name}.pdf",
            report(
                f"<results>/figures/{nongaussian_name}.png",
                category="Non-Gaussian noise",
                labels={"what": nongaussian_name.removeprefix("nongaussian_")},
            ),
        log:
            f"<logs>/figures/{nongaussian_name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            what=nongaussian_what,
            base=subpath(output[0], strip_suffix=".pdf"),
            code=code("smoothcert.papers.nongaussian.figures"),
        shell:
            "python -m smoothcert nongaussian figure {params.what} {input} --out {params.base} > {log} 2>&1"


rule nongaussian_fig4:
    input:
        nongaussian_certificates(["nongaussian_fig4"]),
    output:
        "<results>/figures/nongaussian_fig4.pdf",
        report(
            "<results>/figures/nongaussian_fig4.png",
            category="Non-Gaussian noise",
            labels={"what": "fig4"},
        ),
    log:
        "<logs>/figures/nongaussian_fig4.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".pdf"),
        spec=nongaussian_spec("figure", "nongaussian_fig4", ["nongaussian_fig4"]),
    shell:
        "python -m smoothcert figure nongaussian_fig4 --spec {params.spec:q} --out {params.base} {input}"
        " > {log} 2>&1"


rule nongaussian_report:
    input:
        notebook="notebooks/nongaussian.ipynb",
        certificates=nongaussian_certificates(
            [*NONGAUSSIAN_TABLES["nongaussian_gain"], "nongaussian_training"]
        ),
        tables=expand("<results>/tables/{name}.md", name=NONGAUSSIAN_TABLES),
        figures=expand(
            "<results>/figures/nongaussian_{name}.png",
            name=["fig1", "fig2", "fig3", "fig4", "ablation"],
        ),
        ablation=rules.nongaussian_ablation_points.output,
        toy=rules.nongaussian_toy_points.output,
        radius_tables=radius_tables(nongaussian_runs(NONGAUSSIAN_TABLES["nongaussian_gain"])),
    output:
        report(
            "<results>/reports/nongaussian.html",
            category="Non-Gaussian noise",
            labels={"what": "report"},
        ),
    log:
        notebook="<logs>/reports/nongaussian.ipynb",
        text="<logs>/reports/nongaussian.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        notebook=lambda wildcards, input: json.dumps(
            {
                "preset": config["preset"],
                "certificates": list(input.certificates),
                "tables": list(input.tables),
                "figures": {Path(f).stem.removeprefix("nongaussian_"): f for f in input.figures},
                "ablation": str(input.ablation),
                "toy": str(input.toy),
                "records": list(input.radius_tables),
            }
        ),
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook} -y {params.notebook:q} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule nongaussian:
    input:
        expand("<results>/tables/{name}.csv", name=NONGAUSSIAN_TABLES),
        expand(
            "<results>/figures/nongaussian_{name}.png",
            name=["fig1", "fig2", "fig3", "fig4", "ablation"],
        ),
        rules.nongaussian_report.output,
    localrule: True
