"""A report notebook, run from top to bottom in this process, and as HTML.

A kernel of its own, and a program to fill in parameters, cost a report more than its cells.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError

_PARAMETERS = "parameters"  # the tag of the cell whose values are replaced


def execute(path: Path, parameters: Mapping[str, str]) -> Any:
    """The notebook with the outputs of its cells, as nbformat has it.

    ``parameters`` are set in a cell after the one that is tagged "parameters". Raises
    SmoothcertError for what is no notebook or has no such cell, for a cell that fails, and where
    IPython or nbformat is missing.
    """
    try:
        import nbformat
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.utils.capture import capture_output
        from traitlets.config import Config
    except ImportError as error:
        raise _missing(error) from None
    try:
        notebook = nbformat.read(path, as_version=4)
    except ValueError as error:
        raise SmoothcertError(f"{path}: no notebook: {error}") from None
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    if [_PARAMETERS in one for one in tags].count(True) != 1:
        raise SmoothcertError(f'{path}: expected one cell with the tag "{_PARAMETERS}"')
    given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    place = [_PARAMETERS in one for one in tags].index(True) + 1
    notebook.cells.insert(place, nbformat.v4.new_code_cell(given))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for number, cell in enumerate(code, 1):
            with shell.display_trap, capture_output() as caught:
                result = shell.run_cell(cell.source)
            cell.execution_count = number
            cell.outputs = [*_printed(caught), *_displayed(caught)]
            if not result.success:
                print(caught.stdout, caught.stderr, file=sys.stderr)
                wrong = result.error_before_exec or result.error_in_exec
                raise SmoothcertError(
                    f"{path}: code cell {number}: {type(wrong).__name__}: {wrong}"
                )
    finally:
        InteractiveShell.clear_instance()
    return notebook


def _printed(caught: Any) -> list[Any]:
    from nbformat.v4 import new_output

    texts = {"stdout": caught.stdout, "stderr": caught.stderr}
    return [new_output("stream", name=name, text=text) for name, text in texts.items() if text]


def _displayed(caught: Any) -> list[Any]:
    from nbformat.v4 import new_output

    return [
        new_output("display_data", one.data, metadata=one.metadata or {}) for one in caught.outputs
    ]


def page(notebook: Any) -> str:
    """An executed notebook as HTML, without its code. Raises SmoothcertError without nbconvert."""
    try:
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise _missing(error) from None
    exporter = HTMLExporter(
        exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    return str(exporter.from_notebook_node(notebook)[0])


def _missing(error: ImportError) -> SmoothcertError:
    return SmoothcertError(f"{error.name} is not installed here; install smoothcert[workflow]")
