"""The log of a training: one row an epoch, as a CSV file and as a progress bar."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path

from tqdm import tqdm

from smoothcert.core.files import write_text


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write ``rows`` (epoch, loss, noisy_accuracy, lr, seconds, ...) atomically as CSV."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.8g}" for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())


class Progress:
    """A bar on a terminal, else a line every half a minute or so; always on standard error."""

    def __init__(self, title: str, done: int, total: int, quiet: bool = False) -> None:
        self.bar = tqdm(
            desc=title,
            initial=done,
            total=total,
            unit="batch",
            file=sys.stderr,
            disable=True if quiet else None,
            dynamic_ncols=True,
        )
        self.lines = not quiet and self.bar.disable
        self.title, self.done, self.total, self.first = title, done, total, done
        self.start = self.last = time.monotonic()

    def step(self, count: int, epoch: str, loss: float, accuracy: float) -> None:
        """``count`` more batches are done."""
        self.done += count
        self.bar.set_postfix_str(
            f"epoch {epoch}, loss {loss:.4f}, noisy accuracy {accuracy:.1%}", refresh=False
        )
        self.bar.update(count)
        now = time.monotonic()
        if self.lines and (now - self.last > 30 or self.done == self.total):
            self.last = now
            left = (now - self.start) / (self.done - self.first) * (self.total - self.done)
            print(
                f"{self.title}: epoch {epoch}, loss {loss:.4f}, noisy accuracy {accuracy:.1%},"
                f" {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()
