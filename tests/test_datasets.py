"""Data sets: what is loaded is the canonical data, or the user is told what is wrong."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smoothcert import datasets
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import cifar10, cifar10_jpeg, mnist, spiral, storage
from smoothcert.datasets.cifar10 import Cifar10
from smoothcert.datasets.imagenet import ImageNet
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.datasets.mnist import Mnist

# Content digests that must never change: results name their data by them.
PINNED = {
    ("digits", "train"): "9cb1c0d5adf560a9520b685430bdba5d5d605923c9f64fa531beadba6260a653",
    ("digits", "test"): "49df455c31e2f0eff91476751a239de8f815fbf79e7467466480553b79db54c1",
    ("mnist", "train"): "85f575f61f69e4c4e49a14725f61b94439c211c1eea34d0fc414e715ca9f7ccb",
    ("mnist", "test"): "f17361b2bdcae6be4fb6d7d4a37acc03f814625bb959a551b0d3f61f2d9294a8",
    ("cifar10-jpeg", "train"): "edcf0d24a076abe280d94aceb72eeb763d510cd075592ad44e0c13c3644605d1",
    ("cifar10-jpeg", "test"): "b4d3ae4d70517fd7666dc1dbdd44ae7ecbacdd58ef2bb06ca143cf0a781044be",
    ("spiral", "train"): "dfbba024884af13d93d9e07088cfdf9763f74c2f321af6eee0044dc5ae8ca063",
    ("spiral", "test"): "7169a79d53b177b0b04d53289c3dd6750cc4096c237cd2f15ae993cc1732c7af",
}


def load_or_skip(name: str, split: str = "test", **options) -> datasets.Dataset:
    """The real data set, where SMOOTHCERT_DATA (or the cache) has its files."""
    try:
        return datasets.load(name, split, download=False, **options)
    except SmoothcertError as error:
        if "not found" not in str(error):
            raise
        pytest.skip(f"no {name} files in the data directory (SMOOTHCERT_DATA)")


def refusal(name: str, split: str = "test", **options) -> str:
    """The message of the error that loading must end with: one line."""
    with pytest.raises(SmoothcertError) as caught:
        datasets.load(name, split, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# --- names, splits, selection ---------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_known_ones():
    message = refusal("cifar100")
    assert "'cifar100'" in message
    assert all(name in message for name in datasets.DATASETS)
    with pytest.raises(SmoothcertError, match="unknown"):
        datasets.info("Digits")


@pytest.mark.parametrize("name", list(datasets.DATASETS))
def test_an_unknown_split_is_refused_before_any_file_is_read(name, tmp_path):
    assert "'valid': unknown; expected one of train, test" in refusal(
        name, "valid", data_dir=tmp_path
    )


@pytest.mark.parametrize(
    "selection", [{"skip": 0}, {"skip": -1}, {"skip": 2.0}, {"max": 0}, {"max": True}]
)
def test_a_selection_that_makes_no_sense_is_refused(selection):
    assert "expected an integer of at least 1" in refusal("digits", **selection)


@pytest.mark.parametrize(
    ("skip", "most", "expected"),
    [
        (1, None, range(500)),
        (1, 7, range(7)),
        (20, None, range(0, 500, 20)),
        (20, 3, [0, 20, 40]),
        (3, 10_000, range(0, 500, 3)),
        (499, None, [0, 499]),
        (1000, None, [0]),
    ],
)
def test_every_skipth_row_is_used_and_max_counts_the_rows_kept(skip, most, expected):
    whole = datasets.load("digits")
    part = datasets.load("digits", skip=skip, max=most)
    assert part.idx.tolist() == list(expected)
    assert len(part) == len(part.images) == len(part.labels) == len(list(expected))
    assert np.array_equal(part.labels, whole.labels[part.idx])
    assert (part.images == whole.images[part.idx]).all()
    assert part.digest == whole.digest  # the digest is of the split


def test_the_papers_subsets_have_500_rows():
    rows = datasets.select_rows
    assert rows(datasets.info("cifar10"), "test", 20).tolist() == list(range(0, 10_000, 20))
    assert rows(datasets.info("imagenet"), "test", 100).tolist() == list(range(0, 50_000, 100))


def test_batches_give_every_row_once_and_in_order():
    data = datasets.load("digits", skip=7)
    seen = list(data.batches(32))
    assert [len(labels) for _, labels, _ in seen] == [32, 32, 8]
    assert np.concatenate([idx for _, _, idx in seen]).tolist() == data.idx.tolist()
    assert all(len(images) == len(labels) for images, labels, _ in seen)


# --- what is loaded -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "split"), PINNED)
def test_data_is_what_it_says_and_never_changes(name, split):
    import torch

    most = 300 if name == "cifar10-jpeg" else None  # decoding takes time
    data, about = load_or_skip(name, split, max=most), datasets.info(name)
    assert data.digest == PINNED[name, split]
    assert data.images.dtype == torch.float32
    assert data.images.shape == (most or about.splits[split], *about.shape)
    assert data.shape == about.shape
    assert data.labels.dtype == data.idx.dtype == np.int64
    assert set(data.labels.tolist()) == set(range(about.n_classes))
    assert data.classes == about.classes
    assert len(data.classes) == about.n_classes
    assert bool(torch.isfinite(data.images).all())
    if about.kind == "images":
        assert data.images.min() == 0
        assert data.images.max() == 1


def test_digits_are_scikit_learns_and_the_split_is_the_documented_one():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.RandomState(0).permutation(1797)
    for split, rows in (("train", order[:1297]), ("test", order[1297:])):
        data = datasets.load("digits", split)
        assert np.array_equal(data.labels, bunch.target[rows])
        assert np.array_equal(data.images[:, 0].numpy(), (bunch.images[rows] / 16).astype("f4"))


def test_mnist_starts_as_everybody_knows_it():
    test = load_or_skip("mnist")
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    train = load_or_skip("mnist", "train", max=5)
    assert train.labels.tolist() == [5, 0, 4, 1, 9]
    # A well-known constant of the training images, on the scale 0 to 1.
    mean = load_or_skip("mnist", "train").images.double().mean().item()
    assert mean == pytest.approx(0.1307, abs=5e-5)


def test_the_jpeg_copy_decodes_to_the_published_pixels():
    data = load_or_skip("cifar10-jpeg", skip=20, max=100)
    small = storage.data_directory() / "cifar10-jpeg-mini.npz"
    if not small.is_file():
        pytest.skip("no cifar10-jpeg-mini.npz in the data directory (SMOOTHCERT_DATA)")
    with np.load(small) as pack:
        where = {int(i): n for n, i in enumerate(pack["test_index"])}
        both = [(n, where[i]) for n, i in enumerate(data.idx.tolist()) if i in where]
        assert len(both) >= 5
        for ours, theirs in both:
            pixels = (data.images[ours] * 255).numpy().transpose(1, 2, 0)
            # Decoders differ by a few grey levels.
            assert np.abs(pixels - pack["test_images"][theirs]).max() <= 4
            assert data.labels[ours] == pack["test_labels"][theirs]


def test_info_needs_neither_torch_nor_files():
    code = (
        "import sys; from smoothcert import datasets; import smoothcert.cli.data\n"
        "print([datasets.info(n).shape for n in datasets.DATASETS])\n"
        "print(sorted({'torch', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


# --- spiral ---------------------------------------------------------------------------


def test_without_noise_every_point_lies_on_its_arm():
    points, labels = spiral.Spirals(turns=2.0, noise=0.0).draw(400, seed=3)
    theta = np.hypot(*points.T.astype(float))
    expected = theta + np.pi * labels
    arm = theta[:, None] * np.stack([np.cos(expected), np.sin(expected)], axis=1)
    # Points are rounded to 1e-4, and an error of the radius turns into one of the angle.
    assert np.abs(points - arm).max() < 2e-3
    assert theta.max() <= 4 * np.pi
    assert abs(labels.mean() - 0.5) < 1e-9


def test_noise_has_the_stated_deviation():
    clean, _ = spiral.Spirals(noise=0.0).draw(4000)
    noisy, _ = spiral.Spirals(noise=0.3).draw(4000)
    assert (noisy - clean).std() == pytest.approx(0.3, rel=0.03)


def test_a_spiral_depends_on_seed_and_split_alone():
    first = datasets.load("spiral", seed=5)
    again = datasets.load("spiral", seed=5)
    assert (first.images == again.images).all()
    assert first.digest == again.digest
    others = {datasets.load("spiral", s, seed=i).digest for s in ("train", "test") for i in (5, 6)}
    assert len(others) == 4


@pytest.mark.parametrize("bad", [{"turns": 0.0}, {"turns": float("nan")}, {"noise": -0.1}])
def test_impossible_spirals_are_refused(bad):
    with pytest.raises(SmoothcertError, match=r"spiral: (turns|noise)"):
        spiral.Spirals(**bad)


# --- MNIST's files --------------------------------------------------------------------

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def small_mnist(monkeypatch) -> dict[str, bytes]:
    """The two test files of a five-image MNIST, declared canonical."""
    stream = np.random.default_rng(1)
    pixels = stream.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    files = {
        IMAGES: struct.pack(">IIII", 2051, 5, 28, 28) + pixels.tobytes(),
        LABELS: struct.pack(">II", 2049, 5) + bytes([3, 1, 4, 1, 5]),
    }
    for name, data in files.items():
        entry = (len(data), hashlib.sha256(data).hexdigest())
        monkeypatch.setitem(mnist.CANONICAL, name, entry)
    monkeypatch.setattr(Mnist, "info", replace(Mnist.info, splits={"train": 5, "test": 5}))
    return files


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def gz(files: dict[str, bytes], level: int = 9) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(data, level, mtime=0) for name, data in files.items()}


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "mnist/MNIST/raw", "."])
@pytest.mark.parametrize("level", [None, 1, 9])
def test_mnist_files_are_used_wherever_and_however_packed(small_mnist, tmp_path, place, level):
    put(tmp_path / place, small_mnist if level is None else gz(small_mnist, level))
    before = tree(tmp_path)
    data = datasets.load("mnist", data_dir=tmp_path)
    expected = np.frombuffer(small_mnist[IMAGES], np.uint8, offset=16).reshape(5, 1, 28, 28)
    assert np.array_equal((data.images * 255).round().numpy(), expected)
    assert data.labels.tolist() == [3, 1, 4, 1, 5]
    assert tree(tmp_path) == before


def test_a_truncated_archive_is_refused_and_left_alone(small_mnist, tmp_path):
    files = gz(small_mnist)
    name = f"{IMAGES}.gz"
    files[name] = files[name][:-1000]
    put(tmp_path / "mnist", files)
    message = refusal("mnist", data_dir=tmp_path)
    assert str(tmp_path / "mnist" / name) in message
    assert "truncated" in message
    assert mnist.CANONICAL[IMAGES][1] in message
    assert (tmp_path / "mnist" / name).read_bytes() == files[name]


def test_a_truncated_plain_file_is_refused(small_mnist, tmp_path):
    put(tmp_path / "mnist", small_mnist | {IMAGES: small_mnist[IMAGES][:100]})
    assert "truncated: expected 3936 bytes, found 100" in refusal("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("position", [20, 2000])
def test_a_flipped_byte_is_refused_with_both_checksums(small_mnist, tmp_path, position):
    wrong = bytearray(small_mnist[IMAGES])
    wrong[position] ^= 1
    put(tmp_path / "mnist", gz(small_mnist | {IMAGES: bytes(wrong)}))
    message = refusal("mnist", data_dir=tmp_path)
    assert "wrong checksum" in message
    assert mnist.CANONICAL[IMAGES][1] in message
    assert hashlib.sha256(wrong).hexdigest() in message


def test_a_byte_flipped_inside_the_archive_is_refused(small_mnist, tmp_path):
    files = gz(small_mnist)
    for position in (0, 40, 1500, len(files[f"{IMAGES}.gz"]) - 6):
        wrong = bytearray(files[f"{IMAGES}.gz"])
        wrong[position] ^= 0x40
        put(tmp_path / "mnist", files | {f"{IMAGES}.gz": bytes(wrong)})
        message = refusal("mnist", data_dir=tmp_path)
        assert f"{IMAGES}.gz" in message


def test_a_missing_file_says_what_to_fetch_and_nothing_is_made(small_mnist, tmp_path):
    put(tmp_path / "mnist", gz({LABELS: small_mnist[LABELS]}))
    before = tree(tmp_path)
    message = refusal("mnist", data_dir=tmp_path, download=False)
    assert f"{IMAGES}[.gz] not found in {tmp_path}" in message
    assert f"{IMAGES}.gz (MD5 " in message
    assert tree(tmp_path) == before


# --- downloads, from a server on this computer ----------------------------------------


class _Handler(http.server.SimpleHTTPRequestHandler):
    requests: list[str] = []

    def log_message(self, format: str, *args: object) -> None:
        type(self).requests.append(f"{self.command} {self.path}")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(folder that is served, its URL, the list of requests so far)."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(_Handler, "requests", [])
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/", _Handler.requests
        httpd.shutdown()


@pytest.fixture
def mnist_source(server, small_mnist, monkeypatch):
    """As ``server``, and torchvision's MNIST comes from there."""
    from smoothcert.compute.torchvision_shim import torchvision

    folder, url, requests = server
    files = gz(small_mnist)
    put(folder, files)
    official = torchvision.datasets.MNIST
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(official, "resources", list(md5.items()))
    monkeypatch.setattr(official, "mirrors", [url])
    return folder, url, requests


def test_missing_files_are_downloaded_once_and_then_used(mnist_source, tmp_path):
    _, _, requests = mnist_source
    data_dir = tmp_path / "new" / "data"
    first = datasets.load("mnist", data_dir=data_dir)
    assert tree(data_dir) == ["mnist", f"mnist/{IMAGES}.gz", f"mnist/{LABELS}.gz"]
    asked = len(requests)
    assert datasets.load("mnist", data_dir=data_dir).digest == first.digest
    assert len(requests) == asked


def test_only_what_is_missing_is_downloaded(mnist_source, small_mnist, tmp_path):
    _, _, requests = mnist_source
    put(tmp_path / "MNIST" / "raw", {IMAGES: small_mnist[IMAGES]})
    datasets.load("mnist", data_dir=tmp_path)
    assert any(LABELS in line for line in requests)
    assert not any(IMAGES in line for line in requests)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "absent"])
def test_a_bad_download_leaves_nothing_behind(mnist_source, tmp_path, damage):
    folder, url, _ = mnist_source
    served = folder / f"{IMAGES}.gz"
    data = bytearray(served.read_bytes())
    expected = hashlib.md5(data).hexdigest()
    if damage == "absent":
        served.unlink()
    else:
        data[50] ^= 1
        served.write_bytes(data if damage == "flipped" else data[:-7])
    message = refusal("mnist", data_dir=tmp_path / "data")
    assert f"{url}{IMAGES}.gz" in message
    if damage == "absent":
        assert "Not Found" in message or "not found" in message
    else:
        assert expected in message
        assert hashlib.md5(served.read_bytes()).hexdigest() in message
    assert not (tmp_path / "data").exists()


def test_the_next_mirror_is_asked(mnist_source, tmp_path, monkeypatch):
    from smoothcert.compute.torchvision_shim import torchvision

    _, url, _ = mnist_source
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{url}gone/", url])
    assert len(datasets.load("mnist", data_dir=tmp_path / "data")) == 5


def test_without_a_network_the_error_names_file_source_and_reason(
    small_mnist, tmp_path, monkeypatch
):
    from smoothcert.compute.torchvision_shim import torchvision

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", unreachable)
    message = refusal("mnist", data_dir=tmp_path / "data")
    assert f"{IMAGES}[.gz] not found" in message
    assert "Network is unreachable" in message
    assert torchvision.datasets.MNIST.mirrors[0] in message
    assert not (tmp_path / "data").exists()


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(mnist_source, tmp_path):
    (tmp_path / "file").write_text("no folder")
    message = refusal("mnist", data_dir=tmp_path / "file" / "data")
    assert "cannot download" in message
    assert str(tmp_path / "file") in message


# --- CIFAR-10's files -----------------------------------------------------------------


def python2_batch(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch file as Python 2 and an old NumPy wrote it: {'data': array, 'labels': list}."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    raw = pixels.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR"
    kind += b"(K\x03" + text(b"|") + b"NNN" + integer(-1) + integer(-1) + b"K\x00tb"
    state = b"(K\x01(" + integer(pixels.shape[0]) + integer(pixels.shape[1]) + b"t" + kind
    state += b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    numbers = b"](" + b"".join(integer(v) for v in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + text(b"labels") + numbers + b"u."


@pytest.fixture
def small_cifar(monkeypatch) -> dict[str, bytes]:
    """Six batch files of four images each, declared canonical."""
    from smoothcert.compute.torchvision_shim import torchvision

    stream = np.random.default_rng(2)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {
        name: python2_batch(
            stream.integers(0, 256, (4, 3072), dtype=np.uint8), [i, 9 - i, i + 1, 3]
        )
        for i, name in enumerate(names)
    }
    md5 = [[name, hashlib.md5(data).hexdigest()] for name, data in files.items()]
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", md5[:5])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", md5[5:])
    monkeypatch.setattr(Cifar10, "info", replace(Cifar10.info, splits={"train": 20, "test": 4}))
    return files


def tar_of(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("place", ["", "cifar10/"])
@pytest.mark.parametrize("packed", [None, "w:gz", "w"])
def test_cifar10_is_read_from_folder_or_archive_without_writing(
    small_cifar, tmp_path, place, packed
):
    if packed is None:
        put(tmp_path / place / "cifar-10-batches-py", small_cifar)
    else:
        archive = {"cifar-10-python.tar.gz": tar_of(small_cifar, packed)}
        put(tmp_path / place, archive)
    before = tree(tmp_path)
    train = datasets.load("cifar10", "train", data_dir=tmp_path)
    assert train.images.shape == (20, 3, 32, 32)
    assert train.labels.reshape(5, 4)[:, 0].tolist() == [0, 1, 2, 3, 4]
    test = datasets.load("cifar10", "test", data_dir=tmp_path)
    expected = np.random.default_rng(2).integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)
    assert np.array_equal((test.images * 255).round().numpy(), expected[5])
    assert np.array_equal(
        (train.images * 255).round().numpy().reshape(expected[:5].shape), expected[:5]
    )
    assert tree(tmp_path) == before


def test_a_truncated_cifar_archive_is_refused(small_cifar, tmp_path):
    whole = tar_of(small_cifar)
    for size in (0, 100, len(whole) // 2, len(whole) - 20):
        put(tmp_path, {"cifar-10-python.tar.gz": whole[:size]})
        message = refusal("cifar10", data_dir=tmp_path)
        assert "truncated" in message
        assert "cifar-10-python.tar.gz" in message


def test_a_wrong_cifar_batch_is_refused(small_cifar, tmp_path):
    wrong = bytearray(small_cifar["test_batch"])
    wrong[500] ^= 1
    files = small_cifar | {"test_batch": bytes(wrong)}
    put(tmp_path / "cifar-10-batches-py", files)
    message = refusal("cifar10", data_dir=tmp_path)
    assert "test_batch: wrong checksum" in message
    assert hashlib.md5(small_cifar["test_batch"]).hexdigest() in message
    put(tmp_path / "packed", {"cifar-10-python.tar.gz": tar_of(files)})
    assert "test_batch: wrong checksum" in refusal("cifar10", data_dir=tmp_path / "packed")


def test_cifar10_is_downloaded_whole_or_not_at_all(small_cifar, server, tmp_path, monkeypatch):
    from smoothcert.compute.torchvision_shim import torchvision

    folder, url, requests = server
    archive = tar_of(small_cifar)
    put(folder, {"cifar-10-python.tar.gz": archive[:-9]})
    official = torchvision.datasets.CIFAR10
    monkeypatch.setattr(official, "url", f"{url}cifar-10-python.tar.gz")
    monkeypatch.setattr(official, "tgz_md5", hashlib.md5(archive).hexdigest())
    message = refusal("cifar10", data_dir=tmp_path / "data")
    assert official.tgz_md5 in message
    assert not (tmp_path / "data").exists()

    put(folder, {"cifar-10-python.tar.gz": archive})
    datasets.load("cifar10", data_dir=tmp_path / "data")
    assert tree(tmp_path / "data") == ["cifar-10-batches-py"] + [
        f"cifar-10-batches-py/{name}" for name in sorted(small_cifar)
    ]
    asked = len(requests)
    assert len(datasets.load("cifar10", "train", data_dir=tmp_path / "data")) == 20
    assert len(requests) == asked


def test_a_batch_file_cannot_run_code(small_cifar, tmp_path, monkeypatch):
    from smoothcert.compute.torchvision_shim import torchvision

    evil = b"cos\nsystem\n(S'touch " + os.fsencode(tmp_path / "harm") + b"'\ntR."
    put(tmp_path / "cifar-10-batches-py", small_cifar | {"test_batch": evil})
    checksum = [["test_batch", hashlib.md5(evil).hexdigest()]]
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", checksum)
    assert "os.system is not allowed" in refusal("cifar10", data_dir=tmp_path)
    assert not (tmp_path / "harm").exists()


# --- the JPEG pack --------------------------------------------------------------------


@pytest.fixture
def small_pack(tmp_path, monkeypatch):
    """A pack of six training and four test images, declared canonical; its pixels."""
    from PIL import Image

    stream = np.random.default_rng(3)
    colours = stream.integers(0, 256, (10, 3), dtype=np.uint8)
    files = []
    for colour in colours:
        out = io.BytesIO()
        Image.new("RGB", (32, 32), tuple(colour.tolist())).save(out, "JPEG", quality=75)
        files.append(out.getvalue())
    path = tmp_path / cifar10_jpeg.PACK
    np.savez(
        path,
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        offsets=np.cumsum([0] + [len(f) for f in files]),
        labels=np.arange(10, dtype=np.uint8),
        split=np.repeat(np.array([0, 1], np.uint8), [6, 4]),
    )
    monkeypatch.setattr(cifar10_jpeg, "CANONICAL", hashlib.sha256(path.read_bytes()).hexdigest())
    kind = cifar10_jpeg.Cifar10Jpeg
    monkeypatch.setattr(kind, "info", replace(kind.info, splits={"train": 6, "test": 4}))
    return path, colours


def test_rows_of_the_pack_are_the_images_of_their_split(small_pack):
    path, colours = small_pack
    for split, first, size in (("train", 0, 6), ("test", 6, 4)):
        data = datasets.load("cifar10-jpeg", split, data_dir=path.parent, skip=2)
        rows = np.arange(first, first + size, 2)
        assert data.labels.tolist() == rows.tolist()
        assert data.idx.tolist() == list(range(0, size, 2))
        found = (data.images * 255).numpy()
        # A plain colour loses little more than a rounding in JPEG.
        assert np.abs(found - colours[rows][:, :, None, None]).max() <= 4


def test_a_damaged_or_missing_pack_is_refused(small_pack, tmp_path):
    path, _ = small_pack
    whole = path.read_bytes()
    wrong = bytearray(whole)
    wrong[300] ^= 1
    for data in (whole[:-1], bytes(wrong), b""):
        path.write_bytes(data)
        message = refusal("cifar10-jpeg", data_dir=tmp_path)
        assert f"{path}: wrong checksum" in message
        assert cifar10_jpeg.CANONICAL in message
    path.unlink()
    message = refusal("cifar10-jpeg", data_dir=tmp_path)
    assert f"not found in {tmp_path}" in message
    assert cifar10_jpeg.CANONICAL in message


# --- ImageNet -------------------------------------------------------------------------


@pytest.fixture
def small_imagenet(tmp_path, monkeypatch) -> Path:
    """Three classes of two validation images; image k of class c is the grey 40 c + 10 k."""
    from PIL import Image

    for c, wnid in enumerate(("n01440764", "n01443537", "n15075141")):
        folder = tmp_path / "imagenet" / "val" / wnid
        folder.mkdir(parents=True)
        for k in (1, 0):
            size = (500, 375) if k else (300, 400)
            Image.new("L", size, 40 * c + 10 * k).save(folder / f"ILSVRC2012_val_{k}.JPEG")
        (folder / "notes.txt").write_text("no image")
    small = replace(ImageNet.info, n_classes=3, splits={"train": 6, "test": 6})
    monkeypatch.setattr(ImageNet, "info", small)
    return tmp_path


def test_imagenet_rows_are_sorted_by_class_and_decoded_on_demand(small_imagenet):
    data = datasets.load("imagenet", data_dir=small_imagenet)
    assert isinstance(data.images, LazyImages)
    assert data.images.shape == (6, 3, 224, 224)
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    greys = [round(float(image.mean()) * 255) for image in data.images]
    assert greys == [0, 10, 40, 50, 80, 90]
    assert data.images[np.array([4, 1])].mean(dim=(1, 2, 3)).mul(255).round().tolist() == [80, 10]
    assert data.images[-1].shape == (3, 224, 224)
    assert data.images[5:3].shape == (0, 3, 224, 224)
    every = datasets.load("imagenet", data_dir=small_imagenet, skip=4)
    assert every.idx.tolist() == [0, 4]
    assert every.digest == data.digest
    assert [len(labels) for _, labels, _ in data.batches(4)] == [4, 2]


def test_the_centre_crop_takes_the_middle_of_the_resized_image(tmp_path):
    import torch
    from PIL import Image

    # Left half black, right half white, twice as wide as high: the edge stays in the middle.
    pixels = np.zeros((256, 512), np.uint8)
    pixels[:, 256:] = 255
    Image.fromarray(pixels).save(tmp_path / "edge.png")
    crop = LazyImages((str(tmp_path / "edge.png"),))[0]
    assert crop.shape == (3, 224, 224)
    assert bool((crop[:, :, :112] == 0).all())
    assert bool((crop[:, :, 112:] == 1).all())
    images = LazyImages((str(tmp_path / "edge.png"),))
    left = images.with_transform(lambda image: image.crop((0, 0, 5, 7)))
    assert torch.equal(left[0], torch.zeros(3, 7, 5))
    assert torch.equal(images.bytes(0), (crop * 255).byte())


def test_the_imagenet_digest_notices_another_file(small_imagenet):
    before = datasets.load("imagenet", data_dir=small_imagenet).digest
    image = small_imagenet / "imagenet/val/n01443537/ILSVRC2012_val_0.JPEG"
    image.write_bytes(image.read_bytes() + b"\0")
    assert datasets.load("imagenet", data_dir=small_imagenet).digest != before


def test_an_incomplete_imagenet_is_refused(small_imagenet):
    val = small_imagenet / "imagenet" / "val"
    assert "no folder train/" in refusal("imagenet", "train", data_dir=small_imagenet)
    image = val / "n01443537" / "ILSVRC2012_val_0.JPEG"
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])
    images = datasets.load("imagenet", data_dir=small_imagenet).images
    with pytest.raises(SmoothcertError, match=r"val_0\.JPEG: truncated or not an image"):
        images[2]
    image.unlink()
    assert "expected 6 images, found 5" in refusal("imagenet", data_dir=small_imagenet)
    (val / "n01443537").rename(val / "elsewhere")
    message = refusal("imagenet", data_dir=small_imagenet)
    assert "expected 3 class folders" in message
    assert "found 2" in message
    (val / "ILSVRC2012_val_00000001.JPEG").write_bytes(data)
    assert "move these into class folders" in refusal("imagenet", data_dir=small_imagenet)


# --- the data directory and the command -----------------------------------------------


def test_the_argument_goes_before_the_environment_before_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SMOOTHCERT_DATA", str(tmp_path / "env"))
    assert datasets.data_directory(tmp_path / "arg") == tmp_path / "arg"
    assert datasets.data_directory() == tmp_path / "env"
    monkeypatch.delenv("SMOOTHCERT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert datasets.data_directory() == tmp_path / "cache" / "smoothcert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.data_directory() == tmp_path / ".cache" / "smoothcert"


def test_the_record_is_the_same_on_every_machine(small_mnist, tmp_path, capsys):
    # Other places, other compression: the same record. (Only the test split is there.)
    put(tmp_path / "a" / "mnist", gz(small_mnist, 1))
    put(tmp_path / "b" / "MNIST" / "raw", small_mnist)
    for place in "ab":
        out = str(tmp_path / f"{place}.json")
        options = ["--split", "test", "--data-dir", str(tmp_path / place), "--out", out]
        assert main(["data", "mnist", *options]) == 0
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert str(tmp_path) not in text
    about = json.loads(text)["splits"]["test"]
    assert about["size"] == 5
    assert about["digest"] == datasets.load("mnist", data_dir=tmp_path / "a").digest
    assert about["files"] == {n: hashlib.sha256(d).hexdigest() for n, d in small_mnist.items()}
    assert "SHA-256" in capsys.readouterr().out


def test_the_command_takes_one_specification_or_options(tmp_path, capsys):
    spec = json.dumps({"dataset": "digits", "split": "test", "skip": 20, "code": "0" * 8})
    assert main(["data", "--spec", spec]) == 0
    by_spec = capsys.readouterr().out
    assert "500 rows, 25 of them selected" in by_spec
    assert main(["data", "digits", "--split", "test", "--skip", "20"]) == 0
    assert capsys.readouterr().out == by_spec


@pytest.mark.parametrize(
    "arguments",
    [
        ["digitz"],
        [],
        ["digits", "--split", "all"],
        ["digits", "--skip", "0"],
        ["digits", "--spec", "{"],
        ["digits", "--spec", "[]"],
        ["--spec", '{"dataset": "digits", "skipp": 2}'],
        ["--spec", '{"dataset": "digits", "skip": "2"}'],
        ["mnist", "--no-download"],
        ["cifar10", "--no-download"],
        ["cifar10-jpeg"],
        ["imagenet"],
        ["spiral", "--sample-image", "sheet.png"],
    ],
)
def test_wrong_input_is_one_line_a_status_and_no_file(arguments, tmp_path, capsys):
    data_dir, out = tmp_path / "empty", tmp_path / "record.json"
    data_dir.mkdir()
    status = main(["data", *arguments, "--data-dir", str(data_dir), "--out", str(out)])
    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert tree(tmp_path) == ["empty"]


def test_an_unwritable_record_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["data", "digits", "--out", str(tmp_path / "file" / "record.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_sample_image_shows_the_selected_inputs(tmp_path):
    from PIL import Image

    path = tmp_path / "digits.png"
    options = ["--skip", "10", "--max", "12", "--sample-image", str(path)]
    assert main(["data", "digits", *options]) == 0
    with Image.open(path) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 66, 10 * 66, 3)
    eleventh = datasets.load("digits", skip=10).images[10, 0]
    expected = (eleventh * 255).round().byte().numpy().repeat(8, 0).repeat(8, 1)
    assert np.array_equal(sheet[66 : 66 + 64, :64, 0], expected)


def test_cifar_names_are_shared_by_the_copy_that_is_not_cifar():
    assert datasets.info("cifar10-jpeg").classes == cifar10.CLASSES
    assert "not CIFAR-10" in datasets.info("cifar10-jpeg").title
