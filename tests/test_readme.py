"""What the README shows runs as it stands there."""

import re
from pathlib import Path

import pytest

from smoothcert.certificates import read_certificates
from smoothcert.certificates.metrics import clean_accuracy

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_example_certifies_a_model_of_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("n=10_000", "n=1000"), "README.md", "exec"), {})
    assert capsys.readouterr().out
    table = read_certificates(Path("digits.tsv"))
    assert len(table) == 20
    assert clean_accuracy(table).value > 0.5  # it certifies what it says, no chance
