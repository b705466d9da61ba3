"""A table as CSV (full precision), Markdown and LaTeX (booktabs), each written atomically."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

from smoothcert.files import write_text
from smoothcert.tables.base import UNKNOWN, Entry

if TYPE_CHECKING:
    import os

    from smoothcert.tables.base import Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "σ": r"$\sigma$",
    "α": r"$\alpha$",
    "λ": r"$\lambda$",
    "°": r"$^\circ$",
    "²": r"{$^2$}",
    "‖": r"$\Vert$",
    "ℓ": r"$\ell$",
    "₁": r"{$_1$}",
    "₂": r"{$_2$}",
    "∞": r"{$_\infty$}",
    "–": "--",
}


def write_table(base: str | os.PathLike[str], table: Table) -> list[Path]:
    """Write ``base``.csv, .md and .tex; returns their paths."""
    texts = {".csv": to_csv(table), ".md": to_markdown(table), ".tex": to_latex(table)}
    paths = []
    for suffix, text in texts.items():
        path = Path(base).with_name(Path(base).name + suffix)
        write_text(path, text)
        paths.append(path)
    return paths


def to_csv(table: Table) -> str:
    """One row a table row; a measured column KEY is KEY, KEY_low, KEY_high, KEY_paper.

    Accuracies are percent, not rounded; an empty field is a number that does not exist.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = ("", "_low", "_high", "_paper")
    writer.writerow(
        name
        for c in table.columns
        for name in ([c.key + end for end in ends] if c.measured else [c.key])
    )
    for row in table.rows:
        fields: list[str] = []
        for column in table.columns:
            entry = row.get(column.key, Entry())
            if column.measured:
                fields += ["" if v is None else _number(v) for v in entry.numbers]
            else:
                fields.append("" if entry.text == UNKNOWN else entry.text)
        writer.writerow(fields)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A heading, a pipe table and the notes; ``value [interval] / paper`` in a cell."""
    heads = [_pipe(c.title) for c in table.columns]
    lines = [[_cell(row.get(c.key, Entry())) for c in table.columns] for row in table.rows]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if column.measured else cell.ljust(width)
            for cell, width, column in zip(cells, widths, table.columns, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if column.measured else "-" * width
        for width, column in zip(widths, table.columns, strict=True)
    ]
    body = "\n".join([line(heads), f"| {' | '.join(rule)} |", *map(line, lines)])
    notes = "".join(f"- {note}\n" for note in table.notes)
    return f"### {table.title}\n\n{body}\n\n{notes}"


def to_latex(table: Table) -> str:
    """A ``table`` environment for a document that loads booktabs."""
    alignment = "".join("r" if c.measured else "l" for c in table.columns)
    heads = " & ".join(escape(c.title) for c in table.columns)
    rows = [
        " & ".join(_latex_cell(row.get(c.key, Entry())) for c in table.columns) + r" \\"
        for row in table.rows
    ]
    notes = [rf"{escape(note)}\par" for note in table.notes]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape(table.title)}}}",
            rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
            r"\toprule",
            heads + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}\par\medskip",
            r"\raggedright",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def escape(text: str) -> str:
    """``text`` with all that LaTeX would read as a command made printable."""
    return "".join(_LATEX.get(character, character) for character in text)


def _cell(entry: Entry) -> str:
    parts = [entry.text, entry.interval, f"/ {entry.paper}" if entry.paper else ""]
    return _pipe(" ".join(part for part in parts if part))


def _latex_cell(entry: Entry) -> str:
    parts = [
        escape(entry.text),
        rf"{{\tiny {escape(entry.interval)}}}" if entry.interval else "",
        rf"/ \textit{{{escape(entry.paper)}}}" if entry.paper else "",
    ]
    # A cell that starts with [ would be read as the optional argument of the \\ before it.
    text = " ".join(part for part in parts if part)
    return f"{{}}{text}" if text.startswith("[") else text


def _pipe(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else str(value)
