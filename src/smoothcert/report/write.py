"""A table as CSV (full precision), Markdown, HTML and LaTeX (booktabs)."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

from smoothcert.core.files import write_text
from smoothcert.report import printing
from smoothcert.report.numbers import Number, Row
from smoothcert.report.render import render
from smoothcert.report.table import Column, Table

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
    """Write ``base``.csv, .md, .tex and .html, each atomically; returns their paths."""
    texts = {
        ".csv": to_csv(table),
        ".md": to_markdown(table),
        ".tex": to_latex(table),
        ".html": to_html(table),
    }
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
        for name in ([c.head + e for e in ends] if c.numeric else [c.head])
    )
    for row in table.rows:
        fields: list[str] = []
        for column in table.columns:
            found = row.get(column.key)
            if not column.numeric:
                shown = printing.parts(found)[0] if isinstance(found, Number) else found
                fields.append("" if shown is None else str(shown))
                continue
            n = found if isinstance(found, Number) else None
            known = (
                (n.value, n.low, n.high, n.paper.value if n.paper else None) if n else (None,) * 4
            )
            fields += ["" if v is None else _full(v) for v in known]
        writer.writerow(fields)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A heading, a pipe table and the notes; ``value [interval] / paper`` in a cell."""
    heads = [_pipe(c.title) for c in table.columns]
    lines = [[_pipe(" ".join(cell(row, c))) for c in table.columns] for row in table.rows]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]

    def line(cells: list[str]) -> str:
        padded = [
            text.rjust(width) if column.numeric else text.ljust(width)
            for text, width, column in zip(cells, widths, table.columns, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if column.numeric else "-" * width
        for width, column in zip(widths, table.columns, strict=True)
    ]
    body = "\n".join([line(heads), f"| {' | '.join(rule)} |", *map(line, lines)])
    notes = "".join(f"- {note}\n" for note in table.notes)
    return f"### {table.title}\n\n{body}\n\n{notes}"


def to_html(table: Table) -> str:
    """A ``<table>`` with its caption, and its notes to unfold: a piece of a page.

    Labels that are the same in every row stand in a line above it and empty columns are left out,
    so that the numbers are in sight.
    """
    same = _same(table)
    columns = [
        c for c in table.columns if c not in same and any(cell(row, c) for row in table.rows)
    ]
    rows = [[cell(row, c) for c in columns] for row in table.rows]
    values = {"title": table.title, "columns": columns, "rows": rows, "notes": table.notes}
    return render("table.html", same=same.items(), **values)


def to_latex(table: Table) -> str:
    """A ``table`` environment for a document that loads booktabs."""
    alignment = "".join("r" if c.numeric else "l" for c in table.columns)
    heads = " & ".join(escape(c.title) for c in table.columns)
    rows = [" & ".join(_latex_cell(row, c) for c in table.columns) + r" \\" for row in table.rows]
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


def cell(row: Row, column: Column) -> list[str]:
    """The printed parts of a cell that are there: value, interval, "/ paper"."""
    found = row.get(column.key)
    if isinstance(found, Number):
        return printing.parts(found)
    if column.key not in row:
        return []
    return [printing.UNKNOWN if found is None else column.show(found)]


def _same(table: Table) -> dict[Column, str]:
    """Columns of labels that do not tell the rows apart, with what they say."""
    if len(table.rows) < 2:
        return {}
    said = {
        c: {" ".join(cell(row, c)) for row in table.rows} for c in table.columns if not c.numeric
    }
    same = {c: texts.pop() for c, texts in said.items() if len(texts) == 1}
    return same if len(same) < len(said) else {}


def _latex_cell(row: Row, column: Column) -> str:
    found = [escape(part) for part in cell(row, column)]
    if column.numeric:
        found = [
            rf"{{\tiny {part}}}"
            if part.startswith("[")
            else rf"/ \textit{{{part[2:]}}}"
            if part.startswith("/ ")
            else part
            for part in found
        ]
    # A cell that starts with [ would be read as the optional argument of the \\ before it.
    text = " ".join(found)
    return f"{{}}{text}" if text.startswith("[") else text


def _pipe(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _full(value: float) -> str:
    return repr(value) if math.isfinite(value) else str(value)
