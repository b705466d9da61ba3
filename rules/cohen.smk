"""Cohen, Rosenfeld and Kolter 2019: certified accuracy of Gaussian smoothing."""


rule cohen_table:
    input:
        runs("cohen"),
    output:
        report("<results>/tables/cohen_table.csv", category="Cohen", labels={"what": "table"}),
        "<results>/tables/cohen_table.md",
        "<results>/tables/cohen_table.tex",
    log:
        "<logs>/tables/cohen_table.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code("table"),
    shell:
        "smoothcert table cohen --out {output} -- {input} > {log} 2>&1"


rule cohen_figure:
    input:
        runs("cohen"),
    output:
        "<results>/figures/cohen_figure.pdf",
        report("<results>/figures/cohen_figure.png", category="Cohen", labels={"what": "figure"}),
    log:
        "<logs>/figures/cohen_figure.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        code=code("figure"),
    shell:
        "smoothcert figure cohen --out {output} -- {input} > {log} 2>&1"


rule cohen_report:
    input:
        runs("cohen"),
        notebook="notebooks/cohen.ipynb",
        table=rules.cohen_table.output[0],
        figure=rules.cohen_figure.output[1],
    output:
        report("<results>/reports/cohen.html", category="Cohen", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/cohen.ipynb",
        text="<logs>/reports/cohen.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook}"
        " -p table {input.table} -p figure {input.figure} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule cohen:
    input:
        rules.cohen_table.output,
        rules.cohen_figure.output,
        rules.cohen_report.output,
    localrule: True
