"""Contenders at work, each in a process of its own, and the peers that some of them are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}
SAMPLES = {"tiny_cnn": 100_000, "small_cnn": 40_000, "resnet20": 4_000}  # of a slice


class Contender(NamedTuple):
    """``name`` with ``cores``, its allocator as shipped or fixed."""

    name: str
    cores: int = 1
    fixed: bool = True

    @property
    def allocator(self) -> str:
        return "fixed" if self.fixed else "as shipped"


class Process:
    """A contender at work."""

    def __init__(self, of: Contender, arch: str) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(of.cores),
            **(MALLOC if of.fixed else {}),
        }
        environment["PYTHONPATH"] = os.pathsep.join([*sys.path[1:2], str(PEERS), *sys.path[2:]])
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "contender.py"), f"{of.name}:{of.cores}", arch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.runs = self._process.stdout.readline().strip() == "ready"

    def draw(self, n: int) -> tuple[float, float]:
        """CPU and wall seconds a sample."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(n, file=self._process.stdin, flush=True)
        cpu, wall = map(float, self._process.stdout.readline().split())
        return cpu / n, wall / n

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def processes(contenders: Sequence[Contender], arch: str) -> Iterator[dict[Contender, Process]]:
    with ExitStack() as stack:
        found = {}
        for of in contenders:
            process = Process(of, arch)
            stack.callback(process.end)
            if process.runs:
                found[of] = process
        yield found


def install_peers() -> None:
    if not (PEERS / "art").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        what = ["--target", str(PEERS), "--requirement", str(HERE / "requirements.txt")]
        subprocess.run([*pip, *what], check=True)
