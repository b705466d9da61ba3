"""Chen et al. 2022, input-specific sampling (ISS): tables 1 to 5, figures 1 and 3 to 6, audits."""

LIVE = "<results>/live/votes/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}"
LIVE_CERTIFICATES = (
    "<results>/live/certificates/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"
)


# Sampled for one budget alone, so that sampling stops where the budget does. The votes of the
# other runs are sampled for the largest budget that reads them.
use rule sample as iss_sample with:
    output:
        temp(f"{LIVE}/shards/{{i}}-of-{{n}}.json"),
        votes=temp(f"{LIVE}/shards/{{i}}-of-{{n}}.npz"),
    log:
        "<logs>/live/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}/{i}-of-{n}.log",
    benchmark:
        "<benchmarks>/live/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}/{i}-of-{n}.tsv"
    params:
        spec=spec("sample_alone"),


use rule gather as iss_gather with:
    input:
        shards(".json", LIVE),
        votes=shards(".npz", LIVE),
    output:
        votes=f"{LIVE}/votes.npz",
        record=f"{LIVE}/votes.json",
    log:
        "<logs>/live/gather/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",


use rule certify as iss_certify with:
    input:
        rules.iss_gather.output.record,
        votes=rules.iss_gather.output.votes,
    output:
        table=LIVE_CERTIFICATES,
        record=LIVE_CERTIFICATES.replace(".tsv", ".json"),
    log:
        "<logs>/live/certify/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",


for iss_number, iss_title in {
    1: "Table 1 of ISS: absolute decline",
    4: "Table 4 of ISS: relative decline",
    5: "Table 5 of ISS: the second model",
}.items():

    rule:
        name:
            f"iss_table{iss_number}"
        input:
            runs(f"iss_table{iss_number}"),
            live_runs(f"iss_table{iss_number}", LIVE_CERTIFICATES),
        output:
            report(
                f"<results>/tables/iss_table{iss_number}.csv",
                category="ISS",
                labels={"what": f"table {iss_number}"},
            ),
            f"<results>/tables/iss_table{iss_number}.md",
            f"<results>/tables/iss_table{iss_number}.tex",
        log:
            f"<logs>/tables/iss_table{iss_number}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            base=subpath(output[0], strip_suffix=".csv"),
            title=iss_title,
            spec=output_spec("table", "iss"),
        shell:
            "python -m smoothcert table iss --spec {params.spec:q} --title {params.title:q}"
            " --out {params.base} {input} > {log} 2>&1"


rule iss_table2:
    input:
        [runs(f"iss_table{n}") for n in (1, 4, 5)],
    output:
        report("<results>/tables/iss_table2.csv", category="ISS", labels={"what": "table 2"}),
        "<results>/tables/iss_table2.md",
        "<results>/tables/iss_table2.tex",
    log:
        "<logs>/tables/iss_table2.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        spec=json.dumps({"code": code("smoothcert.papers.iss.settings_table")}),
    shell:
        "python -m smoothcert iss table2 {input} --spec {params.spec:q} --out {params.base} > {log} 2>&1"


rule iss_table3:
    output:
        report("<results>/tables/iss_table3.csv", category="ISS", labels={"what": "table 3"}),
        "<results>/tables/iss_table3.md",
        "<results>/tables/iss_table3.tex",
    log:
        "<logs>/tables/iss_table3.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        spec=json.dumps({"code": code("smoothcert.papers.iss.tables")}),
    shell:
        "python -m smoothcert iss table3 --spec {params.spec:q} --out {params.base} > {log} 2>&1"


# 1 and 5 replay our own votes (of tables 1 and 5); 4 shows the p_A of one of their models.
for iss_number, (iss_what, iss_votes) in {
    1: ("fig1", runs("iss_table1", f"{STORE}/votes.npz")),
    3: ("fig3", []),
    4: ("fig4", runs("iss_table1", f"{STORE}/votes.npz")[:1]),
    5: ("fig1", runs("iss_table5", f"{STORE}/votes.npz")),
}.items():

    rule:
        name:
            f"iss_fig{iss_number}"
        input:
            iss_votes,
        output:
            f"<results>/figures/iss_fig{iss_number}.pdf",
            report(
                f"<results>/figures/iss_fig{iss_number}.png",
                category="ISS",
                labels={"what": f"figure {iss_number}"},
            ),
        log:
            f"<logs>/figures/iss_fig{iss_number}.log",
        localrule: True
        conda:
            "../envs/smoothcert.yaml"
        params:
            what=iss_what,
            base=subpath(output[0], strip_suffix=".pdf"),
            spec=iss_spec("replay"),
        shell:
            "python -m smoothcert iss {params.what} {input} --spec {params.spec:q} --out {params.base}"
            " > {log} 2>&1"


rule iss_fig6:
    input:
        runs("iss_table1", f"{STORE}/votes.npz")[0],
    output:
        "<results>/figures/iss_fig6.pdf",
        report("<results>/figures/iss_fig6.png", category="ISS", labels={"what": "figure 6, upper"}),
        "<results>/figures/iss_fig6_lower.pdf",
        report(
            "<results>/figures/iss_fig6_lower.png",
            category="ISS",
            labels={"what": "figure 6, lower"},
        ),
    log:
        "<logs>/figures/iss_fig6.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".pdf"),
        spec=iss_spec("replay"),
    shell:
        "(python -m smoothcert iss fig6 --spec {params.spec:q} --out {params.base} &&"
        " python -m smoothcert iss fig6-lower {input} --spec {params.spec:q} --out {params.base}_lower)"
        " > {log} 2>&1"


rule iss_coverage:
    output:
        report("<results>/figures/iss_coverage.csv", category="ISS", labels={"what": "coverage"}),
        "<results>/figures/iss_coverage.pdf",
        report(
            "<results>/figures/iss_coverage.png",
            category="ISS",
            labels={"what": "coverage, figure"},
        ),
    log:
        "<logs>/figures/iss_coverage.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        base=subpath(output[0], strip_suffix=".csv"),
        spec=iss_spec("coverage"),
    shell:
        "python -m smoothcert iss coverage --spec {params.spec:q} --out {params.base} > {log} 2>&1"


rule iss_replay:
    input:
        published,
    output:
        report("<results>/tables/iss_replay.csv", category="ISS", labels={"what": "replay"}),
        "<results>/tables/iss_replay.md",
        "<results>/tables/iss_replay.tex",
        "<results>/figures/iss_replay.pdf",
        report(
            "<results>/figures/iss_replay.png", category="ISS", labels={"what": "replay, figure"}
        ),
    log:
        "<logs>/tables/iss_replay.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        table=subpath(output[0], strip_suffix=".csv"),
        figure=subpath(output[3], strip_suffix=".pdf"),
        spec=iss_spec("replay"),
    shell:
        "(python -m smoothcert iss replay {input:q} --spec {params.spec:q} --out {params.table} &&"
        " python -m smoothcert iss fig1 {input:q} --spec {params.spec:q} --out {params.figure})"
        " > {log} 2>&1"


rule iss_report:
    input:
        notebook="notebooks/iss.ipynb",
        tables=expand("<results>/tables/iss_table{n}.md", n=range(1, 6)),
        figures=expand("<results>/figures/iss_fig{n}.png", n=(1, 3, 4, 5, 6)),
        lower=rules.iss_fig6.output[3],
        coverage=rules.iss_coverage.output[0],
        replay=rules.iss_replay.output if experiments.published_dir(config) else [],
    output:
        report("<results>/reports/iss.html", category="ISS", labels={"what": "report"}),
    log:
        notebook="<logs>/reports/iss.ipynb",
        text="<logs>/reports/iss.log",
    localrule: True
    conda:
        "../envs/smoothcert.yaml"
    params:
        tables=lambda wildcards, input: str(Path(input.tables[0]).parent),
        figures=lambda wildcards, input: str(Path(input.figures[0]).parent),
        replay=lambda wildcards, input: json.dumps({"replay": bool(input.replay)}),
    shell:
        "(papermill --cwd . -k python3 {input.notebook} {log.notebook}"
        " -p tables {params.tables} -p figures {params.figures} -y {params.replay:q} &&"
        " jupyter-nbconvert --to html --no-input --stdout {log.notebook} > {output}.part &&"
        " mv {output}.part {output}) > {log.text} 2>&1"


rule iss:
    input:
        expand("<results>/tables/iss_table{n}.csv", n=range(1, 6)),
        expand("<results>/figures/iss_fig{n}.png", n=(1, 3, 4, 5, 6)),
        rules.iss_coverage.output,
        rules.iss_report.output,
    localrule: True
