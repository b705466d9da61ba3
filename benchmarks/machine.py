"""The machine of a benchmark: what it is, and what it can do at most."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "onnxruntime", "openvino", "numpy")


def about() -> dict[str, Any]:
    """Processor, cores, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    first = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines) if v}
    kinds = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni")
    return {
        "processor": first.get("model name", platform.processor()),
        "instructions": [k for k in kinds if k in first.get("flags", "").split()],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES if _has(name)},
    }


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def best(work: Callable[[], Any], times: int = 7) -> float:
    """The least CPU seconds of some runs."""
    work()
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def peaks() -> dict[str, float]:
    """One thread: GFLOP/s of a matrix product of 1024 rows, and millions of normals a second."""
    torch.set_num_threads(1)
    facts = {}
    for kind in (torch.float32, torch.bfloat16):
        a = torch.rand(1024, 1024).to(kind)
        name = f"matmul {str(kind).removeprefix('torch.')} GFLOP/s"
        facts[name] = round(2 * 1024**3 / best(lambda a=a: a @ a) / 1e9, 1)  # type: ignore[misc]
    noise, stream = torch.empty(1 << 20), torch.Generator().manual_seed(0)
    seconds = best(lambda: noise.normal_(generator=stream))
    facts["normals a second, millions"] = round(noise.numel() / seconds / 1e6, 1)
    return facts
