"""The jobs of the LBRS experiments, read from the section ``lbrs`` of the configuration.

Standard library only: the workflow imports it at every start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ROOT = "<results>/lbrs"
FORMS = ("published", "tight")


def spec(config: Mapping[str, Any], part: str, wildcards: Mapping[str, str], code: str) -> str:
    """All that decides the result of one job (spiral, image or certify), as one JSON text.

    ``wildcards`` has the task and the seed of an image job; ``code`` is the fingerprint.
    """
    section = config["lbrs"]
    if part == "spiral":
        return json.dumps({**section["spiral"], "code": code}, sort_keys=True)
    chosen = section["tasks"][wildcards["task"]]
    settings = {"task": {**chosen["task"], "seed": int(wildcards["seed"])}, "code": code}
    if part == "image":
        return json.dumps({**settings, **_keys(chosen, "recipe", "sweep")}, sort_keys=True)
    return json.dumps({**settings, **chosen["certify"]}, sort_keys=True)


def accuracies(config: Mapping[str, Any], task: str) -> list[str]:
    """The accuracies of one image task below the results, one file a seed."""
    return [f"lbrs/{task}/seed-{seed}.csv" for seed in config["lbrs"]["seeds"]]


def first(config: Mapping[str, Any]) -> list[str]:
    """The accuracies of the first task, of figures 3 and 4."""
    return accuracies(config, "first")


def second(config: Mapping[str, Any]) -> list[str]:
    """The accuracies of the second task, of figures 5 and 6."""
    return accuracies(config, "second")


def certificates(config: Mapping[str, Any], task: str) -> list[str]:
    """The names, below its folder, of the certificate tables of one smooth network."""
    chosen = config["lbrs"]["tasks"][task]["certify"]
    return [
        f"{norm}-{form}-b{bias:g}.tsv"
        for norm in chosen["norms"]
        for form in FORMS
        for bias in chosen["bias"]
    ]


def all_certificates(config: Mapping[str, Any]) -> list[str]:
    """The certificate tables of every task and of the first seed, below the results."""
    seed = config["lbrs"]["seeds"][0]
    return [
        f"lbrs/{task}/certificates/seed-{seed}/{name}"
        for task in config["lbrs"]["tasks"]
        for name in certificates(config, task)
    ]


def dataset(config: Mapping[str, Any], task: str) -> str:
    """The name of a task's data set."""
    return str(config["lbrs"]["tasks"][task]["task"]["dataset"])


def _keys(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: mapping[name] for name in names}
