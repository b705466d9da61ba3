"""What made a result: versions, revision and machine, as its sidecar records them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

# What a record calls the answers of a network of a user's own on fixed inputs
ANSWERS = "answers"

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision")


def record(device: str | None = None) -> dict[str, Any]:
    """What a result's sidecar says of its surroundings.

    Versions of Python and of the numerical packages, the git revision of the source with a
    flag for uncommitted changes (None outside a checkout), the platform, and ``device``
    (with the model of the GPU where it is one). Never fails for want of git.
    """
    return {
        "smoothcert": version("smoothcert"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "git": dict(_git() or ()) or None,
        "platform": platform.platform(),
        "device": _device(device),
    }


def version(package: str) -> str | None:
    """The version of an installed package; None where it runs without having been installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def _git() -> tuple[tuple[str, Any], ...] | None:
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        ).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository: it must be tracked there.
        git("ls-files", "--error-unmatch", here.name)
        dirty = git("status", "--porcelain", "--untracked-files=no", "--", ":/")
        return ("revision", git("rev-parse", "HEAD")), ("dirty", bool(dirty))
    except (OSError, subprocess.SubprocessError):
        return None


def _device(device: str | None) -> str | None:
    torch = sys.modules.get("torch")
    if device is None or torch is None or not str(device).startswith("cuda"):
        return None if device is None else str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"
