"""Alfarra et al. 2022, data-dependent smoothing (DDRS): tables 1 to 4, figures 3 to 7, appendix."""

DDRS_TABLES = {
    "ddrs_table1": "Table 1 of DDRS: Cohen's training",
    "ddrs_table2": "Table 2 of DDRS: SmoothAdv",
    "ddrs_table3": "Table 3 of DDRS: MACER",
    "ddrs_table4": "Table 4 of DDRS: l1 certificates of uniform noise",
    "ddrs_controls": "What the optimization of DDRS adds to its controls",
    "ddrs_appendix": "Appendix H of DDRS: each noise scale and K",
    "ddrs_times": "Appendix F of DDRS: seconds an input",
}
DDRS_FIGURES = {
    "ddrs_fig3": "Figure 3 of DDRS: Cohen's training",
    "ddrs_fig4": "Figure 4 of DDRS: SmoothAdv",
    "ddrs_fig5": "Figure 5 of DDRS: MACER",
    "ddrs_fig7": "Figure 7 of DDRS: the steps of ascent",
    "ddrs_controls": "What the optimization of DDRS adds to its controls",
    "ddrs_appendix_grid": "Appendix B of DDRS: grid search",
}
# Whose certificates each of them shows: the section of its own name, or these
DDRS_SECTIONS = {
    "ddrs_controls_table": ["ddrs_controls", "ddrs_grid"],
    "ddrs_fig3": ["ddrs_table1"],
    "ddrs_fig4": ["ddrs_table2"],
    "ddrs_fig5": ["ddrs_table3"],
    "ddrs_appendix": ["ddrs_table1", "ddrs_table2", "ddrs_table3", "ddrs_fig7"],
    "ddrs_times": ["ddrs_table1", "ddrs_table2", "ddrs_table3"],
    "ddrs_appendix_grid": ["ddrs_grid"],
}


for ddrs_name, ddrs_title in DDRS_TABLES.items():

    rule:
        name:
            ddrs_name + ("_table" if ddrs_name in DDRS_FIGURES else "")
        input:
            section_runs(DDRS_SECTIONS, f"{ddrs_name}_table"),
        output:
            report(
                f"<results>/tables/{ddrs_name}.csv",
                category="DDRS",
                labels={"what": ddrs_title},
            ),
            f"<results>/tables/{ddrs_name}.md",
            f"<results>/tables/{ddrs_name}.tex",
        log:
            f"<logs>/tables/{ddrs_name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            name=ddrs_name,
            base=subpath(output[0], strip_suffix=".csv"),
            title=ddrs_title,
            spec=output_spec("table", ddrs_name),
        shell:
            "python -m smoothcert table {params.name} --spec {params.spec:q} --title {params.title:q}"
            " --out {params.base} {input} > {log} 2>&1"


for ddrs_name, ddrs_title in DDRS_FIGURES.items():

    rule:
        name:
            ddrs_name + ("_figure" if ddrs_name in DDRS_TABLES else "")
        input:
            section_runs(DDRS_SECTIONS, ddrs_name),
        output:
            f"<results>/figures/{ddrs_name}.pdf",
            report(
                f"<results>/figures/{ddrs_name}.png",
                category="DDRS",
                labels={"what": ddrs_title},
            ),
        log:
            f"<logs>/figures/{ddrs_name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            name=ddrs_name,
            base=subpath(output[0], strip_suffix=".pdf"),
            title=ddrs_title,
            spec=output_spec("figure", ddrs_name),
        shell:
            "python -m smoothcert figure {params.name} --spec {params.spec:q} --title {params.title:q}"
            " --out {params.base} {input} > {log} 2>&1"


# One model and the furthest of its ascents: for the figures that look at single inputs
DDRS_SHOWN = [
    run
    for run in experiments.runs(config, "ddrs_table1")
    if run["scaling"] != "fixed" and run["training"] == "cohen-fs-0.25"
][-1]
DDRS_SHOWN_RUNS = [
    CERTIFICATES.format(**{**DDRS_SHOWN, "scaling": "fixed"}),
    CERTIFICATES.format(**DDRS_SHOWN),
]

for ddrs_name, ddrs_rows in {"ddrs_fig6": 3, "ddrs_appendix_images": 8}.items():

    rule:
        name:
            ddrs_name
        input:
            rules.data.output[0].format(**DDRS_SHOWN),
            scales=SCALES.format(**DDRS_SHOWN, search=experiments.search_of(DDRS_SHOWN["scaling"])),
            certificates=DDRS_SHOWN_RUNS,
        output:
            f"<results>/figures/{ddrs_name}.pdf",
            report(
                f"<results>/figures/{ddrs_name}.png",
                category="DDRS",
                labels={"what": "images under their noise"},
            ),
        log:
            f"<logs>/figures/{ddrs_name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            base=subpath(output[0], strip_suffix=".pdf"),
            spec=json.dumps(
                {
                    **{axis: DDRS_SHOWN[axis] for axis in ("dataset", "noise", "scaling")},
                    "rows": ddrs_rows,
                    "seed": config["seed"],
                    "code": code("smoothcert.cli.ddrs", frozenset({"noise.gaussian"})),
                }
            ),
        shell:
            "python -m smoothcert ddrs images {input.scales} {input.certificates}"
            " --spec {params.spec:q} --out {params.base} > {log} 2>&1"


rule ddrs_appendix_sigma:
    input:
        DDRS_SHOWN_RUNS,
    output:
        "<results>/figures/ddrs_appendix_sigma.pdf",
        report(
            "<results>/figures/ddrs_appendix_sigma.png",
            category="DDRS",
            labels={"what": "histogram of noise scales"},
        ),
    log:
        "<logs>/figures/ddrs_appendix_sigma.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".pdf"),
        spec=output_spec("figure", "ddrs_appendix_sigma"),
    shell:
        "python -m smoothcert figure ddrs_appendix_sigma --spec {params.spec:q}"
        " --out {params.base} {input} > {log} 2>&1"


DDRS_ALL_TABLES = [f"<results>/tables/{name}.csv" for name in DDRS_TABLES]
DDRS_ALL_FIGURES = [
    f"<results>/figures/{name}.png"
    for name in [*DDRS_FIGURES, "ddrs_fig6", "ddrs_appendix_images", "ddrs_appendix_sigma"]
]


rule ddrs_report:
    input:
        notebook="notebooks/ddrs.ipynb",
        tables=DDRS_ALL_TABLES,
        figures=DDRS_ALL_FIGURES,
    output:
        report("<results>/reports/ddrs.html", category="DDRS", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/ddrs.ipynb",
        text="<logs>/reports/ddrs.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        preset=config["preset"],
        tables=lambda wildcards, input: str(Path(input.tables[0]).parent),
        figures=lambda wildcards, input: str(Path(input.figures[0]).parent),
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook} -p preset {params.preset}"
        " -p tables {params.tables} -p figures {params.figures} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule ddrs:
    input:
        DDRS_ALL_TABLES,
        DDRS_ALL_FIGURES,
        rules.ddrs_report.output,
    localrule: True
