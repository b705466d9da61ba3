"""``smoothcert selftest`` passes a device that computes as the CPU, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fake_cuda import NAME, pretended

from smoothcert.cli import main
from smoothcert.compute.arithmetic import computing, switches
from smoothcert.noise import Gaussian
from smoothcert.sampling.engines.pytorch import TorchEngine
from smoothcert.training.loop import Loop
from smoothcert.workflow.selftest import noise, speed
from smoothcert.workflow.selftest.run import ASKED, selftest


def asked(*questions: str, device: str = "cpu") -> tuple[dict, str, bool]:
    seen = selftest(device, 0.01, questions, say=lambda text: None)
    return seen, seen["verdict"], seen["passed"]


def failed(*questions: str) -> list[str]:
    seen, line, passed = asked(*questions)
    names = [check["name"] for check in seen["checks"] if check["passed"] is False]
    assert passed == (not names)
    assert ("FAILED" in line) == bool(names)
    return names


def test_this_cpu_passes_in_one_line_and_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "selftest.json"
    questions = [name for name in ASKED if name not in ("rates", "loader", "networks")]
    command = ["selftest", "--device", "cpu", "--seconds", "0.01", "--out", str(out)]
    assert main([*command, "--questions", *questions]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("selftest passed on cpu, torch ")
    assert said.out.count("\n") == 1
    assert "NO " not in said.err
    seen = json.loads(out.read_text())
    assert seen["passed"]
    assert seen["switches"] == switches()
    assert sum(check["passed"] is True for check in seen["checks"]) >= 20
    assert main(["selftest", "--questions", "colour"]) == 2
    assert "expected one of arithmetic, networks" in capsys.readouterr().err


def test_the_file_says_in_which_arithmetic_a_job_on_a_gpu_starts() -> None:
    with computing("tf32"), pretended():
        seen, _, _ = asked("arithmetic", device="cuda")
    assert seen["switches"]["conv"] == "ieee"


@pytest.mark.slow
def test_a_pretended_gpu_is_found_out_by_its_arithmetic_alone() -> None:
    """It has the manners of CUDA, but no shortened products."""
    with pretended():
        seen, line, passed = asked("arithmetic", "noise", "again", "weights", device="cuda")
    assert not passed
    assert f"FAILED on cuda ({NAME})" in line
    assert [c["name"] for c in seen["checks"] if c["passed"] is False] == ["arithmetic tf32"]


def test_wrong_noise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = noise._drawn

    def drawn(of: object, device: object, purpose: str) -> torch.Tensor:
        right = real(of, device, purpose)  # type: ignore[arg-type]
        wide = isinstance(of, Gaussian) and purpose == "selftest-noise"
        return 1.2 * right if wide else right

    monkeypatch.setattr(noise, "_drawn", drawn)
    assert failed("noise") == ["noise gaussian-0.50"]


def test_wrong_logits_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = TorchEngine.logits

    def logits(self: TorchEngine, images: torch.Tensor) -> torch.Tensor:
        return real(self, images if self.precision != "float32" else images.round(decimals=1))

    monkeypatch.setattr(TorchEngine, "logits", logits)
    assert failed("votes") == ["votes in float32"]
    assert failed("networks") == ["logits of tiny_cnn in float32", "logits of resnet20 in float32"]


def test_runs_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = TorchEngine.logits, iter(range(10**6))

    def logits(self: TorchEngine, images: torch.Tensor) -> torch.Tensor:
        return real(self, images) + 2 * torch.randn(len(images), 10, generator=stream)

    stream = torch.Generator().manual_seed(0)
    monkeypatch.setattr(TorchEngine, "logits", logits)
    monkeypatch.setattr(
        "smoothcert.sampling.job.open_engine",
        lambda model, shape, device, *_: TorchEngine(model, shape, device, "float32"),
    )
    assert failed("again") == ["votes again", "votes after a kill"]
    order = Loop.order
    monkeypatch.setattr(Loop, "order", lambda self, epoch: order(self, epoch + 7 * next(calls)))
    assert failed("weights") == ["weights again", "weights after a stop"]


def test_an_error_is_an_answer_and_the_other_questions_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(place: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")

    monkeypatch.setitem(ASKED, "memory", breaks)  # type: ignore[arg-type]
    seen, _, passed = asked("arithmetic", "memory")
    assert not passed
    last = seen["checks"][-1]
    assert last["said"] == "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert len(seen["checks"]) > 3


def test_files_and_products_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "FILES", 4)
    monkeypatch.setattr(speed, "cores", lambda: 1)
    seen, _, passed = asked("loader")
    assert passed
    assert seen["checks"][0]["numbers"]["rate"] > 1
