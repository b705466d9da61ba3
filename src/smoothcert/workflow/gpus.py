"""What the rules say of GPUs: where a stage's jobs compute, and what they wait for."""

from __future__ import annotations

import os
import re
from typing import Any


def device(config: dict[str, Any], stage: str) -> str:
    """The device of a stage's jobs: one that asks for a GPU ends in one line where there is none.

    Where ``resources`` gives the stage no GPU, a job takes one that is there.
    """
    return "cuda" if config["resources"][stage]["gpu"] else "auto"


def selftest(config: dict[str, Any], stage: str | None) -> list[str]:
    """What a stage's jobs wait for: on a GPU, that its kind has passed the self-test.

    None is the stage of jobs that run no network.
    """
    return [verdict()] if stage and config["resources"][stage]["gpu"] else []


def verdict() -> str:
    """The file of the self-test of the kind of GPU that jobs ask for ($SMOOTHCERT_GPU_TYPE)."""
    kind = re.sub(r"[^\w.-]", "-", os.environ.get("SMOOTHCERT_GPU_TYPE", "")) or "gpu"
    return f"results/selftest/{kind}.json"
