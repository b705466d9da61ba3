"""The workflow used from another folder: as a module by path and by github(), without a network."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY, copy_workflow
from test_workflow import CELL, TINY, snakemake

from smoothcert.core.errors import SmoothcertError
from smoothcert.workflow.naming import preset_file, presets

pytestmark = pytest.mark.xdist_group("workflow")

MINE = """
module smoothcert:
    snakefile: {snakefile}
    config: {config}
    {prefix}


use rule * from smoothcert as cert_*


rule mine:
    input: rules.cert_cohen_table.output, {report}
    output: "mine.txt"
    shell: "cp {{input[0]}} {{output}}"
"""


def write(folder: Path, snakefile: str, config: dict, prefix: str = "", report: str = "[]") -> None:
    (folder / "Snakefile").write_text(
        MINE.format(snakefile=snakefile, config=config, prefix=prefix, report=report)
    )


def test_a_module_writes_to_the_caller_and_reads_its_own_files(tmp_path: Path) -> None:
    config = {"name": "mine", "published": "none", **TINY}
    report = "rules.cert_cohen_report.output"
    write(tmp_path, repr(str(REPOSITORY / "Snakefile")), config, "prefix: 'cert'", report)
    done = snakemake(tmp_path, "mine", "--dry-run", "--printshellcmds", "--cores", "1")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    made = re.findall(r"^ +(?:output|log): (.*)", text, re.M)
    paths = [path for line in made for path in line.split(", ")]
    assert f"cert/results/mine/certificates/{CELL}/fixed-1000.tsv" in paths
    assert [path for path in paths if not path.startswith("cert/results/mine/")] == ["mine.txt"]
    taken = re.findall(r"--benchmark (\S+)", text)
    assert len(taken) >= 3
    assert all(path.startswith("cert/results/mine/benchmarks/") for path in taken)
    notebook = re.search(r"smoothcert notebook (\S+)", text)
    assert notebook
    assert (tmp_path / notebook[1]).samefile(REPOSITORY / "notebooks/cohen.ipynb")


def test_a_module_of_github_brings_its_code_and_configuration(tmp_path: Path) -> None:
    source, folder = copy_workflow(tmp_path / "source"), tmp_path / "mine"
    folder.mkdir()
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    config = {"name": "mine", "published": "none", **TINY}
    hosted = "github('lab/smoothcert', path='Snakefile', tag='v1')"
    write(folder, hosted, config)
    here = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{source.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/lab/smoothcert",
        "PYTHONPATH": "",
    }
    data = "results/mine/data/digits.json"
    done = snakemake(folder, data, "--cores", "1", **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / data).is_file()
    (clone,) = (folder / ".snakemake").glob("smoothcert-*")
    assert (clone / "src/smoothcert/__init__.py").is_file()
    assert [path.name for path in (folder / "results").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"inputs": {"digits": {"max": 5}}}, "configuration: inputs: .* add name=NAME"),
        ({"sede": 1, "name": "mine"}, "configuration: sede: unknown key"),
    ],
)
def test_a_wrong_configuration_of_a_module_is_one_line(tmp_path: Path, config, said) -> None:
    write(tmp_path, repr(str(REPOSITORY / "Snakefile")), config)
    done = snakemake(tmp_path, "mine", "--dry-run", "--cores", "1")
    text = done.stdout + done.stderr
    assert done.returncode == 1
    assert re.search(said, text), text
    assert "Traceback" not in text


def test_a_deployed_preset_that_was_edited_is_not_passed_over(tmp_path: Path, monkeypatch) -> None:
    own = REPOSITORY / "config"
    assert "config" not in presets(own)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    copy = tmp_path / "config/smoke.yaml"
    copy.write_bytes((own / "smoke.yaml").read_bytes())
    assert preset_file("smoke", own) == own / "smoke.yaml"
    copy.write_text("preset: smoke\nseed: 3\n")
    with pytest.raises(SmoothcertError, match=r"config/smoke\.yaml differs"):
        preset_file("smoke", own)
