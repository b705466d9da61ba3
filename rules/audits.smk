"""Attempts to break every kind of certificate; a verdict a promise.

Nothing is trained or sampled for an audit: `audits.{kind}.runs` in config.yaml names runs of
`experiments`, whose models, votes and certificates it takes. A broken promise of a paper is a
result, and its job succeeds. Where a variant that this project calls sound is broken, the job
fails; since Snakemake deletes what a failed job made, the verdicts are then beside its log.
"""

for job in AUDIT_JOBS:

    rule:
        name:
            f"audit_{job.name}" + ("_run" if job.name == job.kind.key else "")
        input:
            unpack(lambda wildcards, job=job: one_line(audits.inputs, config, job, dict(wildcards))),
            selftest=ready(audits.stage_on_gpu(job)),
        output:
            verdicts=f"<results>/audits/{job.path}.json",
            seen=[f"<results>/audits/{job.path}.{ending}" for ending in job.kind.endings],
        log:
            f"<logs>/audits/{job.path}.log",
        localrule: job.local
        conda:
            "../envs/smoothcert.yaml"
        threads: config["resources"][job.resources]["threads"] if job.resources else 1
        resources:
            **gpus.resources(config, job.resources, audits.runs_a_network(job)),
        params:
            benchmark=measured(f"audits/{job.path}"),
            kind=job.kind.name,
            base=subpath(output.verdicts, strip_suffix=".json"),
            files=lambda wildcards, input, job=job: audits.words(config, job, input),
            spec=audit_spec(job),
        shell:
            "python -m smoothcert audit {params.kind} {params.files:q} --spec {params.spec:q}"
            " --out {params.base} --benchmark {params.benchmark} > {log} 2>&1"
            " || {{ cp -f {output} $(dirname {log}) 2> /dev/null; exit 1; }}"
