"""The partial store: whatever moment a run is killed at, no whole look is lost or invented."""

import multiprocessing
from pathlib import Path

import pytest

from smoothcert.core.errors import SmoothcertError
from smoothcert.votes.journal import Journal, Look, partial_path

SPEC = {"noise": "gaussian-0.50", "seed": 0, "look": 100}
LOOKS = [Look(0, "selection", 0, 0.25, {1: 9, 3: 91}), Look(0, "estimation", 0, 0.5, {1: 100}),
         Look(7, "estimation", 12, 1.5, {0: 1, 9: 99})]  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / ".votes.npz.partial"
    with Journal(path, SPEC) as opened:
        assert opened.looks == []
        for look in LOOKS:
            opened.append(look)
    return path


def test_looks_read_back_and_more_are_added(journal):
    with Journal(journal, SPEC) as opened:
        assert opened.looks == LOOKS
        opened.append(Look(8, "estimation", 0, 0.0, {}))
    with Journal(journal, SPEC) as opened:
        assert [*opened.looks] == [*LOOKS, Look(8, "estimation", 0, 0.0, {})]
        opened.remove()
    assert not journal.exists()


def test_cut_at_any_byte_the_whole_lines_before_it_are_kept_and_the_rest_written_again(journal):
    whole = journal.read_bytes()
    ends = [i for i, byte in enumerate(whole, 1) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        journal.write_bytes(whole[:size])
        kept = max(sum(end <= size for end in ends) - 1, 0)
        with Journal(journal, SPEC) as opened:
            assert opened.looks == LOOKS[:kept]
            for look in LOOKS[kept:]:
                opened.append(look)
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
        with pytest.raises(SmoothcertError, match="corrupt partial store") as caught:
            Journal(journal, SPEC)
        assert str(caught.value).startswith(f"{journal}:{line}: ")
        assert journal.read_bytes() == changed


def test_a_lost_line_end_is_refused(journal):
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(lines[0] + b"\n" + lines[1] + lines[2] + b"\n" + lines[3] + b"\n")
    with pytest.raises(SmoothcertError, match=":2: corrupt"):
        Journal(journal, SPEC)


def test_a_partial_store_of_another_run_is_refused_and_has_another_name(journal, tmp_path):
    with pytest.raises(SmoothcertError, match="partial store of another run: seed: 0 and 1"):
        Journal(journal, {**SPEC, "seed": 1})
    out = tmp_path / "votes.npz"
    names = {partial_path(out, {**SPEC, "seed": s}) for s in range(5)}
    assert len(names) == 5
    assert all(name.parent == tmp_path and name.name.startswith(".") for name in names)


def test_two_processes_never_write_one_partial_store(journal):
    with Journal(journal, SPEC):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            said = pool.apply(_open, (journal,))
        with pytest.raises(SmoothcertError, match="another process is sampling this store"):
            Journal(journal, SPEC)
    assert said.endswith("another process is sampling this store")
    with Journal(journal, SPEC) as opened:
        assert opened.looks == LOOKS


def _open(path) -> str:
    try:
        Journal(path, SPEC)
    except SmoothcertError as error:
        return str(error)
    return "opened"


def test_a_full_disk_is_named(journal):
    with Journal(journal, SPEC) as opened, Path("/dev/full").open("ab", buffering=0) as full:
        opened._handle.close()
        opened._handle = full
        with pytest.raises(SmoothcertError, match="cannot be written: No space left") as caught:
            opened.append(LOOKS[0])
    assert str(caught.value).startswith(f"{journal}: ")
