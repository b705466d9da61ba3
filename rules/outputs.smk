"""Tables, figures and reports: one rule each, and a target for every entry of the catalogue."""

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
