"""What a sidecar says of what made it."""

import pytest

from smoothcert.core import provenance


def test_a_record_names_versions_and_survives_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    provenance._git.cache_clear()
    monkeypatch.setenv("PATH", "")
    found = provenance.record("cpu")
    provenance._git.cache_clear()
    assert found["packages"]["numpy"] == numpy.__version__
    assert found["device"] == "cpu"
    assert found["git"] is None
