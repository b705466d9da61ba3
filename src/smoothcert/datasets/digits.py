"""digits: scikit-learn's bundled handwritten digits, 8x8, real, no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source, content_digest, pixels

# Digest of all rows in the bundled order: another scikit-learn must not change the data unseen.
_CONTENT = "e42612d577f53774ede9eb23067a7cb3e1232133df53680402169f13160b691c"


@DATASETS.member("digits")
class Digits(Source):
    """The 1,797 images of scikit-learn's ``load_digits``, grey levels 0 to 16, divided by 16.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (its test part).

    The split: rows in the order of ``numpy.random.RandomState(0).permutation(1797)`` (a
    stream that NumPy has frozen); the first 1,297 are ``train``, the last 500 ``test``. A
    writer's digits can be in both.
    """

    info = DatasetInfo(
        name="digits",
        title="scikit-learn's handwritten digits, 8x8 grey",
        shape=(1, 8, 8),
        n_classes=10,
        classes=tuple("0123456789"),
        splits={"train": 1297, "test": 500},
        arch="tiny_cnn",
        # all 1,797 images, divided by 16
        statistics=((0.3053,), (0.3760,)),
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """The split; reads nothing from ``folder``."""
        table = _table()
        values = table[:, :64].reshape(-1, 1, 8, 8)
        labels = table[:, 64].astype(np.int64)
        found = content_digest(values, labels)
        if found != _CONTENT:
            raise SmoothcertError(
                f"digits: scikit-learn's data has digest {found}, expected {_CONTENT}"
            )
        order = np.random.RandomState(0).permutation(len(labels))
        train = self.info.splits["train"]
        rows = order[:train] if split == "train" else order[train:]
        values, labels = values[rows], labels[rows]
        return Content(labels, pixels(values, white=16), content_digest(values, labels))


def _table() -> NDArray[np.uint8]:
    """Grey levels and label, [1797, 65]."""
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        bundled = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if bundled.is_file():
            # Importing scikit-learn takes over a second, reading its file some milliseconds.
            return np.loadtxt(bundled, delimiter=",", dtype=np.uint8)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)
