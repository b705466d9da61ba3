"""The columns of the rows that audits write and figures read, with their types."""

from __future__ import annotations

# An attacked ball of memory-soundness; those after ``lead`` are of Gaussian noise only.
ATTACKED: dict[str, type] = {
    "idx": int,
    "label": int,
    "predict": int,
    "radius": float,
    "sigma": float,
    "p_lower": float,
    "margin": float,
    "broken": int,
    "tactic": str,
    "distance": float,
    "sigma_x2": float,
    "lead": float,
    "largest": float,
    "allowed": float,
    "kappa": float,
    "beyond": int,
    "fallback": float,
}
GAUSSIAN_ONLY = ("largest", "allowed", "kappa", "beyond", "fallback")

# A radius of attack-accuracy
UNDER_ATTACK: dict[str, type] = {
    "kind": str,
    "subject": str,
    "norm": str,
    "radius": float,
    "certified": int,
    "robust": int,
    "inputs": int,
}

# A class probability of one confidence procedure
FAILURES: dict[str, type] = {
    "procedure": str,
    "how": str,
    "n": int,
    "alpha": float,
    "ours": int,
    "p": float,
    "failure_over_alpha": float,
    "error": float,
}
