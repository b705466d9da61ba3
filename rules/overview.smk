"""The papers' numbers beside ours, and one page of everything a preset has made."""

CHECKS = [section.checks for section in catalogue.SECTIONS if section.checks]
TITLES = {catalogue.target(entry): entry.title for _, entry in shown}


rule differences:
    input:
        "<results>/numbers/{table}.csv",
    output:
        "<results>/differences/{table}.csv",
        "<results>/differences/{table}.pdf",
        report(
            "<results>/differences/{table}.png",
            caption="report/differences.rst",
            category="The papers' numbers and claims beside ours",
            labels=lambda wildcards: {
                "what": f"Ours minus the paper's. {TITLES[wildcards.table]}"
            },
        ),
    log:
        "<logs>/differences/{table}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        code=code(("smoothcert.report.comparison", "smoothcert.report.heat_map")),
    shell:
        "python -m smoothcert overview compare {input} --out {params.base} > {log} 2>&1"


# Every claim of the papers; a check reads the numbers, certificates and audits that are there.
rule claims:
    input:
        [section_files(section) for section in catalogue.SECTIONS],
    output:
        report(
            "<results>/tables/claims.csv",
            caption="report/claims.rst",
            category="The papers' numbers and claims beside ours",
            labels={"what": "Every claim of the papers, with its verdict"},
        ),
        [f"<results>/tables/{n}" for n in ("claims.md", "claims_by_data.csv", "promises.csv")],
    log:
        "<logs>/tables/claims.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        results=subpath(output[0], ancestor=2),
        base=subpath(output[0], strip_suffix=".csv"),
        code=code(("smoothcert.report.ledger", "smoothcert.report.by_data", *CHECKS)),
    shell:
        "python -m smoothcert overview claims {params.results} --out {params.base} > {log} 2>&1"


# The page shows whatever lies in the folder of results: these are there when it is made.
rule page:
    input:
        [section_files(section, report=True) for section in catalogue.SECTIONS],
        [
            f"<results>/differences/{catalogue.target(entry)}.csv"
            for _, entry in shown
            if entry.compared and needs.available(config, entry)
        ],
        needs.certificates(config),
        rules.claims.output,
    output:
        page="<results>/index.html",
        numbers="<results>/results.csv",
    log:
        "<logs>/page.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        results=subpath(output.page, parent=True),
        code=code(("smoothcert.report.page", "smoothcert.workflow.catalogue", *CHECKS)),
    shell:
        "python -m smoothcert overview page {params.results} --out {output.page} > {log} 2>&1"


# Results that lie in the repository, for a visitor who has run nothing
rule ship:
    input:
        rules.page.output,
    log:
        "<logs>/ship.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        results=subpath(input[0], parent=True),
        out=f"docs/results/{chosen.name}",
        made_by=shlex.join(chosen.words),
    shell:
        "python -m smoothcert ship {params.results} --made-by {params.made_by:q}"
        " --out {params.out} > {log} 2>&1"
