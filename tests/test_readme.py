"""What the README shows runs as it stands there."""

import re
from pathlib import Path

import pytest

from smoothcert import models

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_example_certifies_a_model_of_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    path = re.search(r'models.load\("([^"]+)"\)', example)
    assert path is not None
    monkeypatch.chdir(tmp_path)
    Path(path[1]).parent.mkdir(parents=True)
    models.save(models.build("tiny_cnn", 10, (1, 8, 8)), path[1], {})
    exec(compile(example.replace("n=10_000", "n=1000"), "README.md", "exec"), {})
    assert capsys.readouterr().out
    assert len(Path("certificates.tsv").read_text().splitlines()) == 1 + 20
