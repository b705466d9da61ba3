"""What the rules say of GPUs: where a stage's jobs compute."""

from __future__ import annotations

from typing import Any


def device(config: dict[str, Any], stage: str) -> str:
    """The device of a stage's jobs: one that asks for a GPU ends in one line where there is none.

    Where ``resources`` gives the stage no GPU, a job takes one that is there.
    """
    return "cuda" if config["resources"][stage]["gpu"] else "auto"
