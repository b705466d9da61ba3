"""Shared by all tests: one thread a process, no deadlines, a copy of the workflow to run."""

import os
import shutil
from pathlib import Path

# Before anything imports torch: the tests run side by side, one process a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("smoothcert", deadline=None)
settings.load_profile("smoothcert")

REPOSITORY = Path(__file__).resolve().parent.parent
WORKFLOW = ("Snakefile", "config.yaml", "config", "rules", "profiles", "slurm", "notebooks", "envs")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


def copy_workflow(target: Path) -> Path:
    """Copy the workflow with the library's source to ``target``; both may then be edited.

    It uses no published certificates, so that what it makes does not hang on this computer's.
    """
    target.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in WORKFLOW:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy(source, target / name)
    shutil.copytree(REPOSITORY / "src", target / "src", ignore=ignore)
    config = target / "config.yaml"
    config.write_text(config.read_text().replace("\npublished: found\n", "\npublished: none\n"))
    return target
