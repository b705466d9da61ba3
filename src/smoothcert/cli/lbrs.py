"""``smoothcert lbrs KIND``: locally biased smoothing, its experiments and its certificates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from smoothcert.certificates import write_certificates
from smoothcert.certificates.metrics import average_certified_radius
from smoothcert.cli.command import Command, place, specified
from smoothcert.compute.arithmetic import switch
from smoothcert.compute.devices import choose_device
from smoothcert.core import provenance
from smoothcert.core.files import atomic, write_text
from smoothcert.lbrs import image, smooth, spiral
from smoothcert.lbrs.results import COLUMNS, SPIRAL_COLUMNS, spiral_rows, write_rows
from smoothcert.lbrs.settings import CertifySettings, ImageSettings, SpiralSettings

KINDS = {
    "spiral": "the spiral with a linear SVM (figures 1 and 2)",
    "image": "accuracy of one class versus the rest (figures 3 to 6)",
    "certify": "certificates of a smooth network",
}


class _Experiment(Command):
    """``out`` is where to write, without the ending."""

    def specification(self) -> dict[str, Any]:
        """All that decides the result, as it stands in a record."""
        plain = self.plain()
        return {k: plain[k] for k in specified(type(self)) if plain[k] is not None}

    def record(self, base: Path, device: str | None = None, **more: Any) -> None:
        """Write BASE.json."""
        made = provenance.record(device)
        record = {"specification": self.specification(), **more, "made": made}
        write_text(
            base.with_name(f"{base.name}.json"), json.dumps(record, indent=1, sort_keys=True)
        )


class Spiral(_Experiment, SpiralSettings):
    """Certify the test points of a spiral at every bias, with each form and norm."""

    epilog: ClassVar[str] = "example: smoothcert lbrs spiral --bias 0 1 3 --grid 100 --out spiral"

    out: Path = place(help="writes BASE.npz, .csv, .json", metavar="BASE")

    def run(self) -> None:
        out, about = spiral.run(
            self.spiral, np.array(self.bias), np.array(self.shown), self.grid, self.exact
        )
        self.record(self.out, **about)
        with atomic(self.out.with_name(f"{self.out.name}.npz")) as temporary:
            np.savez_compressed(temporary, **out)  # type: ignore[arg-type]
        rows = spiral_rows(out)
        write_rows(self.out.with_name(f"{self.out.name}.csv"), SPIRAL_COLUMNS, rows)
        for row in rows:
            if row["base"] == "linear-svm" and row["bias"] in self.shown:
                radii = row.get("published_true_radius", float("nan")), row["tight_true_radius"]
                print(
                    f"{row['norm']} bias {row['bias']:g}: accuracy {row['accuracy']:.3f}, true"
                    f" average radius {radii[0]:.3f} as published, {radii[1]:.3f} tight,"
                    f" {row['base_true_radius']:.3f} of the base classifier"
                )


class Image(_Experiment, ImageSettings):
    """Train a base network on one class versus the rest; measure every classifier's accuracy."""

    epilog: ClassVar[str] = (
        """example: smoothcert lbrs image --task '{"dataset": "digits", "positive": "8"}'"""
        """ --recipe '{"arch": "tiny_cnn"}' --sweep '{"bias": [0, 1, 10], "sigma": [0, 0.25],"""
        """ "sweep_radii": {"l2": [0, 0.5]}, "radii": {"l2": [0, 0.5, 1]},"""
        """ "fixed": {"bias": 10, "sigma": 0.25}}' --out image"""
    )

    out: Path = place(help="writes BASE.csv, .json", metavar="BASE")
    device: str = place("auto", help="device to run on", metavar="auto|cpu|cuda")

    def run(self) -> None:
        device = str(choose_device(self.device))
        switch("float32")
        rows = image.run(self.task, self.recipe, self.sweep, device)
        self.record(self.out, device)
        path = self.out.with_name(f"{self.out.name}.csv")
        write_rows(path, COLUMNS, rows)
        cnn = next(row for row in rows if row["method"] == "cnn")
        clean = f"{cnn['correct']}/{cnn['inputs']}"
        print(f"{path}: {len(rows)} accuracies; base network {clean} clean")


class Certify(_Experiment, CertifySettings):
    """Train a smooth network, bound its gradient's Lipschitz constant, certify the test images."""

    epilog: ClassVar[str] = (
        """example: smoothcert lbrs certify --task '{"dataset": "digits", "positive": "8"}'"""
        """ --recipe '{"arch": "softplus_mlp-32"}' --norms l2 linf --bias 0 1 --out certificates"""
    )

    out: Path = place(help="writes BASE/NORM-FORM-bBIAS.tsv, .json", metavar="BASE")

    def run(self) -> None:
        tables, about = smooth.run(self.task, self.recipe, self.norms, self.bias, self.head)
        for (norm, form, value), table in tables.items():
            path = self.out / f"{norm}-{form}-b{value:g}.tsv"
            record = {"specification": self.specification(), **about}
            write_certificates(path, table, {**record, "norm": norm, "form": form, "bias": value})
            acr = average_certified_radius(table).value
            print(f"{path}: accuracy {table.correct.mean():.3f}, ACR {float(acr):.4f}")


def command(kind: str) -> type[Command]:
    """The command of a kind."""
    commands: dict[str, type[Command]] = {"spiral": Spiral, "image": Image, "certify": Certify}
    return commands[kind]
