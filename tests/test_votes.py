"""The vote store: exact counts, equal stores are equal bytes, shards join or are refused."""

import dataclasses
import json
import os
import zipfile

import numpy as np
import pytest
from core_helpers import make_store
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothcert.core.errors import SmoothcertError
from smoothcert.votes import Counts, VoteStore, gather, take


@st.composite
def stores(draw):
    c, look = draw(st.integers(2, 6)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(0, 7))

    def votes(size):
        return rng.multinomial(size, rng.dirichlet(np.full(c, 0.3)))

    looks = [[votes(look) for _ in range(rng.integers(0, 5))] for _ in range(n)]
    selection = [votes(9) for _ in range(n)] if n else None
    return make_store(looks, selection=selection, look=look, n_classes=c), looks, selection


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def write(store, folder, name="s.npz"):
    store.write(folder / name)
    return (folder / name).read_bytes()


@given(stores())
@settings(max_examples=12, derandomize=True)
def test_a_store_holds_every_vote_and_reads_back(tmp_path_factory, made):
    store, looks, selection = made
    folder = tmp_path_factory.mktemp("store")
    store.write(folder / "s.npz")
    again = VoteStore.read(folder / "s.npz")
    assert again.identity == store.identity
    assert write(again, folder, "t.npz") == (folder / "s.npz").read_bytes()
    for i, votes in enumerate(looks):
        assert again.dense_looks(i).tolist() == [v.tolist() for v in votes]
    if looks:
        assert (again.selection_counts() == np.array(selection)).all()
        assert again.top_class().tolist() == [int(np.argmax(v)) for v in selection]
    for c in range(store.n_classes):
        whole = [sum(int(v[c]) for v in votes) for votes in looks]
        assert again.count(np.full(len(looks), c), again.samples()).tolist() == whole
        per_look = again.votes_per_look(np.full(len(looks), c))
        assert per_look.sum(1).tolist() == whole


@given(stores(), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=12, derandomize=True)
def test_shards_join_to_the_same_bytes_in_any_order(tmp_path_factory, made, k, random):
    store, _, _ = made
    folder = tmp_path_factory.mktemp("shards")
    shards = [take(store, np.arange(i, len(store), k)) for i in range(k)]
    names = [str(i) for i in range(k)]
    random.shuffle(shards)
    assert write(gather(shards, names), folder, "g.npz") == write(store, folder)


def test_votes_within_the_first_samples_are_counted():
    store = make_store([[[60, 40, 0], [10, 0, 90]], [[0, 100, 0], [0, 99, 1]]])
    assert store.count([0, 1], 100).tolist() == [60, 100]
    assert store.count([0, 1], 200).tolist() == [70, 199]
    assert store.count([2, 2], [200, 100]).tolist() == [90, 0]
    assert store.count([-1, 0], 200).tolist() == [0, 0]


def test_ties_of_selection_votes_go_to_the_lowest_class_and_no_votes_to_none():
    looks = [[[50, 50, 0]]] * 3
    store = make_store(looks, selection=[[0, 4, 4], [5, 0, 5], [0, 0, 0]])
    assert store.top_class().tolist() == [1, 0, -1]


def test_more_samples_than_stored_or_parts_of_a_look_are_refused():
    store = make_store([[[60, 40, 0]] * 3, [[60, 40, 0]] * 2])
    with pytest.raises(SmoothcertError, match=r"idx 10: 300 estimation samples .* 200 are stored"):
        store.count([0, 0], 300)
    with pytest.raises(SmoothcertError, match=r"n 150: .* multiple of 100"):
        store.count([0, 0], 150)


def shards_of(n=6, k=3):
    whole = make_store([[[i, 100 - i, 0]] for i in range(n)], selection=[[3, 2, 1]] * n)
    return [take(whole, np.arange(i, n, k)) for i in range(k)]


def test_gaps_overlaps_and_mixed_specifications_are_refused():
    shards = shards_of()
    names = ["a", "b", "c"]
    with pytest.raises(SmoothcertError, match=r"gaps: input 1 of 6 is in none of 2 .2 missing"):
        gather([shards[0], shards[2]], ["a", "c"])
    with pytest.raises(SmoothcertError, match="a and b overlap: both hold input 0"):
        gather([shards[0], shards[0], shards[1], shards[2]], ["a", "b", "c", "d"])
    for key, value in (("model_digest", "other"), ("seed", 1), ("noise", "gaussian-0.25")):
        other = dataclasses.replace(shards[1], identity={**shards[1].identity, key: value})
        with pytest.raises(SmoothcertError, match=f"a and b are not shards of one store: {key}"):
            gather([shards[0], other, shards[2]], names)
    longer = dataclasses.replace(shards[1], rows=7)
    with pytest.raises(SmoothcertError, match="rows: 6 and 7"):
        gather([shards[0], longer, shards[2]], names)
    with pytest.raises(SmoothcertError, match="no shards"):
        gather([], [])


def test_a_store_cut_at_any_byte_or_with_any_byte_changed_is_never_taken_for_whole(tmp_path):
    store = make_store([[[i, 100 - i, 0]] * 3 for i in range(20)], selection=[[3, 2, 1]] * 20)
    whole = write(store, tmp_path)
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.npz"
    for size in [0, 1, 4, *rng.integers(5, len(whole) - 1, 25).tolist()]:
        path.write_bytes(whole[:size])
        with pytest.raises(SmoothcertError, match=r"damaged\.npz"):
            VoteStore.read(path)
    for position in rng.integers(0, len(whole), 60).tolist():
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x20]) + whole[position + 1 :])
        if (said := refusal(path)) is None:
            # A byte of the archive that says nothing, such as a date.
            assert write(VoteStore.read(path), tmp_path, "again.npz") == whole
        else:
            assert str(path) in said


def refusal(path):
    try:
        VoteStore.read(path)
    except SmoothcertError as error:
        return str(error)
    return None


def test_other_files_are_no_vote_stores(tmp_path):
    path = tmp_path / "s.npz"
    with pytest.raises(SmoothcertError, match="no such vote store"):
        VoteStore.read(path)
    np.save(path.with_suffix(".npy"), np.arange(3))
    np.savez(tmp_path / "o.npz", a=np.arange(3))
    (tmp_path / "text.npz").write_text("votes")
    (tmp_path / "folder.npz").mkdir()
    for name in ("s.npy", "o.npz", "text.npz", "folder.npz"):
        with pytest.raises(SmoothcertError, match=name):
            VoteStore.read(tmp_path / name)


def test_a_store_of_another_format_or_with_votes_missing_from_a_look_is_refused(tmp_path):
    store = make_store([[[60, 40, 0]]], selection=[[3, 2, 1]])
    path = tmp_path / "s.npz"
    store.write(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["meta"].tobytes())
    newer = {**meta, "format": 2}
    np.savez(path, **{**arrays, "meta": np.frombuffer(json.dumps(newer).encode(), np.uint8)})
    with pytest.raises(SmoothcertError, match="format 2; expected 1"):
        VoteStore.read(path)
    np.savez(path, **{**arrays, "estimation_count": arrays["estimation_count"] - 1})
    with pytest.raises(SmoothcertError, match="a look does not hold 100 votes"):
        VoteStore.read(path)
    np.savez(path, **{**arrays, "idx": arrays["idx"][:0]})
    with pytest.raises(SmoothcertError, match="differ in length"):
        VoteStore.read(path)
    del meta["identity"]["look"]
    np.savez(path, **{**arrays, "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})
    with pytest.raises(SmoothcertError, match="lacks 'look'"):
        VoteStore.read(path)


def test_a_failed_write_leaves_the_old_store_and_nothing_else(tmp_path, monkeypatch):
    store = make_store([[[60, 40, 0]]], selection=[[3, 2, 1]])
    before = write(store, tmp_path)

    def fail(handle, **arrays):
        handle.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        store.write(tmp_path / "s.npz")
    assert caught.value.filename == str(tmp_path / "s.npz")
    assert (tmp_path / "s.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


def test_a_thousand_classes_take_little_room(tmp_path):
    rng = np.random.default_rng(1)
    looks = [[np.bincount(rng.choice(3, 1000, p=[0.9, 0.07, 0.03]) * 400, minlength=1000)
              for _ in range(100)] for _ in range(5)]  # fmt: skip
    store = make_store(looks, look=1000, n_classes=1000)
    store.write(tmp_path / "s.npz")
    with zipfile.ZipFile(tmp_path / "s.npz") as archive:
        assert len(archive.namelist()) == 12
    assert (tmp_path / "s.npz").stat().st_size < 5 * 100 * 12  # bytes a look
    assert store.count(np.zeros(5), 100_000).tolist() == [
        sum(int(v[0]) for v in votes) for votes in looks
    ]


def test_counts_drop_zeros_and_keep_classes_ascending():
    counts = Counts.from_rows([{5: 2, 1: 3, 4: 0}, {}, {0: 1}])
    assert counts.cls.tolist() == [1, 5, 0]
    assert counts.row(0) == {1: 3, 5: 2}
    assert counts.row(1) == {}
    assert len(counts) == 3
