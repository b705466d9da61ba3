"""Cohen, Rosenfeld and Kolter 2019: certified accuracy of Gaussian smoothing."""


rule cohen_table:
    input:
        runs("cohen"),
    output:
        "<results>/tables/cohen_table.md",
        "<results>/tables/cohen_table.tex",
        csv=report("<results>/tables/cohen_table.csv", category="Cohen", labels={"what": "table"}),
    log:
        "<logs>/tables/cohen_table.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=output_spec("table", "cohen"),
    shell:
        "python -m smoothcert table cohen --spec {params.spec:q}"
        " --out $(dirname {output.csv})/cohen_table {input} > {log} 2>&1"


rule cohen_figure:
    input:
        runs("cohen"),
    output:
        "<results>/figures/cohen_figure.pdf",
        png=report(
            "<results>/figures/cohen_figure.png", category="Cohen", labels={"what": "figure"}
        ),
    log:
        "<logs>/figures/cohen_figure.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=output_spec("figure", "cohen"),
    shell:
        "python -m smoothcert figure cohen --spec {params.spec:q}"
        " --out $(dirname {output.png})/cohen_figure {input} > {log} 2>&1"


rule cohen_report:
    input:
        certificates=runs("cohen"),
        notebook="notebooks/cohen.ipynb",
        table=rules.cohen_table.output.csv,
        figure=rules.cohen_figure.output.png,
    output:
        report("<results>/reports/cohen.html", category="Cohen", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/cohen.ipynb",
        text="<logs>/reports/cohen.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        notebook=notebook_parameters,
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook} -y {params.notebook:q} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule cohen:
    input:
        rules.cohen_table.output,
        rules.cohen_figure.output,
        rules.cohen_report.output,
    localrule: True
