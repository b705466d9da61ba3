"""What votes give: certificates, and a target for every table, figure and report."""


# The votes are those of the noise whose draws certify for it: Gaussian noise for linf.
rule certify:
    input:
        drawn("votes.json"),
        votes=drawn("votes.npz"),
        table=lambda wildcards: needs.radius_tables([dict(wildcards)]),
    output:
        table=paths.CERTIFICATES,
        record=str(Path(paths.CERTIFICATES).with_suffix(".json")),
    log:
        "<logs>/certify/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        spec=spec("certify"),
        table=lambda wildcards, input: f"--radius-table {input.table}" if input.table else "",
    shell:
        "python -m smoothcert certify --spec {params.spec:q} --votes {input.votes} {params.table}"
        " --out {output.table} > {log} 2>&1"


use rule certify as iss_certify with:
    input:
        f"{paths.LIVE_STORE}/votes.json",
        votes=f"{paths.LIVE_STORE}/votes.npz",
        table=lambda wildcards: needs.radius_tables([dict(wildcards)]),
    output:
        table=paths.LIVE_CERTIFICATES,
        record=paths.LIVE_CERTIFICATES.replace(".tsv", ".json"),
    log:
        "<logs>/live/certify/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",


for section, entry in shown:

    rule:
        name:
            re.sub(r"\W", "_", catalogue.target(entry))
        input:
            unpack(needed(entry)),
        output:
            report(needs.shown(entry), category=section.title, labels={"what": entry.title}),
            needs.formats(entry),
            numbers=f"<results>/numbers/{catalogue.target(entry)}.csv",
        log:
            f"<logs>/{entry.kind}s/{entry.name}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            kind=entry.kind,
            name=entry.name,
            base=subpath(output[0], strip_suffix=Path(needs.shown(entry)).suffix),
            spec=output_spec(entry),
            files=lambda wildcards, input: needs.words(input),
        shell:
            "python -m smoothcert {params.kind} {params.name} {params.files:q} --spec {params.spec:q}"
            " --numbers {output.numbers} --out {params.base} > {log} 2>&1"


# The table and the figure of one name; for those of an audit, the audit is called so
for pair in {e.name for s, e in shown if s.key != "audits" and e.name != catalogue.target(e)}:

    rule:
        name:
            pair
        input:
            [needs.shown(e) for _, e in shown if e.name == pair],
        localrule: True


REPORT = ["smoothcert.cli.notebook", "smoothcert.report.show"]

for section in catalogue.SECTIONS:

    if section.notebook is not None:

        rule:
            name:
                f"{section.key}_report"
            input:
                section_files(section),
                notebook=f"notebooks/{section.notebook}.ipynb",
            output:
                report(
                    f"<results>/reports/{section.notebook}.html",
                    category=section.title,
                    labels={"what": "report"},
                ),
            log:
                notebook=f"<logs>/reports/{section.notebook}.ipynb",
                text=f"<logs>/reports/{section.notebook}.log",
            localrule: True
            conda:
                "../envs/smoothcert.yaml"
            params:
                preset=chosen.name,
                results=subpath(output[0], ancestor=2),
                code=code([*REPORT, *filter(None, [section.checks])]),
            shell:
                "python -m smoothcert notebook {input.notebook} --preset {params.preset}"
                " --results {params.results} --executed {log.notebook} --out {output}"
                " > {log.text} 2>&1"

    # Everything of a paper
    rule:
        name:
            section.key
        input:
            section_files(section),
            [f"<results>/reports/{section.notebook}.html"] if section.notebook else [],
        localrule: True
