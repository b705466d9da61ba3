"""An archive gives back exactly what was packed, or one line and nothing."""

import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothcert.core.archive import MANIFEST, pack, unpack
from smoothcert.core.errors import SmoothcertError

CONTENT = {"votes/a/votes.npz": bytes(range(256)) * 8, "votes/a/votes.json": b"{}", "b.tsv": b""}


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def packed(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """An archive of ``content`` in ``folder``."""
    for name, data in content.items():
        path = folder / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    pack(folder / "votes.tar.xz", folder / "run", content, {"snakemake": ["--config"]})
    return folder / "votes.tar.xz"


def refused(archive: Path, match: str) -> None:
    """Nothing is left of an archive that is refused, also where it lies."""
    out, before = archive.parent / "results" / "out", set(tree(archive.parent))
    with pytest.raises(SmoothcertError, match=match) as error:
        unpack(archive, out)
    assert "\n" not in str(error.value)
    assert not out.exists()
    assert set(tree(archive.parent)) == before


def test_what_was_packed_comes_back_and_packing_again_is_the_same_to_the_bit(tmp_path):
    archive = packed(tmp_path)
    first = archive.read_bytes()
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (1, 1))
    pack(archive, tmp_path / "run", reversed(CONTENT), {"snakemake": ["--config"]})
    assert archive.read_bytes() == first
    manifest = unpack(archive, tmp_path / "out")
    assert manifest["snakemake"] == ["--config"]
    assert {k: v for k, v in tree(tmp_path / "out").items() if k != MANIFEST} == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run", "votes.tar.xz"]


def test_unpacking_again_verifies_and_changes_nothing(tmp_path):
    archive = packed(tmp_path)
    unpack(archive, tmp_path / "out")
    (tmp_path / "out" / "tables").mkdir()
    before = (tmp_path / "out" / "b.tsv").stat().st_mtime_ns
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "b.tsv").stat().st_mtime_ns == before
    (tmp_path / "out" / "b.tsv").write_bytes(b"other")
    with pytest.raises(SmoothcertError, match=r"b\.tsv: changed; expected SHA-256 e3b0"):
        unpack(archive, tmp_path / "out")
    (tmp_path / "out" / "b.tsv").unlink()
    with pytest.raises(SmoothcertError, match=r"b\.tsv: missing"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["votes.npz", MANIFEST])
def test_a_folder_of_other_results_is_left_alone(tmp_path, name):
    archive, out = packed(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / name).write_text('{"files": {}}')
    with pytest.raises(SmoothcertError, match="out: holds other results"):
        unpack(archive, out)
    assert tree(out) == {name: b'{"files": {}}'}


@given(data=st.data())
def test_a_damaged_archive_gives_all_or_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    archive = packed(folder)
    whole = archive.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans(), label="cut"):
        archive.write_bytes(whole[:place])
    else:
        flipped = whole[place] ^ data.draw(st.integers(1, 255))
        archive.write_bytes(whole[:place] + bytes([flipped]) + whole[place + 1 :])
    try:
        unpack(archive, folder / "out")
    except SmoothcertError:
        assert not (folder / "out").exists()
    else:  # what follows the last file is not needed
        assert {k: v for k, v in tree(folder / "out").items() if k != MANIFEST} == CONTENT


def rewritten(archive: Path, change) -> Path:
    """The archive with its members (information, content) as ``change`` makes them."""
    with tarfile.open(archive) as old:
        members = [(one, old.extractfile(one).read()) for one in old.getmembers()]
    with tarfile.open(archive, "w:xz") as new:
        for one, content in change(members):
            one.size = len(content)
            new.addfile(one, io.BytesIO(content))
    return archive


def named(old: str, new: str):
    """Calls a member otherwise, as the manifest does then, too."""

    def change(members):
        for one, content in members:
            if one.name == MANIFEST:
                content = content.replace(old.encode(), new.encode())
            if one.name == old:
                one.name = new
            yield one, content

    return change


def test_a_member_that_is_missing_changed_or_too_many_is_named(tmp_path):
    changes = {
        "1 files are missing, such as b.tsv": lambda ms: [m for m in ms if m[0].name != "b.tsv"],
        "b.tsv: not what": lambda ms: [
            (one, b"other" if one.name == "b.tsv" else content) for one, content in ms
        ],
        "extra: not what": lambda ms: [*ms, (tarfile.TarInfo("extra"), b"")],
        "no bundle": lambda ms: ms[1:],
    }
    for i, (said, change) in enumerate(changes.items()):
        refused(rewritten(packed(tmp_path / str(i)), change), said)


@pytest.mark.parametrize("name", ["../evil", "votes/../../evil", "/tmp/evil-of-smoothcert"])
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    refused(rewritten(packed(tmp_path), named("b.tsv", name)), "damaged, or no bundle")
    assert not Path("/tmp/evil-of-smoothcert").exists()


def test_a_link_is_refused(tmp_path):
    def change(members):
        for one, content in members:
            if one.name == "b.tsv":
                one.type, one.linkname = tarfile.SYMTYPE, "/etc/passwd"
            yield one, content

    refused(rewritten(packed(tmp_path), change), r"b\.tsv: expected a file")


def test_a_kill_leaves_nothing_half_written_and_the_next_run_completes(tmp_path):
    archive = packed(tmp_path)
    code = f"""
import os, signal
from pathlib import Path
from smoothcert.core import archive
write = archive._write
def dying(path, content):
    write(path, content[:1])
    if path.name == "votes.npz":
        os.kill(os.getpid(), signal.SIGKILL)
archive._write = dying
archive.unpack(Path({str(archive)!r}), Path({str(tmp_path / "out")!r}))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    unpack(archive, tmp_path / "out")
    assert {k: v for k, v in tree(tmp_path / "out").items() if k != MANIFEST} == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run", "votes.tar.xz"]
