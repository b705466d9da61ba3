"""Results of another configuration never take the place of a preset's."""

from pathlib import Path

import pytest
from conftest import REPOSITORY, copy_workflow

from smoothcert.core.errors import SmoothcertError
from smoothcert.workflow.naming import Run, preset_file, presets
from smoothcert.workflow.planning.jobs import dry_run

PRESETS = REPOSITORY / "config"


def run(preset="smoke", overlays=(), given=None, chosen=None) -> Run:
    files = tuple((Path(name), content) for name, content in overlays)
    return Run(preset, preset_file(preset, PRESETS), presets(PRESETS), files, given, chosen)


@pytest.mark.parametrize("preset", ["smoke", "laptop", "cifar", "paper"])
def test_a_preset_has_the_folder_of_its_name(preset: str) -> None:
    assert run(preset, given={"preset": preset}).name == preset


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"overlays": [("/there/my.yaml", {"seed": 3})]}, "smoke-my"),
        ({"overlays": [("a.yaml", {"seed": 3}), ("b.yml", {"inputs": {}})]}, "smoke-a-b"),
        ({"given": {"seed": 1}}, "smoke-seed1"),
        ({"overlays": [("my.yaml", {"seed": 3})], "given": {"seed": 1}}, "smoke-my-seed1"),
        ({"overlays": [("my.yaml", {"seed": 3})], "chosen": "thesis"}, "thesis"),
    ],
)
def test_what_changes_results_changes_the_folder(choice: dict, name: str) -> None:
    assert run(**choice).name == name


def test_where_files_lie_and_what_jobs_ask_for_changes_no_folder() -> None:
    site = {"data_dir": "/data", "resources": {"train": {"runtime": 60}}}
    given = {"preset": "paper", "checkpoints_dir": "/c", "target": "ddrs_table1"}
    assert run("paper", [("site.yaml", site), ("empty.yaml", None)], given).name == "paper"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"given": {"sampling": {"look": 500}}}, "sampling: --config changes .* add name=NAME"),
        ({"chosen": "a/b"}, "name: expected letters, .* found 'a/b'"),
        ({"chosen": ""}, "name: expected letters"),
        ({"overlays": [("my file.yaml", {"seed": 3})]}, "name: .* found 'smoke-my file'"),
        ({"preset": "huge"}, "preset: expected one of cifar, laptop, paper, smoke, or an exist"),
        ({"preset": "absent.yaml"}, "preset: expected one of .* found 'absent.yaml'"),
        ({"preset": 3}, "preset: expected one of"),
    ],
)
def test_a_choice_without_a_folder_is_one_line(choice: dict, message: str) -> None:
    with pytest.raises(SmoothcertError, match=f"configuration: {message}"):
        _ = run(**choice).name


def test_a_file_of_ones_own_is_a_preset(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.touch()
    assert run(str(own)).name == "mine"
    assert run(str(PRESETS / "smoke.yaml")).name == "smoke"
    own = own.rename(tmp_path / "smoke.yaml")
    with pytest.raises(SmoothcertError, match="would share results/smoke with the preset smoke"):
        _ = run(str(own)).name
    assert run(str(own), chosen="other").name == "other"


def test_a_run_says_what_chose_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overlay = (str(tmp_path / "my.yaml"), {"seed": 3})
    one = run("laptop", [overlay], {"target": "all", "preset": "laptop", "sampling": {"look": 5}})
    assert one.words == [
        "--config", "preset=laptop", 'sampling={"look": 5}', "--configfile", "my.yaml",
    ]  # fmt: skip


def test_snakemake_and_a_plan_take_the_folder_of_the_configuration(tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path)
    (folder / "my.yaml").write_text("inputs: {digits: {max: 20}}\n")
    (folder / "mine.yaml").write_text((folder / "config/smoke.yaml").read_text())

    def made(**choice) -> set[str]:
        jobs = dry_run(["cohen_table"], folder=folder, **choice)
        return {name.split("/")[1] for job in jobs for name in job.output}

    assert made() == {"smoke"}
    assert made(configfiles=["my.yaml"], config=["seed=1"]) == {"smoke-my-seed1"}
    assert made(preset="mine.yaml") == {"mine"}
