"""Certified robustness by randomized smoothing: sample votes once, certify them in many ways.

The names below are imported when first used, so that what needs no network needs no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "BUDGETS": "budget",
    "Fixed": "budget",
    "CertificateTable": "certificates",
    "read_certificates": "certificates",
    "write_certificates": "certificates",
    "certify": "certificates.certification",
    "predict": "certificates.certification",
    "routed": "certificates.routed",
    "Smooth": "sampling.smooth",
    "SmoothcertError": "core.errors",
    "adapt": "models.doors",
    "average_certified_radius": "certificates.metrics",
    "certified_accuracy": "certificates.metrics",
    "NOISES": "noise",
    "Gaussian": "noise",
    "import_certificates": "certificates.published",
    "read_results": "report.numbers",
    "sample": "sampling.library",
    "VoteStore": "votes",
}

_MODULES = {"datasets": "datasets", "metrics": "certificates.metrics"}

__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"smoothcert.{_MODULES[name]}")
    if name in _HOME:
        return getattr(importlib.import_module(f"smoothcert.{_HOME[name]}"), name)
    raise AttributeError(f"module 'smoothcert' has no attribute {name!r}")
