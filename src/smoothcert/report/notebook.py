"""A report notebook, run by papermill in this process, and as HTML.

A kernel of its own takes longer to start than a report's cells take to run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError

_PARAMETERS = "parameters"  # the tag of the cell whose values papermill replaces
_ENGINE = "this process"


def execute(path: Path, parameters: Mapping[str, str]) -> Any:
    """The notebook with the outputs of its cells, as nbformat has it.

    ``parameters`` are set in a cell after the one that is tagged "parameters". Raises
    SmoothcertError for what is no notebook or has no such cell, for a cell that fails, and where
    a package is missing.
    """
    try:
        import nbformat
        import papermill
        from papermill.engines import papermill_engines
    except ImportError as error:
        raise _missing(error) from None
    try:
        notebook = nbformat.read(path, as_version=4)
    except ValueError as error:
        raise SmoothcertError(f"{path}: not a notebook: {error}") from None
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    if [_PARAMETERS in one for one in tags].count(True) != 1:
        raise SmoothcertError(f'{path}: expected one cell with the tag "{_PARAMETERS}"')
    papermill_engines.register(_ENGINE, _engine())
    try:
        return papermill.execute_notebook(
            str(path), None, dict(parameters), engine_name=_ENGINE, kernel_name="python3",
            language="python", progress_bar=False,
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise SmoothcertError(
            f"{path}: code cell {error.exec_count}: {error.ename}: {error.evalue}"
        ) from None


def _engine() -> Any:
    """papermill's interface to what runs the cells, in this process."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from nbformat.v4 import new_output
    from papermill.engines import Engine
    from traitlets.config import Config

    class InProcess(Engine):
        @classmethod
        def execute_managed_notebook(cls, manager: Any, kernel_name: str, **options: Any) -> None:
            shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
            try:
                code = [cell for cell in manager.nb.cells if cell.cell_type == "code"]
                for number, cell in enumerate(code, 1):
                    manager.cell_start(cell)
                    with shell.display_trap, capture_output() as caught:
                        result = shell.run_cell(cell.source)
                    cell.execution_count = number
                    cell.outputs = [*_printed(caught), *_displayed(caught)]
                    if not result.success:
                        print(caught.stdout, caught.stderr, file=sys.stderr)
                        wrong = result.error_before_exec or result.error_in_exec
                        name, said = type(wrong).__name__, str(wrong)
                        failed = new_output("error", ename=name, evalue=said, traceback=[])
                        cell.outputs.append(failed)
                        manager.cell_exception(cell)
                        return
                    manager.cell_complete(cell)
            finally:
                InteractiveShell.clear_instance()

    return InProcess


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
