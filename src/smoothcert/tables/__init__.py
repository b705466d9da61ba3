"""Tables of certificates: ``TABLES["cohen"](runs, Options())`` -> Table, then ``write_table``.

A new table is a module here with a function under ``@TABLES.member("name")``, imported below.
"""

from smoothcert.tables import (
    cohen,
    ddrs,
    ddrs_appendix,
    ddrs_controls,
    ddrs_times,
    iss,
    nongaussian,
    nongaussian_gain,
)
from smoothcert.tables.base import Column, Entry, Options, Table
from smoothcert.tables.registry import TABLES
from smoothcert.tables.write import to_csv, to_latex, to_markdown, write_table

__all__ = [
    "TABLES",
    "Column",
    "Entry",
    "Options",
    "Table",
    "cohen",
    "ddrs",
    "ddrs_appendix",
    "ddrs_controls",
    "ddrs_times",
    "iss",
    "nongaussian",
    "nongaussian_gain",
    "to_csv",
    "to_latex",
    "to_markdown",
    "write_table",
]
