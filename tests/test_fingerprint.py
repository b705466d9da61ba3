"""A fingerprint changes exactly when code that a job runs changes, definition by definition."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import REPOSITORY
from test_config import preset

from smoothcert.budget import BUDGETS
from smoothcert.core.slugs import Training
from smoothcert.noise import NOISES
from smoothcert.training import METHODS
from smoothcert.workflow import catalogue, experiments, needs
from smoothcert.workflow.definitions import read_module
from smoothcert.workflow.fingerprint import Source

FILES = {
    "p/__init__.py": "",
    "p/run.py": (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "import numpy as np\n"
        "from p import work\n"
        "from p.parts import PARTS\n"
        "if TYPE_CHECKING:\n"
        "    from p.hints import Hint\n"
        "def run(x: Hint, shape: int = 3):\n"
        "    from p.late import late\n"
        "    part = PARTS.parse(x)\n"
        "    return late(part.draw(work.LIMIT, getattr(part, 'tint')), np.ones(shape))\n"
        "def other():\n"
        "    return 5\n"
    ),
    "p/work.py": (
        "LIMIT = 3\nSPARE = 4\n"
        "def limit(x):\n    return x\n"
        "def spare(x):\n    return SPARE\n"
    ),
    "p/late.py": "from .util import g as late\n",
    "p/util.py": (
        "import p.effects\ndef g(x, y):\n    return x + h(y)\n"
        "def h(y): return y\ndef i(): return 2\n"
    ),
    "p/effects.py": "TABLE = {}\nTABLE['a'] = 1\ndef unused(): return 1\n",
    "p/hints.py": "class Hint: ...\n",
    "p/parts/__init__.py": (
        "'''Parts.'''\nfrom p.parts.base import PARTS\nfrom p.parts.red import Red\n"
        "from p.parts.blue import Blue\n__all__ = ['PARTS', 'Red', 'Blue']\n"
    ),
    "p/parts/base.py": (
        "class Family:\n    def parse(self, x):\n        return self._members[x]()\n"
        "    def show(self):\n        return 'x'\n"
        "PARTS = Family()\n"
        "class Part:\n    def draw(self, limit, f):\n        return self.scale(limit)\n"
        "    def scale(self, x):\n        return x\n"
    ),
    "p/parts/red.py": (
        "from p.parts.base import PARTS, Part\n@PARTS.member('red')\nclass Red(Part):\n"
        "    shade = 1\n"
        "    def scale(self, x):\n        return 2 * x\n"
        "    def tint(self, x):\n        return 0\n"
        "    def radius(self, x):\n        return x - 1\n"
        "    def __len__(self):\n        return 7\n"
    ),
    "p/parts/blue.py": (
        "from p.parts.base import PARTS, Part\nfrom p import pigment\n"
        "@PARTS.member('blue')\nclass Blue(Part):\n"
        "    def scale(self, x):\n        return pigment.INK\n"
    ),
    "p/pigment.py": "INK = 31\n",
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "src"


def red(source: Path) -> str:
    return Source(source, source.parent / "cache").fingerprint("p.run:run", {"parts.red"})


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


COUNTS = [
    ("p/run.py", "late(part", "late(2 * part"),
    ("p/run.py", "shape: int = 3", "shape: int = 4"),
    ("p/run.py", "import numpy as np", "import cupy as np"),
    ("p/work.py", "LIMIT = 3", "LIMIT = 4"),
    ("p/parts/red.py", "return 0", "return 1"),  # by getattr of a text
    ("p/late.py", "g as late", "i as late"),
    ("p/util.py", "def h(y): return y", "def h(y): return -y"),
    ("p/effects.py", "TABLE['a'] = 1", "TABLE['a'] = 2"),
    ("p/parts/base.py", "self._members[x]()", "self._members[x](1)"),
    ("p/parts/base.py", "self.scale(limit)", "self.scale(-limit)"),
    ("p/parts/red.py", "shade = 1", "shade = 2"),
    ("p/parts/red.py", "2 * x", "3 * x"),
    ("p/parts/red.py", "return 7", "return 8"),  # a double underscore
]  # fmt: skip
SPARES = [
    ("p/run.py", "return 5", "return 6"),
    ("p/work.py", "SPARE = 4", "SPARE = 5"),
    ("p/work.py", "    return x\n", "    return -x\n"),
    ("p/util.py", "return 2", "return 3"),
    ("p/util.py", "def g(x, y):\n", "# why\n\ndef g(x, y):  # adds\n    '''x + y.'''\n\n"),
    ("p/util.py", "return x + h(y)", "return x + h(\n        y,\n    )"),
    ("p/effects.py", "return 1", "return 2"),
    ("p/hints.py", "class Hint: ...", "class Hint:\n    x = 1"),
    ("p/parts/base.py", "return 'x'", "return 'y'"),
    ("p/parts/red.py", "x - 1", "x - 2"),  # a method whose name nothing uses
    ("p/parts/blue.py", "pigment.INK", "0"),  # a member that is not chosen
    ("p/pigment.py", "INK = 31", "INK = 32"),
    ("p/parts/__init__.py", "'''Parts.'''", "from p.parts.green import Green"),
]


@pytest.mark.parametrize(("file", "old", "new"), COUNTS)
def test_an_edit_of_code_that_runs_counts(source: Path, file: str, old: str, new: str) -> None:
    before = red(source)
    edit(source / file, old, new)
    assert red(source) != before


@pytest.mark.parametrize(("file", "old", "new"), SPARES)
def test_an_edit_of_anything_else_does_not(source: Path, file: str, old: str, new: str) -> None:
    before = red(source)
    edit(source / file, old, new)
    assert red(source) == before


def test_a_chosen_member_brings_what_it_uses(source: Path) -> None:
    names = Source(source).reach(["p.run:run"], {"parts.blue"}).names()
    assert names["p.pigment"] == {"INK"}
    assert "p.parts.red" not in names


def test_an_attribute_of_self_is_not_one_of_another_class(source: Path) -> None:
    edit(source / "p/parts/base.py", "return x\n", "return self.radius\n")
    assert "Red.radius" in Source(source).reach(["p.run:run"], {"parts.red"}).names()["p.parts.red"]
    (source / "p/parts/pink.py").write_text("class Pink:\n    def radius(self): return 1\n")
    edit(
        source / "p/run.py",
        "from p import work",
        "from p import work\nfrom p.parts.pink import Pink",
    )
    edit(source / "p/run.py", "part = ", "pink, part = Pink(), ")
    names = Source(source).reach(["p.run:run"], {"parts.red"}).names()
    assert names["p.parts.pink"] == {"Pink"}


def test_a_class_with_a_base_from_outside_counts_whole(source: Path) -> None:
    edit(source / "p/parts/red.py", "Red(Part)", "Red(Part, Module)")
    assert "Red.radius" in Source(source).reach(["p.run:run"], {"parts.red"}).names()["p.parts.red"]


def test_a_data_file_counts_where_code_names_it(source: Path) -> None:
    (source / "p/limits.csv").write_text("1\n")
    before = red(source)
    edit(source / "p/util.py", "return y", "return open('limits.csv')")
    named = red(source)
    (source / "p/limits.csv").write_text("2\n")
    assert len({before, named, red(source)}) == 3


def test_what_is_not_there_is_refused(source: Path) -> None:
    for entry in ("p.nothing", "p.run:nothing"):
        with pytest.raises(LookupError, match=r"p\.(run:)?nothing"):
            Source(source).fingerprint(entry)
    with pytest.raises(LookupError, match="nothing"):
        Source(source).fingerprint("p.run:run", (), ["p.work:nothing"])


def test_the_fingerprint_does_not_depend_on_the_python_version(source: Path) -> None:
    """The value is fixed: a job done under 3.11 is not redone under 3.13."""
    edit(source / "p/util.py", "return x + h(y)", "return f'{x!r:>{y}} {h(y)}' + rf\"{x}\"")
    assert red(source) == "b83fa2b36a265b9c"


def test_a_cache_changes_no_value(source: Path, tmp_path: Path) -> None:
    first = Source(source, tmp_path / "cache")
    value = first.fingerprint("p.run:run", {"parts.red"})
    first.save()
    assert len(list((tmp_path / "cache").glob("*.json"))) == 2
    assert Source(source, tmp_path / "cache").fingerprint("p.run:run", {"parts.red"}) == value
    edit(source / "p/util.py", "def h(y): return y", "def h(y): return -y")
    changed = Source(source, tmp_path / "cache").fingerprint("p.run:run", {"parts.red"})
    assert changed == Source(source, tmp_path / "none").fingerprint("p.run:run", {"parts.red"})
    assert changed != value
    for path in (tmp_path / "cache").glob("*.json"):
        path.write_text('{"half')
    assert Source(source, tmp_path / "cache").fingerprint("p.run:run", {"parts.red"}) == changed


def test_layout_is_no_code() -> None:
    def text(source: str) -> str:
        return read_module(source).definitions[0].text

    plain = text("x = f(1, g(2))\n")
    assert text("x = f(  # why\n    1,\n    g(\n        2,\n    ),\n)\n") == plain
    assert text("x = f(1, g(3))\n") != plain
    assert text("x = (1,)\n") != text("x = (1)\n")
    assert text("x = a[1,]\n") != text("x = a[1]\n")
    assert text("x = '#a'\n") != text("x = '# a'\n")
    nested = "def f():\n    if a:\n        b()\n    c()\n"
    assert text(nested) == text(nested.replace("    c()", "\n    '''c.'''\n    c()"))
    assert text(nested) != text(nested.replace("    c()", "        c()"))


def test_neither_planning_nor_fingerprints_import_what_is_slow() -> None:
    code = (
        "import sys; import smoothcert.workflow.fingerprint, smoothcert.workflow.needs;"
        "print([m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


# --- this library -------------------------------------------------------------------------------

SRC = REPOSITORY / "src"
RUN = {
    "dataset": "digits",
    "arch": "tiny_cnn",
    "training": "cohen-fs-0.25",
    "noise": "gaussian-0.25",
    "scaling": "fixed",
    "budget": "fixed-1000",
}


@pytest.fixture(scope="module")
def library() -> Source:
    return Source(SRC)


@pytest.fixture(scope="module")
def closure(library: Source):
    """What the workflow lets the job of a stage depend on, modules without ``smoothcert.``."""

    def of(stage: str, **run: str) -> dict[str, set[str]]:
        settings = {"recipe": {"ds2": {}}} if stage == "train" else {}
        reach = library.reach(**experiments.code_of(stage, settings, RUN | run))
        return {k.removeprefix("smoothcert."): v for k, v in reach.names().items()}

    return of


@pytest.mark.parametrize("stage", ["train", "sample", "gather", "certify"])
def test_no_stage_depends_on_what_is_made_of_its_result(closure, stage: str) -> None:
    above = ("report", "papers", "audits", "workflow", "certificates.metrics")
    assert not [name for name in closure(stage) if name.startswith(above)]


def test_each_stage_depends_on_its_own_code(closure) -> None:
    assert {"training.cohen", "training.loop", "models.cnn", "noise.gaussian"} <= set(
        closure("train")
    )
    assert {"sampling.sampler", "compute.streams", "votes.store", "noise.gaussian"} <= set(
        closure("sample")
    )
    assert {"votes.store", "votes.records"} <= set(closure("gather"))
    assert {
        "core.confidence",
        "budget.fixed",
        "certificates.certification",
        "noise.gaussian",
    } <= set(closure("certify"))


def test_neither_stage_depends_on_the_other_ones(closure) -> None:
    assert not {"certificates.certification", "core.confidence", "sampling.job"} & set(
        closure("train")
    )
    assert not {"training.loop", "certificates.certification", "core.confidence"} & set(
        closure("sample")
    )
    assert not {"models.build", "training.run", "sampling.job", "noise.base"} & set(
        closure("gather")
    )
    assert not {"models.build", "training.run", "sampling.job"} & set(closure("certify"))


def test_a_job_depends_on_the_members_that_it_names(closure) -> None:
    assert "noise.laplace" not in closure("sample")
    assert "noise.laplace" in closure("sample", noise="laplace-0.25")
    assert "training.macer" not in closure("train")
    assert "training.macer" in closure("train", training="macer-fs-0.25")
    assert "budget.iss" in closure("sample", budget="iss-1000")
    assert "core.confidence" in closure("sample", budget="iss-1000")


def test_every_member_that_a_job_names_is_in_its_fingerprint(closure) -> None:
    def home(part: type) -> str:
        return part.__module__.removeprefix("smoothcert.")

    for name in NOISES:
        assert home(NOISES[name]) in closure("sample", noise=f"{name}-0.25"), name
        training = Training("cohen", "fs", 0.25, name).slug
        assert home(NOISES[name]) in closure("train", training=training), name
    for name in BUDGETS:
        assert home(BUDGETS[name]) in closure("certify", budget=f"{name}_a0.01-1000"), name
    for name in METHODS:
        assert home(METHODS[name]) in closure("train", training=f"{name}-ds2-0.25"), name


def fingerprints(src: Path) -> dict[tuple[str, ...], str]:
    """Of the jobs that make the certificates, tables and figures of preset smoke."""
    config, source = preset("smoke"), Source(src)
    jobs: dict[tuple[str, ...], str] = {}
    for run in experiments.all_runs(config):
        run = {**run, "search": experiments.search_of(run["scaling"]) or ""}
        drawn = {**run, "noise": experiments.drawn_as(run["noise"])}
        store = {axis: drawn[axis] for axis in experiments.STORE}
        places = {
            "train": run,
            "scales": drawn if run["search"] else None,
            "sample": store,
            "certify": run,
        }
        for stage, cell in places.items():
            if cell is None:
                continue
            settings = experiments.settings(config, stage, cell)
            slugs = [v for k, v in settings.items() if isinstance(v, str) and k != "budget"]
            key = (stage, *map(str, (run["arch"], run["training"], *slugs, settings.get("budget"))))
            if key not in jobs:
                jobs[key] = source.fingerprint(**experiments.code_of(stage, settings, cell))
    for section in catalogue.SECTIONS:
        for output in catalogue.expanded(config, section):
            code = needs.code_of(config, output)
            jobs["output", catalogue.target(output)] = source.fingerprint(**code)
    return jobs


@pytest.fixture(scope="module")
def smoke() -> dict[tuple[str, ...], str]:
    return fingerprints(SRC)


@pytest.fixture
def changed(tmp_path: Path, smoke: dict[tuple[str, ...], str]):
    """The jobs of preset smoke that one edit redoes, for their own sake."""

    def by(file: str, old: str, new: str) -> list[tuple[str, ...]]:
        copy = tmp_path / "src"
        if not copy.exists():
            shutil.copytree(SRC, copy, ignore=shutil.ignore_patterns("__pycache__"))
        edit(copy / "smoothcert" / file, old, new)
        after = fingerprints(copy)
        return [job for job in smoke if after[job] != smoke[job]]

    return by


def test_a_radius_resamples_and_retrains_nothing_that_does_not_use_it(changed, smoke) -> None:
    jobs = changed(
        "noise/gaussian.py", "return np.maximum(ndtri(", "return np.maximum(1.0 * ndtri("
    )
    counts = Counter(stage for stage, *_ in jobs)
    assert not counts["train"]
    assert not counts["sample"]
    # Only searches that certify their steps use the radius.
    assert (
        all(
            "sound" in " ".join(job) or "hard" in " ".join(job)
            for job in jobs
            if job[0] == "scales"
        )
        or counts["scales"] <= 2
    )
    certified = [job for job in smoke if job[0] == "certify"]
    assert 0 < counts["certify"] < len(certified)


def test_a_bound_is_certified_anew_from_the_same_votes(changed) -> None:
    jobs = changed(
        "core/confidence.py", "np.where(k > 0, bound, 0.0)", "np.where(k > 1, bound, 0.0)"
    )
    assert not {"train", "sample"} & {stage for stage, *_ in jobs}
    assert "certify" in {stage for stage, *_ in jobs}


def test_a_soft_radius_retrains_what_ascends_it(changed) -> None:
    jobs = changed(
        "noise/gaussian.py", "torch.special.ndtri(p_b)) / 2", "torch.special.ndtri(p_b)) / 3"
    )
    trained = [job for job in jobs if job[0] == "train"]
    assert trained
    assert all("-ds2-" in training for _, _, training, *_ in trained)
    assert not [job for job in jobs if job[0] in ("sample", "certify")]


def test_another_noise_redoes_what_is_made_with_it(changed) -> None:
    jobs = changed("noise/laplace.py", "def sample(", "def sample(  # once more\n        ")
    assert jobs == []
    jobs = changed(
        "noise/laplace.py", "return np.maximum(-np.log(2.0", "return np.maximum(-np.log(2.5"
    )
    assert {stage for stage, *_ in jobs} <= {"certify", "output"}
    assert all("laplace" in " ".join(job) for job in jobs if job[0] == "certify")


def test_a_figure_redoes_itself(changed) -> None:
    jobs = changed("papers/cohen/figure.py", "ncols=2", "ncols=3")
    assert jobs == [("output", "cohen_figure")]
