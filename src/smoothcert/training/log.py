"""The log of a training: one row an epoch, as a CSV file and as a progress bar."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from smoothcert.core.files import write_text
from smoothcert.core.progress import bar


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write ``rows`` (epoch, loss, noisy_accuracy, lr, seconds, ...) atomically as CSV."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.8g}" for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())


class Progress:
    """A bar over the batches of a training, with its epoch, loss and accuracy."""

    def __init__(self, title: str, done: int, total: int, quiet: bool = False) -> None:
        self.bar = bar(title, "batch", quiet, initial=done, total=total)

    def step(self, count: int, epoch: str, loss: float, accuracy: float) -> None:
        """``count`` more batches are done."""
        self.bar.set_postfix_str(
            f"epoch {epoch}, loss {loss:.4f}, noisy accuracy {accuracy:.1%}", refresh=False
        )
        self.bar.update(count)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()
