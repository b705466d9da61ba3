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
            report(
                needs.readable(entry),
                caption="report/output.rst",
                category=section.title,
                labels={
                    "what": entry.title,
                    "target": re.sub(r"\W", "_", catalogue.target(entry)),
                },
            ),
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
            base=subpath(output[0], strip_suffix=Path(needs.readable(entry)).suffix),
            spec=output_spec(entry),
            about=about(section, entry.title),
            files=lambda wildcards, input: needs.words(input),
        shell:
            "python -m smoothcert {params.kind} {params.name} {params.files:q} --spec {params.spec:q}"
            " --numbers {output.numbers} --out {params.base} > {log} 2>&1"


REPORT = ["smoothcert.cli.notebook", "smoothcert.report.show"]
NOTEBOOKS = os.path.relpath(HOME / "notebooks")

for section in catalogue.SECTIONS:

    if section.notebook is not None:

        rule:
            name:
                f"{section.key}_report"
            input:
                section_files(section),
                notebook=local(f"{NOTEBOOKS}/{section.notebook}.ipynb"),
            output:
                report(
                    f"<results>/reports/{section.notebook}.html",
                    caption="report/notebook.rst",
                    category=section.title,
                    labels={"what": "All of it, in a notebook", "target": section.key},
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
                about=about(section),
                code=code([*REPORT, *filter(None, [section.checks])]),
            shell:
                "python -m smoothcert notebook {input.notebook} --preset {params.preset}"
                " --results {params.results} --executed {log.notebook} --out {output}"
                " > {log.text} 2>&1"


# Targets of several: an audit, a table with the figure of its name, everything of a paper
several = {f"audit_{key}": files for key, files in audits.shown(config).items()}
for section, entry in shown:
    if section.key != "audits" and entry.name != catalogue.target(entry):
        several.setdefault(entry.name, []).append(needs.shown(entry))
for section in catalogue.SECTIONS:
    several[section.key] = section_files(section, report=True)
for several_name, several_files in several.items():

    rule:
        name:
            several_name
        input:
            several_files,
        localrule: True
