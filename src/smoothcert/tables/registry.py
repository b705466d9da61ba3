"""The tables by name; a module of this package registers its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smoothcert.tables.base import Registry

if TYPE_CHECKING:
    from smoothcert.tables.base import TableMaker

TABLES: Registry[TableMaker] = Registry("table")
