"""Votes that are sampled for one budget alone, so that sampling stops where the budget does."""


use rule sample as iss_sample with:
    output:
        temp(f"{paths.LIVE_STORE}/shards/{{i}}-of-{{n}}.json"),
        votes=temp(f"{paths.LIVE_STORE}/shards/{{i}}-of-{{n}}.npz"),
    log:
        "<logs>/live/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}/{i}-of-{n}.log",
    params:
        benchmark=measured(
            "live/sample/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}/{i}-of-{n}"
        ),
        spec=spec("sample_alone"),


use rule gather as iss_gather with:
    input:
        shards(".json", paths.LIVE_STORE),
        votes=shards(".npz", paths.LIVE_STORE),
    output:
        votes=f"{paths.LIVE_STORE}/votes.npz",
        record=f"{paths.LIVE_STORE}/votes.json",
    log:
        "<logs>/live/gather/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.log",
