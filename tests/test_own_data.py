"""Data sets of a user's own: read as they are, known by their content, or refused in one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from smoothcert import cli, datasets
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import mnist, own
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.datasets.own_objects import of_object

GREY = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5) * 2
UNIT = torch.from_numpy(GREY / 255).float()
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refusal(name, **options):
    with pytest.raises(SmoothcertError) as error:
        datasets.load(name, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def folder(root, names=("ant", "bee", "cow")):
    for k, image in enumerate(GREY):
        place = root / names[LABELS[k]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{k}.png")
    return root


def idx_bytes(values):
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.astype(np.uint8).tobytes()


def as_folder(tmp_path):
    return folder(tmp_path / "photos")


def as_csv(tmp_path):
    folder(tmp_path / "images")
    names = ("ant", "bee", "cow")
    rows = [f"images/{names[y]}/{k}.png,{names[y]}" for k, y in enumerate(LABELS)]
    (tmp_path / "photos.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    return tmp_path / "photos.csv"


def as_npz(tmp_path):
    np.savez(tmp_path / "photos.npz", x=GREY, y=LABELS[:, None])
    return tmp_path / "photos.npz"


def as_fractions(tmp_path):
    values = (GREY / 255).astype(np.float32)[..., None]
    np.savez(tmp_path / "photos.npz", images=values, labels=LABELS)
    return tmp_path / "photos.npz"


def as_idx(tmp_path):
    (tmp_path / "photos-images-idx3-ubyte").write_bytes(idx_bytes(GREY))
    (tmp_path / "photos-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS))
    return tmp_path / "photos-images-idx3-ubyte"


def as_function(tmp_path):
    (tmp_path / "lab_photos.py").write_text(
        "import numpy as np\n"
        "class Photos:\n"
        "    targets = [0, 1, 2, 0, 1, 2]\n"
        "    def __len__(self): return 6\n"
        "    def __getitem__(self, i):\n"
        "        grey = np.arange(120, dtype=np.uint8).reshape(6, 4, 5) * 2\n"
        "        return grey[i], self.targets[i]\n"
    )
    return "lab_photos:Photos"


@pytest.mark.parametrize("form", [as_folder, as_csv, as_npz, as_fractions, as_idx, as_function])
def test_every_form_gives_the_same_images_and_labels(form, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    place = str(form(tmp_path))
    data = datasets.load(place)
    expected = torch.from_numpy(GREY[:, None] / 255).float()
    # A folder is sorted by class, and so the rows of the others are in another order.
    order = np.argsort(LABELS, kind="stable") if form is as_folder else np.arange(6)
    torch.testing.assert_close(data.images, expected[order])
    assert data.labels.tolist() == LABELS[order].tolist()
    assert data.idx.tolist() == list(range(6))
    about = datasets.info(place)
    assert (about.shape, about.n_classes, dict(about.splits)) == ((1, 4, 5), 3, {"test": 6})
    assert about.at_least == (form not in (as_folder, as_csv))
    some = datasets.load(place, skip=2, max=2)
    torch.testing.assert_close(some.images, expected[order][[0, 2]])
    assert some.digest == data.digest
    assert "unknown" in refusal(place, split="train")


def test_colour_arrays_are_read_by_their_axes_and_a_doubtful_shape_is_refused(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    np.save(tmp_path / "last.npy", values)
    np.save(tmp_path / "first.npy", values.transpose(0, 3, 1, 2))
    last, first = (datasets.load(str(tmp_path / f"{n}.npy")) for n in ("last", "first"))
    assert torch.equal(last.images, first.images)
    assert last.shape == (3, 6, 7)
    assert last.labels.tolist() == [-1] * 5
    np.save(tmp_path / "doubt.npy", values[:, :3])
    assert "give layout" in refusal(str(tmp_path / "doubt.npy"))
    told = json.dumps({"path": str(tmp_path / "doubt.npy"), "layout": "nhwc"})
    assert datasets.info(told).shape == (3, 3, 7)


def test_values_beyond_white_are_refused_with_the_likely_cause(tmp_path):
    np.save(tmp_path / "wide.npy", GREY.astype(np.float32))
    message = refusal(str(tmp_path / "wide.npy"))
    assert "[0, 1]" in message
    assert "white" in message
    told = json.dumps({"path": str(tmp_path / "wide.npy"), "white": 255})
    torch.testing.assert_close(
        datasets.load(told).images[:, 0], torch.from_numpy(GREY / 255).float()
    )
    np.save(tmp_path / "ints.npy", GREY.astype(np.int64))
    assert "which value is white" in refusal(str(tmp_path / "ints.npy"))


def test_images_of_other_sizes_need_a_size(tmp_path):
    root = folder(tmp_path / "photos")
    Image.fromarray(np.full((8, 20), 200, np.uint8)).save(root / "bee" / "wide.png")
    message = refusal(str(root))
    assert "wide.png" in message
    assert "8x20" in message
    told = json.dumps({"path": str(root), "size": [4, 4], "channels": 3})
    data = datasets.load(told)
    assert tuple(data.images.shape) == (7, 3, 4, 4)
    assert data.images[data.labels == 1].amax() == pytest.approx(200 / 255)


def test_large_folders_stay_on_disk(tmp_path, monkeypatch):
    from smoothcert.datasets import own_files

    root = folder(tmp_path / "photos")
    whole = datasets.load(str(root))
    monkeypatch.setattr(own_files, "_IN_MEMORY", 10)
    lazy = datasets.load(str(root))
    assert isinstance(lazy.images, LazyImages)
    assert lazy.images.shape == (6, 1, 4, 5)
    assert torch.equal(lazy.images[:], whole.images)
    assert lazy.digest == whole.digest


def test_the_digest_notices_what_changed(tmp_path):
    root = folder(tmp_path / "photos")
    first = datasets.load(str(root)).digest
    assert datasets.load(str(folder(tmp_path / "copy" / "photos"))).digest == first
    path = root / "ant" / "0.png"
    size, before = path.stat().st_size, datasets.stamp(str(root))
    Image.fromarray(GREY[0] + 1).save(path)
    assert abs(path.stat().st_size - size) < 50
    assert datasets.load(str(root)).digest != first
    assert datasets.stamp(str(root)) != before
    assert datasets.stamp("digits") is None
    np.savez(tmp_path / "a.npz", x=GREY, y=LABELS)
    digest = datasets.load(str(tmp_path / "a.npz")).digest
    np.savez(tmp_path / "a.npz", x=GREY, y=LABELS[::-1])
    assert datasets.load(str(tmp_path / "a.npz")).digest != digest


def test_splits_of_folders_arrays_and_tables(tmp_path):
    folder(tmp_path / "set" / "train")
    folder(tmp_path / "set" / "val")
    assert dict(datasets.info(str(tmp_path / "set")).splits) == {"train": 6, "test": 6}
    np.savez(tmp_path / "k.npz", x_train=GREY, y_train=LABELS, x_test=GREY[:2], y_test=LABELS[:2])
    assert dict(datasets.info(str(tmp_path / "k.npz")).splits) == {"train": 6, "test": 2}
    rows = "".join(f"set/train/ant/{k}.png,{k % 2},{s}\n" for k, s in ((0, "train"), (3, "test")))
    (tmp_path / "t.csv").write_text("file,label,split\n" + rows)
    about = datasets.info(str(tmp_path / "t.csv"))
    assert dict(about.splits) == {"train": 1, "test": 1}
    assert datasets.load(str(tmp_path / "t.csv")).labels.tolist() == [1]


def test_classes_say_the_order_of_outputs(tmp_path):
    root = folder(tmp_path / "photos")
    told = json.dumps({"path": str(root), "classes": ["cow", "dog", "bee", "ant"]})
    data, about = datasets.load(told), datasets.info(told)
    assert (about.n_classes, about.at_least) == (4, False)
    assert data.labels.tolist() == [0, 0, 2, 2, 3, 3]
    told = json.dumps({"path": str(root), "classes": ["cow", "bee"]})
    assert "ant" in refusal(told)


def test_mnists_own_files_are_read_as_a_folder_too(tmp_path, monkeypatch):
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(GREY))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS))
    data = datasets.load(str(tmp_path), "train")
    assert data.labels.tolist() == LABELS.tolist()
    assert mnist.CANONICAL  # the named set verifies; this one is known by its digest
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(GREY)[:-1])
    assert "t10k-images-idx3-ubyte" in refusal(str(tmp_path))


def test_a_loader_is_read_in_order_and_one_that_shuffles_refused(tmp_path):
    pairs = torch.utils.data.TensorDataset(
        torch.from_numpy(GREY[:, None] / 255).float(), torch.from_numpy(LABELS)
    )
    part = own_of(torch.utils.data.DataLoader(pairs, batch_size=4))
    assert part.labels.tolist() == LABELS.tolist()
    torch.testing.assert_close(part.images(np.arange(6)), pairs.tensors[0])
    with pytest.raises(SmoothcertError, match="shuffles"):
        own_of(torch.utils.data.DataLoader(pairs, batch_size=4, shuffle=True))


def own_of(held):
    return of_object(own.Own(path="given"), held)


def test_a_hugging_face_row_is_a_mapping():
    class Names:
        names = ("ant", "bee", "cow")

    class Hub:
        column_names = ("image", "label")
        features = {"image": None, "label": Names()}

        def __len__(self):
            return 6

        def __getitem__(self, i):
            if i == "label":
                return LABELS.tolist()
            return {"image": Image.fromarray(GREY[i]), "label": int(LABELS[i])}

    part = own_of(Hub())
    assert part.classes == ("ant", "bee", "cow")
    assert part.labels.tolist() == LABELS.tolist()
    torch.testing.assert_close(
        part.images(np.array([3]))[0, 0], torch.from_numpy(GREY[3] / 255).float()
    )


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("a,b\n1,2\n", "column path"),
        ("path,label\n", "at least one row"),
        ("path,label\nx.png\n", ":2: expected 2 fields"),
        ("path,label,split\nx.png,0,weird\n", "split 'weird'"),
        ("path,label\nx.png,0\n", "x.png"),
    ],
)
def test_a_wrong_table_ends_in_one_line(content, word, tmp_path):
    (tmp_path / "t.csv").write_text(content)
    try:
        message = refusal(str(tmp_path / "t.csv"))
    except FileNotFoundError as error:
        message = str(error)
    assert word in message


def test_other_mistakes_end_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "not a data set" in refusal(str(tmp_path / "empty"))
    (tmp_path / "text.npz").write_text("no archive")
    assert "plain arrays" in refusal(str(tmp_path / "text.npz"))
    np.savez(tmp_path / "odd.npz", a=GREY)
    assert "found a" in refusal(str(tmp_path / "odd.npz"))
    np.savez(tmp_path / "few.npz", x=GREY, y=LABELS[:4])
    assert "each of 6 images, found 4" in refusal(str(tmp_path / "few.npz"))
    root = folder(tmp_path / "photos")
    Image.fromarray(GREY[0]).save(root / "stray.png")
    assert "stray.png" in refusal(str(root))
    assert "unknown key" in refusal('{"path": "x", "sise": 3}')
    assert "no such file" in refusal('{"path": "nowhere"}')
    assert "unknown; expected one of" in refusal("nowhere")
    assert "nowhere" in refusal("nowhere:make")


def test_declared_names_stand_for_places(tmp_path, monkeypatch):
    place = as_npz(tmp_path)
    text = own.export(own.declarations({"lab-set": str(place)}, "here"))
    monkeypatch.setenv(own.VARIABLE, text)
    assert datasets.load("lab-set").name == "lab-set"
    assert datasets.info("lab-set").shape == (1, 4, 5)
    assert datasets.recorded("lab-set", {}) == "lab-set"
    about = datasets.place("lab-set")
    monkeypatch.delenv(own.VARIABLE)
    assert datasets.load(datasets.recorded("lab-set", about)).labels.tolist() == LABELS.tolist()
    for name in ("Lab", "mnist", "a/b"):
        with pytest.raises(SmoothcertError, match="names folders"):
            own.declarations({name: "x"}, "here")
    with pytest.raises(SmoothcertError, match="expected a path or a mapping"):
        own.declarations({"lab": 3}, "here")


def test_the_command_says_what_lies_there(tmp_path, capsys):
    root = folder(tmp_path / "photos")
    sheet = tmp_path / "sheet.png"
    out = tmp_path / "photos.json"
    assert cli.main(["data", str(root), "--out", str(out), "--sample-image", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "photos" in said
    assert "3 classes; shape 1x4x5" in said
    record = json.loads(out.read_text())
    assert record["splits"]["test"]["size"] == 6
    assert str(tmp_path) not in out.read_text()
    assert sheet.is_file()
