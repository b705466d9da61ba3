"""A fingerprint changes exactly when code that a job runs changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smoothcert.core import provenance
from smoothcert.core.provenance import fingerprint, import_closure, normalized
from smoothcert.workflow import experiments

FILES = {
    "p/__init__.py": "",
    "p/cli/__init__.py": "COMMANDS = {'run': 'runs'}\n",
    "p/cli/run.py": (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "import numpy\n"
        "from p import work\n"
        "if TYPE_CHECKING:\n"
        "    from p.hints import Hint\n"
        "def run(x: Hint):\n"
        "    from p.parts import PARTS\n"
        "    return work.work(x, PARTS)\n"
    ),
    "p/cli/other.py": "from p import plots\n",
    "p/work.py": "def work(x, y):\n    import p.lazy\n    return p.lazy.f(x)\n",
    "p/lazy.py": "from .util import g\ndef f(x):\n    return g(x)\n",
    "p/util.py": "def g(x):\n    return x + 1\n",
    "p/hints.py": "class Hint: ...\n",
    "p/plots.py": "import p.util\n",
    "p/parts/__init__.py": (
        "'''Parts.'''\nfrom p.parts.base import PARTS\nfrom p.parts.red import Red\n"
        "from p.parts.blue import Blue\n__all__ = ['PARTS', 'Red', 'Blue']\n"
    ),
    "p/parts/base.py": "PARTS = object()\n",
    "p/parts/red.py": "from p.parts.base import PARTS\n@PARTS.member('red')\nclass Red: ...\n",
    "p/parts/blue.py": (
        "from p.parts.base import PARTS\nfrom p import pigment\n"
        "@PARTS.member('blue')\nclass Blue: ...\n"
    ),
    "p/pigment.py": "INK = 3\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    changed = path.stat().st_mtime_ns + 10**9  # clocks of file systems are coarser than tests
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(changed, changed))


def test_the_closure_holds_what_runs_and_nothing_else(source: Path) -> None:
    assert import_closure("p.cli.run", source, {"parts.red"}) == [
        "p.cli.run",
        "p.lazy",
        "p.parts",
        "p.parts.base",
        "p.parts.red",
        "p.util",
        "p.work",
    ]


def test_a_chosen_member_brings_what_it_imports(source: Path) -> None:
    closure = import_closure("p.cli.run", source, {"parts.blue"})
    assert {"p.parts.blue", "p.pigment"} < set(closure)
    assert "p.parts.red" not in closure


def test_a_member_imported_by_name_counts_whatever_is_chosen(source: Path) -> None:
    edit(source / "p/work.py", "import p.lazy", "import p.lazy\n    from p.parts import Blue")
    assert "p.parts.blue" in import_closure("p.cli.run", source, {"parts.red"})


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("p/cli/run.py", "work.work(x, PARTS)", "work.work(x, None)"),
        ("p/util.py", "x + 1", "x + 2"),
        ("p/parts/red.py", "class Red: ...", "class Red:\n    colour = 1"),
    ],
)
def test_an_edit_of_code_that_runs_changes_the_fingerprint(
    source: Path, file: str, old: str, new: str
) -> None:
    before = fingerprint("p.cli.run", source, {"parts.red"})
    edit(source / file, old, new)
    assert fingerprint("p.cli.run", source, {"parts.red"}) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("p/util.py", "def g(x):\n", "# why\n\ndef g(x):  # adds one\n    '''x + 1.'''\n\n"),
        ("p/plots.py", "import p.util", "import p.lazy"),
        ("p/hints.py", "class Hint: ...", "class Hint:\n    x = 1"),
        ("p/cli/__init__.py", "'runs'}", "'runs', 'other': 'plots'}"),
        ("p/parts/blue.py", "class Blue: ...", "class Blue:\n    x = 1"),
        ("p/parts/__init__.py", "'''Parts.'''", "from p.parts.green import Green"),
        ("p/pigment.py", "INK = 3", "INK = 4"),
    ],
)
def test_an_edit_of_anything_else_does_not(source: Path, file: str, old: str, new: str) -> None:
    green = FILES["p/parts/red.py"].replace("'red'", "'green'").replace("Red", "Green")
    (source / "p/parts/green.py").write_text(green)
    before = fingerprint("p.cli.run", source, {"parts.red"})
    edit(source / file, old, new)
    assert fingerprint("p.cli.run", source, {"parts.red"}) == before


def test_an_unknown_module_is_refused(source: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"p\.cli\.nothing"):
        fingerprint("p.cli.nothing", source)


def test_normalized_keeps_strings_and_drops_comments() -> None:
    source = (
        '"""Module."""\n\nX = "# no comment"  # comment\n'
        'Y = f"{X}#{X}"\nTEXT = """a  \n\n# kept\n"""\n\n\n'
        'def f():\n    """Doc\n\n    string."""\n    return 1   \n'
        'def ä(): "one line"\n'
    )
    assert normalized(source) == (
        'X = "# no comment"\nY = f"{X}#{X}"\nTEXT = """a  \n\n# kept\n"""\n'
        "def f():\n    return 1\ndef ä():"
    )


def test_the_fingerprint_does_not_depend_on_the_python_version(source: Path) -> None:
    """The value is fixed: a job done under 3.11 is not redone under 3.13."""
    assert fingerprint("p.cli.run", source, {"parts.red"}) == "56eb5872a3b1c2a6"


def test_hundreds_of_fingerprints_parse_each_version_of_a_file_once(source: Path) -> None:
    before = fingerprint("p.cli.run", source, {"parts.red"})
    parsed = provenance._parsed.cache_info().misses
    for _ in range(100):
        assert fingerprint("p.cli.run", source, {"parts.red"}) == before
    assert provenance._parsed.cache_info().misses == parsed
    edit(source / "p/util.py", "x + 1", "x + 2")
    assert fingerprint("p.cli.run", source, {"parts.red"}) != before
    assert provenance._parsed.cache_info().misses == parsed + 1


def test_what_was_read_before_does_not_change_a_fingerprint(source: Path) -> None:
    """A module that appears, moves into a package or goes is seen by a process that read others."""
    values = [fingerprint("p.cli.run", source, {"parts.red"})]
    (source / "p/lazy").mkdir()
    (source / "p/lazy.py").rename(source / "p/lazy/__init__.py")
    edit(source / "p/lazy/__init__.py", ".util", "p.util")
    values.append(fingerprint("p.cli.run", source, {"parts.red"}))
    (source / "p/util").mkdir()
    (source / "p/util/__init__.py").write_text("def g(x):\n    return x + 1\n")
    values.append(fingerprint("p.cli.run", source, {"parts.red"}))
    code = (
        "from smoothcert.core.provenance import fingerprint;"
        f"print(fingerprint('p.cli.run', {str(source)!r}, {{'parts.red'}}))"
    )
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == values[-1] == values[-2] != values[0]
    (source / "p/util/__init__.py").unlink()
    (source / "p/util.py").unlink()
    assert "p.util" not in import_closure("p.cli.run", source, {"parts.red"})


def test_neither_planning_nor_provenance_imports_what_is_slow() -> None:
    code = (
        "import sys; import smoothcert.core.provenance, smoothcert.workflow.experiments;"
        "print([m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


SRC = Path(provenance.__file__).resolve().parent.parent


RUN = {
    "dataset": "digits",
    "arch": "tiny_cnn",
    "training": "cohen-fs-0.25",
    "noise": "gaussian-0.25",
    "scaling": "fixed",
    "budget": "fixed-1000",
}


def closure(stage: str, **run: str) -> set[str]:
    """What the workflow lets the job of a stage depend on, names without ``smoothcert.``."""
    arguments = experiments.code_of(stage, {}, RUN | run)
    names = import_closure(arguments["modules"], SRC, arguments["parts"], arguments["without"])
    return {name.removeprefix("smoothcert.") for name in names}


@pytest.mark.parametrize("stage", ["train", "sample", "gather", "certify"])
def test_no_stage_depends_on_what_is_made_of_its_result(stage: str) -> None:
    above = ("figures", "tables", "metrics", "audits", "runs", "cli.table", "cli.figure")
    assert not [name for name in closure(stage) if name.startswith(above)]


def test_each_stage_depends_on_its_own_code() -> None:
    assert {"training.cohen", "training.loop", "models.cnn", "noise.gaussian"} <= closure("train")
    assert {"sampling", "streams", "votes", "noise.gaussian", "budget.base"} <= closure("sample")
    assert {"stores", "votes"} <= closure("gather")
    assert {"confidence", "budget.fixed", "certification", "noise.gaussian"} <= closure("certify")


def test_neither_stage_depends_on_the_other_ones() -> None:
    certification = {"certification", "votes", "confidence", "sampling", "budget.base"}
    assert not certification & closure("train")
    assert not {"training", "training.loop", "certification", "confidence"} & closure("sample")
    assert not {"models", "training", "sampling", "noise"} & closure("gather")
    assert not {"models", "training", "sampling", "datasets"} & closure("certify")


def test_no_stage_depends_on_the_list_of_commands() -> None:
    for stage in ("train", "sample", "gather", "certify"):
        assert "cli" not in closure(stage)


def test_a_job_depends_on_the_members_that_it_names() -> None:
    assert "noise.laplace" not in closure("sample")
    assert "noise.laplace" in closure("sample", noise="laplace-0.25")
    assert "training.macer" not in closure("train")
    assert "training.macer" in closure("train", training="macer-fs-0.25")
    assert "budget.iss" in closure("sample", budget="iss-1000")
    assert "confidence" in closure("sample", budget="iss-1000")


def test_every_member_that_a_job_names_is_in_its_fingerprint() -> None:
    from smoothcert.budget import BUDGETS
    from smoothcert.core.slugs import Training
    from smoothcert.noise import NOISES
    from smoothcert.training import METHODS

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


def test_a_record_names_versions_and_survives_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    provenance._git.cache_clear()
    monkeypatch.setenv("PATH", "")
    found = provenance.record("cpu")
    provenance._git.cache_clear()
    assert found["packages"]["numpy"] == numpy.__version__
    assert found["device"] == "cpu"
    assert found["git"] is None
