"""The work of a killed run: whatever moment it is killed at, nothing whole is lost or invented."""

import fcntl
import multiprocessing
from pathlib import Path

import pytest

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.scratch import Scratch
from smoothcert.votes.journal import Look, LookJournal

SPEC = {"noise": "gaussian-0.50", "seed": 0, "look": 100}
LOOKS = [
    Look(0, "selection", 0, 0.25, {1: 9, 3: 91}),
    Look(0, "estimation", 0, 0.5, {1: 100}),
    Look(7, "estimation", 12, 1.5, {0: 1, 9: 99}),
]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "looks"
    with LookJournal(path) as opened:
        assert opened.looks == []
        for look in LOOKS:
            opened.add(look)
    return path


def test_looks_read_back_and_more_are_added(journal):
    with LookJournal(journal) as opened:
        assert opened.looks == LOOKS
        opened.add(Look(8, "estimation", 0, 0.0, {}))
    with LookJournal(journal) as opened:
        assert [*opened.looks] == [*LOOKS, Look(8, "estimation", 0, 0.0, {})]


def test_cut_at_any_byte_the_whole_lines_before_it_are_kept_and_the_rest_written_again(journal):
    whole = journal.read_bytes()
    ends = [i for i, byte in enumerate(whole, 1) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        journal.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends)
        with LookJournal(journal) as opened:
            assert opened.looks == LOOKS[:kept]
            for look in LOOKS[kept:]:
                opened.add(look)
        assert journal.read_bytes() == whole


def test_any_changed_byte_is_refused_with_file_and_line(journal):
    whole = journal.read_bytes()
    for position in range(len(whole) - 1):
        changed = bytearray(whole)
        changed[position] ^= 1
        if changed[position] == ord("\n") or whole[position] == ord("\n"):
            continue  # a line end lost or gained: the next test
        journal.write_bytes(changed)
        line = whole[:position].count(b"\n") + 1
        with pytest.raises(SmoothcertError, match="corrupt") as caught:
            LookJournal(journal)
        assert str(caught.value).startswith(f"{journal}:{line}: ")
        assert journal.read_bytes() == changed


def test_a_lost_line_end_is_refused(journal):
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(lines[0] + lines[1] + b"\n" + lines[2] + b"\n")
    with pytest.raises(SmoothcertError, match=":1: corrupt"):
        LookJournal(journal)


def test_a_line_that_checks_and_is_no_look_is_refused(journal):
    with LookJournal(journal) as opened:
        opened.append("7 estimation")
    with pytest.raises(SmoothcertError, match=":4: corrupt"):
        LookJournal(journal)


def test_a_full_disk_is_named(journal):
    with LookJournal(journal) as opened, Path("/dev/full").open("ab", buffering=0) as full:
        opened._handle.close()
        opened._handle = full
        with pytest.raises(SmoothcertError, match="cannot be written: No space left") as caught:
            opened.add(LOOKS[0])
    assert str(caught.value).startswith(f"{journal}: ")


def test_the_work_of_another_specification_has_another_folder(tmp_path):
    out = tmp_path / "votes.npz"
    folders = {Scratch(out, {**SPEC, "seed": seed}).folder for seed in range(5)}
    assert len(folders) == 5
    assert all(path.parent == tmp_path and path.name.startswith(".") for path in folders)
    with Scratch(out, SPEC) as one:
        one.write("part", {"x": 0.1})
    other = Scratch(out, {**SPEC, "seed": 1})
    one.folder.rename(other.folder)
    with (
        pytest.raises(SmoothcertError, match="partial work from another run: seed: 0 and 1"),
        other,
    ):
        pass


def test_a_second_process_is_refused_while_the_first_lives(tmp_path):
    out = tmp_path / "votes.npz"
    with Scratch(out, SPEC) as scratch:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            said = pool.apply(_hold, (out,))
        with pytest.raises(SmoothcertError, match=f"{scratch.folder}: another process"):
            Scratch(out, SPEC).__enter__()
    assert said.endswith("another process is writing votes.npz")
    assert _hold(out) == "held"


def _hold(out: Path) -> str:
    try:
        with Scratch(out, SPEC):
            return "held"
    except SmoothcertError as error:
        return str(error)


def test_a_folder_stays_just_as_long_as_there_is_work_in_it(tmp_path):
    out = tmp_path / "votes.npz"
    with Scratch(out, SPEC) as scratch, LookJournal(scratch.path("looks")):
        pass
    assert not scratch.folder.exists()
    with Scratch(out, SPEC) as scratch, LookJournal(scratch.path("looks")) as journal:
        journal.add(LOOKS[0])
    with Scratch(out, SPEC) as scratch, LookJournal(scratch.path("looks")) as journal:
        assert journal.looks == LOOKS[:1]
        scratch.remove()
    assert not list(tmp_path.iterdir())


def test_a_specification_cut_short_by_a_kill_is_written_again(tmp_path):
    with Scratch(tmp_path / "votes.npz", SPEC) as scratch:
        scratch.write("part", {})
    (scratch.folder / "specification.json").write_text('{"noise": "gau')
    for _ in range(2):
        with Scratch(tmp_path / "votes.npz", SPEC) as again:
            assert again.read("part") == {}


def test_a_snapshot_reads_back_or_is_refused_by_name(tmp_path):
    with Scratch(tmp_path / "scales.tsv", SPEC) as scratch:
        assert scratch.read("search-00000") is None
        assert scratch.write("search-00000", {"x": (0.1,)}) == {"x": [0.1]}
        assert scratch.read("search-00000") == {"x": [0.1]}
        (scratch.folder / "search-00000.json").write_text("{")
        with pytest.raises(SmoothcertError, match=r"search-00000\.json: corrupt"):
            scratch.read("search-00000")


def test_a_file_system_without_locks_works_all_the_same(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert _hold(tmp_path / "votes.npz") == "held"
