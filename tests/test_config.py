"""A configuration is accepted whole, or refused with one line that names the key."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from smoothcert.core.errors import SmoothcertError
from smoothcert.workflow import experiments, gpus, stand_ins
from smoothcert.workflow.configuration import check, environment
from smoothcert.workflow.naming import presets

Config = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parent.parent
PRESETS = sorted(presets(REPOSITORY / "config"))
OVERLAYS = {"bfloat16": "cifar", "cifar_minute": "cifar", "mnist_100k": "laptop"}


def merged(base: Config, over: Config) -> Config:
    """Mappings key by key, anything else replaced: what Snakemake does with configuration files."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def read(name: str) -> Config:
    return yaml.safe_load((REPOSITORY / name).read_text())


def preset(name: str) -> Config:
    return merged(read("config.yaml"), read(f"config/{name}.yaml"))


@pytest.fixture
def smoke() -> Config:
    return preset("smoke")


GRID = {
    "dataset": "digits",
    "arch": "tiny_cnn",
    "training": "cohen-fs-0.25",
    "noise": "gaussian-0.25",
    "scaling": "fixed",
    "budget": "fixed-1000",
}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_accepted_and_names_itself(name: str) -> None:
    config = preset(name)
    check(config)
    assert config["preset"] == name


@pytest.mark.parametrize(("overlay", "name"), OVERLAYS.items())
def test_an_overlay_fits_its_preset(overlay: str, name: str) -> None:
    check(merged(preset(name), read(f"config/overlays/{overlay}.yaml")))


@pytest.mark.parametrize("data", ["cifar10", "cifar10-jpeg"])
def test_preset_cifar_has_the_same_runs_and_recipes_on_either_data_set(
    data: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SMOOTHCERT_DATA", str(tmp_path))
    (tmp_path / stand_ins.DATASETS[data].places[0]).touch()
    config = stand_ins.available(preset("cifar"))
    check(config)
    runs = list(experiments.all_runs(config))
    assert {run["dataset"] for run in runs} == {data}
    assert config["lbrs"]["tasks"]["second"]["task"]["dataset"] == data
    for run in runs:
        twin = {**run, "dataset": "cifar10"}
        assert experiments.recipe(config, run) == experiments.recipe(config, twin)


def test_stores_of_many_samples_have_fewer_inputs() -> None:
    config = preset("cifar")
    (store,) = experiments.runs(config, "iss_table1")[:1]
    many, few = ({**store, "training": t} for t in ("consistency-fs-0.50", "cohen-fs-0.50"))
    assert experiments.settings(config, "sample", many)["max"] == 200
    assert experiments.settings(config, "sample_alone", many)["max"] == 200
    few.pop("budget")
    assert experiments.settings(config, "sample", few)["max"] is None
    config["inputs"]["cifar10"]["max"] = 100
    assert experiments.settings(config, "sample", many)["max"] == 100


def test_a_stand_in_must_have_known_file_names() -> None:
    with pytest.raises(
        SmoothcertError, match="stand_ins: expected data sets among cifar10, cifar10-"
    ):
        stand_ins.available({"stand_ins": {"cifar10": "digits"}})


def test_the_base_configuration_has_the_settings_of_the_paper() -> None:
    runs = experiments.runs(preset("paper"), "cohen")
    cifar = [run for run in runs if run["dataset"] == "cifar10"]
    assert [run["noise"] for run in cifar] == [
        f"gaussian-{s}" for s in ("0.12", "0.25", "0.50", "1.00")
    ]
    assert {run["arch"] for run in runs} == {"resnet110", "resnet50"}
    assert {run["budget"] for run in runs} == {"fixed-100000"}
    recipe = experiments.settings(preset("paper"), "train", cifar[0])["recipe"]
    paper = {"epochs": 90, "batch": 400, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    paper |= {"lr_step": 30, "lr_gamma": 0.1, "augmentation": "crop-flip"}
    assert recipe.items() >= paper.items()


def test_iss_certifies_models_trained_as_those_of_its_paper() -> None:
    config = preset("paper")
    for table, wanted in {
        "iss_table1": ("imagenet", "resnet50", "consistency"),
        "iss_table4": ("imagenet", "resnet50", "consistency"),
        "iss_table5": ("cifar10", "resnet110", "macer"),
    }.items():
        for run in [*experiments.runs(config, table), *experiments.live_runs(config, table)]:
            assert (run["dataset"], run["arch"], run["training"].split("-")[0]) == wanted


@pytest.mark.parametrize(
    ("training", "dataset", "arch", "options"),
    [
        ("consistency-fs-0.50", "imagenet", "resnet50", {"m": 2, "lam": 5.0, "eta": 0.5}),
        ("consistency-fs-1.00", "imagenet", "resnet50", {"m": 2, "lam": 5.0, "eta": 0.1}),
        ("consistency-fs-0.25", "cifar10", "resnet110", {"m": 2, "lam": 20.0, "eta": 0.5}),
        ("consistency-fs-1.00", "cifar10", "resnet110", {"m": 2, "lam": 10.0, "eta": 0.5}),
        ("macer-fs-0.25", "cifar10", "resnet110", {"k": 16, "lam": 12.0}),
        ("macer-fs-0.50", "cifar10", "resnet110", {"k": 16, "lam": 4.0}),
        ("macer-fs-1.00", "cifar10", "resnet110", {"k": 16, "lam": 12.0, "defer": 200}),
        ("macer-fs-0.50", "cifar10", "resnet18_stem7", {"k": 64, "lam": 12.0}),
    ],
)
def test_a_recipe_may_depend_on_the_scale(
    training: str, dataset: str, arch: str, options: Config
) -> None:
    run = {"dataset": dataset, "arch": arch, "training": training}
    recipe = experiments.settings(preset("paper"), "train", run)["recipe"]
    assert recipe["method"].items() >= options.items()


def test_a_snapshot_for_one_scale_is_kept_at_that_scale(smoke: Config) -> None:
    config = merged(smoke, {"recipes": {"cohen-ds2-0.25": {"digits": {"parent": 5}}}})
    check(config)

    def snapshots(training: str) -> list[int]:
        run = {"dataset": "digits", "arch": "tiny_cnn", "training": training}
        return experiments.settings(config, "train", run)["recipe"]["snapshots"]

    assert snapshots("cohen-fs-0.25") == [5, 8]  # 8: of the control cohen-fs_ft
    assert snapshots("cohen-fs-0.50") == [8]


def test_a_published_checkpoint_takes_the_place_of_a_training() -> None:
    config = preset("paper")
    run = {"dataset": "cifar10", "arch": "resnet110", "training": "macer-fs-0.50"}
    other = {**run, "arch": "resnet18_stem7"}
    assert experiments.model(config, run).startswith("<results>/models/")
    config = merged(config, read("config/overlays/published_models.yaml"))
    check(config)
    published = "<results>/published/cifar10/resnet110/macer-fs-0.50.safetensors"
    assert experiments.model(config, run) == published
    assert experiments.recipe(config, run)["normalization"] == "none"
    assert experiments.model(config, other).startswith("<results>/models/")
    # what starts from the training starts from the checkpoint
    assert experiments.parent(config, {**run, "training": "macer-ds2-0.50"}) is not None


def test_the_networks_of_cohen_et_al_certify_without_a_training(tmp_path: Path) -> None:
    config = merged(preset("paper"), read("config/overlays/published_models.yaml"))
    check(config)
    cohen = experiments.runs(config, "cohen")
    assert {run["dataset"] for run in cohen} == {"cifar10", "imagenet"}
    assert all(experiments.model(config, run).startswith("<results>/published/") for run in cohen)
    others = [
        {**cohen[0], "training": "cohen-fs-laplace-0.25"},
        {**cohen[0], "arch": "resnet18_stem7"},
    ]
    assert all(experiments.model(config, run).startswith("<results>/models/") for run in others)
    # as in the authors' archive, or by the name of the training, which comes first
    config = merged(config, {"checkpoints_dir": str(tmp_path)})
    run = {"dataset": "cifar10", "arch": "resnet110", "training": "cohen-fs-0.25"}
    named = tmp_path / "cifar10/resnet110/cohen-fs-0.25.pth.tar"
    unpacked = tmp_path / "cifar10/resnet110/noise_0.25/checkpoint.pth.tar"
    assert experiments.checkpoint(config, run) == str(named)
    unpacked.parent.mkdir(parents=True)
    unpacked.touch()
    assert experiments.checkpoint(config, run) == str(unpacked)
    named.touch()
    assert experiments.checkpoint(config, run) == str(named)


def test_a_training_takes_as_many_gpus_as_share_its_batches() -> None:
    config = preset("paper")
    imagenet = {"dataset": "imagenet", "arch": "resnet50", "training": "cohen-fs-0.25"}
    cifar = {"dataset": "cifar10", "arch": "resnet110", "training": "cohen-fs-0.25"}

    def asked(most: int) -> list[tuple[int, int]]:
        with_gpus = merged(config, {"resources": {"train": {"gpu": most}}})
        check(with_gpus)
        return [
            (gpus.of_training(with_gpus, run), gpus.training_threads(with_gpus, run))
            for run in (imagenet, cifar)
        ]

    assert asked(1) == [(1, 14), (1, 4)]
    assert asked(4) == [(4, 56), (1, 4)]
    assert asked(3) == [(1, 14), (1, 4)]
    assert asked(0) == [(0, 14), (0, 4)]


def test_inside_a_job_of_slurm_a_word_is_said() -> None:
    assert gpus.inside_a_job("") == ""
    assert "Slurm job 77" in gpus.inside_a_job("77")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sede": 1}, "sede: unknown key; expected one of preset, .*seed"),
        ({"seed": "0"}, "seed: expected a whole number, found '0'"),
        ({"seed": -1}, "seed: expected at least 0, found -1"),
        ({"data_dir": 3}, "data_dir: expected a text, found 3"),
        (
            {"recipes": {"cohen": {"digits": {"lr": "fast"}}}},
            r"recipes\.cohen\.digits\.lr: expected a number, found 'fast'",
        ),
        (
            {"recipes": {"cohen": {"digits": {"lr": 0}}}},
            r"digits\.lr: expected more than 0, found 0",
        ),
        ({"recipes": {"cohen": {"digits": {"ephocs": 1}}}}, r"digits\.ephocs: unknown key.*epochs"),
        ({"recipes": {"cohen": {"digitz": {}}}}, r"cohen\.digitz: unknown key.*digits"),
        ({"recipes": {"macer": {"digits": {"parent": "x"}}}}, r"digits\.parent: expected model"),
        ({"recipes": {"macer": {"mnist": {"method": {"radius": 1}}}}}, r"method\.radius: unknown"),
        ({"recipes": {"coen": {}}}, r"recipes\.coen: unknown key"),
        ({"recipes": {"macer-fs-0.5": {}}}, r"recipes\.macer-fs-0\.5: unknown key; .*0\.50"),
        ({"inputs": {"digitz": {}}}, r"inputs\.digitz: unknown key.*digits"),
        ({"inputs": {"digits": {"shards": 0}}}, r"inputs\.digits\.shards: expected at least 1"),
        ({"sampling": {"precision": "int8"}}, r"sampling\.precision: expected one of float32"),
        ({"resources": {"train": {"gpu": "a100"}}}, r"resources\.train\.gpu: .*found 'a100'"),
        ({"outputs": {"cohen_tabel": {}}}, r"outputs\.cohen_tabel: unknown key.*cohen_table"),
        ({"experiments": {"cohen": []}}, r"experiments\.cohen: expected at least 1"),
        ({"experiments": {"coen": [GRID]}}, r"experiments\.coen: unknown key.*cohen"),
        (
            {"experiments": {"cohen": [GRID | {"scale": 0.5}]}},
            r"cohen\.0\.scale: expected a quoted .*found 0\.5",
        ),
        (
            {"experiments": {"cohen": [GRID | {"scale": "0.5"}]}},
            r"cohen\.0\.scale: .*0\.50.*found '0\.5'",
        ),
        (
            {"experiments": {"cohen": [GRID | {"budget": ["fixed-10", "fixed-10"]}]}},
            r"cohen\.0\.budget: expected .* distinct ones",
        ),
        ({"experiments": {"cohen": [GRID | {"sigma": "0.50"}]}}, r"cohen\.0\.sigma: unknown key"),
        ({"experiments": {"cohen": [{"dataset": "digits"}]}}, r"cohen\.0\.arch: missing"),
        ({"iss": {"live": {"iss_table9": []}}}, r"iss\.live\.iss_table9: unknown key"),
    ],
)
def test_a_wrong_key_or_type_is_named(smoke: Config, change: Config, message: str) -> None:
    with pytest.raises(SmoothcertError, match=f"^configuration: .*{message}") as caught:
        check(merged(smoke, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": "gausian-0.25"}, r"cohen\.noise: noise 'gausian-0.25': unknown"),
        ({"noise": "gaussian-0.250"}, r"cohen\.noise: .*write it 'gaussian-0.25'"),
        ({"noise": "gaussian-{sigma}"}, r"cohen\.noise: .*refers to 'sigma'"),
        ({"training": "cohen-0.25"}, r"cohen\.training: training 'cohen-0.25'"),
        ({"training": "other-fs-0.25"}, r"no recipe; expected the key recipes\.other\.digits"),
        ({"budget": "fixed-5"}, r"cohen\.budget: .*smallest n that can is 10"),
        ({"budget": "fixed_a2.00-1000"}, r"cohen\.budget: .*alpha 2"),
        ({"dataset": "digit"}, r"cohen\.dataset: .*digit"),
        ({"dataset": "spiral"}, r"no recipe; expected the key recipes\.cohen\.spiral"),
        ({"arch": "tiny_cmm"}, r"cohen\.arch: .*tiny_cmm"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(smoke: Config, change: Config, message: str) -> None:
    smoke["experiments"]["cohen"] = [GRID | change]
    with pytest.raises(SmoothcertError, match=f"^configuration: experiments.*{message}"):
        check(smoke)


def test_a_grid_is_the_product_of_its_lists_and_a_section_the_union_of_its_grids() -> None:
    grid = GRID | {"scale": ["0.25", "0.50"], "budget": ["fixed-1000", "fixed-2000"]}
    grid |= {"training": "cohen-fs-{scale}", "noise": "gaussian-{scale}"}
    runs = experiments.expand([grid, GRID])
    assert len(runs) == 4  # GRID itself is among them
    assert {(r["training"], r["noise"], r["budget"]) for r in runs} == {
        (f"cohen-fs-{s}", f"gaussian-{s}", f"fixed-{n}")
        for s in ("0.25", "0.50")
        for n in (1000, 2000)
    }
    assert all(tuple(run) == experiments.AXES for run in runs)


def test_a_training_job_does_not_depend_on_certification(smoke: Config) -> None:
    run = experiments.runs(smoke, "cohen")[0]
    before = json.dumps(experiments.settings(smoke, "train", run), sort_keys=True)
    changed = merged(smoke, {"sampling": {"look": 500}, "inputs": {"digits": {"max": 7}}})
    changed["experiments"]["cohen"][0]["budget"] = "fixed-777"
    assert json.dumps(experiments.settings(changed, "train", run), sort_keys=True) == before


def test_a_store_does_not_depend_on_its_shards_nor_on_other_recipes(smoke: Config) -> None:
    run = experiments.runs(smoke, "cohen")[0]
    before = experiments.settings(smoke, "sample", run)
    over = {"inputs": {"digits": {"shards": 7}}, "recipes": {"cohen": {"digits": {"epochs": 1}}}}
    assert experiments.settings(merged(smoke, over), "sample", run) == before


def test_a_store_is_sampled_for_the_largest_budget_that_reads_it(smoke: Config) -> None:
    smoke["experiments"]["cohen"] = [GRID | {"budget": ["fixed-1000", "fixed-20000"]}]
    small, large = experiments.runs(smoke, "cohen")
    assert experiments.settings(smoke, "sample", small)["budget"] == "fixed-20000"
    assert experiments.settings(smoke, "sample", large)["budget"] == "fixed-20000"
    assert experiments.settings(smoke, "certify", small)["budget"] == "fixed-1000"


def test_adaptive_budgets_read_the_store_of_the_fixed_ones(smoke: Config) -> None:
    budgets = ["fixed-1000", "iss_ad0.05-20000", "iss-fresh_s300_ad0.05-20000"]
    smoke["experiments"]["cohen"] = [GRID | {"training": "cohen-fs-0.75", "budget": budgets}]
    run = experiments.runs(smoke, "cohen")[1]
    assert experiments.settings(smoke, "sample", run)["budget"] == "fixed-20000"
    check(smoke)
    # Without a fixed budget the least n0, which the others fill up.
    smoke["experiments"]["cohen"] = [GRID | {"training": "cohen-fs-0.75", "budget": budgets[1:]}]
    assert experiments.settings(smoke, "sample", run)["budget"] == "fixed_s200-20000"
    alone = experiments.settings(smoke, "sample_alone", run)
    assert alone["budget"] == "iss_ad0.05-20000"
    parts = experiments.code_of("sample_alone", alone, run)["parts"]
    assert "budget.iss" in parts


def test_budgets_that_share_a_store_must_agree_on_the_selection_samples(smoke: Config) -> None:
    smoke["experiments"]["cohen"] = [GRID | {"budget": ["fixed-1000", "fixed_s50-2000"]}]
    with pytest.raises(SmoothcertError, match="share a vote store: expected one n0"):
        check(smoke)


def test_the_parts_of_a_job_are_named_without_their_numbers(smoke: Config) -> None:
    run = experiments.runs(smoke, "cohen")[0]

    def code(stage: str) -> Config:
        return experiments.code_of(stage, experiments.settings(smoke, stage, run), run)

    train, sample, certify = (code(stage)["parts"] for stage in ("train", "sample", "certify"))
    assert {"datasets.digits", "models.tiny_cnn", "training.cohen", "noise.gaussian"} <= train
    assert {"noise.gaussian", "models.tiny_cnn"} <= sample
    assert not {"budget.fixed", "training.cohen"} & sample
    assert {"budget.fixed", "noise.gaussian"} <= certify


def test_the_conda_environment_has_the_pins_of_the_lock_file() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = [line for line in lock if not line.startswith("#")]
    assert read("envs/smoothcert.yaml")["dependencies"][-1] == {"pip": pins}


def test_the_lock_file_pins_every_package_without_a_build_or_an_address() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = [line for line in lock if not line.startswith("#")]
    assert {"torch==2.13.0", "torchvision==0.28.0"} <= set(pins)
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert not [pin for pin in pins if pin.startswith(("nvidia", "cuda", "triton"))]


def test_a_data_set_of_ones_own_is_known_by_its_name(
    smoke: Config, tmp_path: Path, monkeypatch: Any
) -> None:
    np.savez(tmp_path / "lab.npz", x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4))
    own = {
        "datasets": {"lab": str(tmp_path / "lab.npz")},
        "inputs": {"lab": {"max": 2}},
        "recipes": {"cohen": {"lab": {"normalization": "none"}}},
        "experiments": {"cohen": [{**GRID, "dataset": "lab"}]},
    }
    config = merged(smoke, own)
    with pytest.raises(
        SmoothcertError, match=r"experiments\.cohen\.dataset: data set 'lab': unknown"
    ):
        check(config)
    for key, value in environment(config).items():
        monkeypatch.setenv(key, value)
    check(config)
    run = experiments.runs(config, "cohen")[0]
    assert experiments.settings(config, "sample", run)["dataset"] == "lab"
    with pytest.raises(SmoothcertError, match=r"inputs\.other: unknown key"):
        check(merged(config, {"inputs": {"other": {"max": 2}}}))
    with pytest.raises(SmoothcertError, match=r"recipes\.cohen\.other: unknown key"):
        check(merged(config, {"recipes": {"cohen": {"other": {}}}}))
    with pytest.raises(SmoothcertError, match="datasets: expected a mapping"):
        environment({"datasets": ["lab"]})
