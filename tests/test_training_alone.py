"""Two processes never train the same model at once."""

import fcntl
from pathlib import Path

import pytest

from smoothcert.core.errors import SmoothcertError
from smoothcert.training.run import _only_one


def test_a_second_trainer_of_a_model_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    scratch = tmp_path / ".model.partial"
    with (
        _only_one(scratch),
        pytest.raises(SmoothcertError, match="another process trains this model"),
        _only_one(scratch),
    ):
        pass
    assert not scratch.exists()  # an empty scratch folder is not left behind
    with _only_one(scratch):
        (scratch / "state.safetensors").touch()
    assert (scratch / "state.safetensors").exists()


def test_a_file_system_without_locks_trains_all_the_same(tmp_path: Path, monkeypatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with _only_one(tmp_path / "scratch"):
        pass
