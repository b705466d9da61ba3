"""What a table or a figure is to the workflow: one entry of the catalogue.

The entries of a paper stand in its ``outputs.py``, which imports nothing heavy: what makes an
output is named by "module:function". Rules, named targets, the page's contents and the ledger
read the catalogue (workflow/catalogue.py).

A table is made by ``make(files, options) -> Table``. A figure is measured by
``make(files, options) -> Picture`` and drawn by ``draw(picture) -> Figure``; its numbers
go into the result frame as those of a table do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


class Options(Settings):
    """Options of an output that has none; others derive from it."""


Run = dict[str, str]  # the slugs of a run by axis, as ``experiments`` give them


@dataclass(frozen=True)
class Need:
    """Files that an output is made from; workflow/needs.py resolves them to paths.

    ``kind``, with ``of`` and ``select`` (which of the section's runs; all by default):

    - ``certificates``, ``memorized`` (as the memory leaves them), ``votes``, ``scales``, ``logs``
      (of training), ``data``, ``radius_tables``: of the runs of the section ``of`` of
      ``experiments``
    - ``live``: certificates sampled for their own budget alone, of ``iss.live``
    - ``published``: what was measured of published certificate tables: all, or those whose names
      ``select`` takes from a list of names
    - ``file``: the path ``of`` below the results, such as ``nongaussian/toy.csv``
    - ``paths``: what "module:function" ``of`` makes of the configuration, paths below the results

    ``group`` is their name in :class:`Files`; None: a dependency that is not passed on. ``seeds``:
    the output tells seeds of training apart (the runs of its section may be of
    cohen-fs_seed1-0.25), and is not made where the section has no runs.
    """

    kind: str
    of: str = ""
    group: str | None = ""
    select: Callable[..., list[Any]] | None = None  # of a list of runs, or names
    seeds: bool = False


@dataclass(frozen=True)
class Output:
    """A table or figure. ``title`` is its heading or caption, and what the page calls it.

    ``needs``: its files. ``options`` is the model of its options and ``config`` the place in the
    configuration that sets them (``outputs.cohen_table``). ``parts``: members whose code decides
    it, beside those of the runs in ``needs`` (``budget.iss``). ``variants``: "module:function" of
    the configuration for an output that is made once each; its name, title and needs have
    ``{variant}``, and ``select`` takes it as ``variant=``. ``called``: "module:function" of how a
    variant reads in the title.
    """

    name: str
    kind: Literal["table", "figure"]
    title: str
    make: str
    draw: str | None = None  # of a figure
    needs: tuple[Need, ...] = ()
    options: type[Options] = Options
    config: str | None = None
    parts: tuple[str, ...] = ()
    variants: str | None = None
    called: str | None = None
    compared: bool = False  # a table whose differences from the paper's are shown as a heat map
    page: bool = True  # shown on the page
    target: str | None = None  # its name to Snakemake, where that is not its own
    outside: bool = False  # no run decides it alone: it reads a data set, published files, a clock


@dataclass(frozen=True)
class Section:
    """A part of the page: a paper, or a theme. ``paper``: the key of its claims, if it has any.

    ``claim`` says in a sentence what is shown; ``notebook`` is ``notebooks/{notebook}.ipynb``;
    ``checks`` is the module with the checks of its claims; ``needs`` are files that notebook and
    checks read beside the outputs.
    """

    key: str
    title: str
    claim: str
    outputs: tuple[Output, ...]
    paper: str | None = None
    notebook: str | None = None
    checks: str | None = None
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Files:
    """The files of an output by the name of their group; ``""`` is the main one."""

    groups: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Files:
        """From words of a command line: ``FILE`` or ``GROUP=FILE``."""
        groups: dict[str, list[Path]] = {}
        for word in words:
            group, equals, path = word.partition("=")
            if not equals or "/" in group:
                group, path = "", word
            groups.setdefault(group, []).append(Path(path))
        return cls({name: tuple(paths) for name, paths in groups.items()})

    def __getitem__(self, group: str) -> tuple[Path, ...]:
        return self.groups.get(group, ())

    def one(self, group: str = "") -> Path:
        """The only file of a group; SmoothcertError if there is none or several."""
        found = self[group]
        if len(found) != 1:
            what = f"{group}=FILE" if group else "FILE"
            raise SmoothcertError(f"expected one {what}, found {len(found)}")
        return found[0]

    def some(self, group: str = "") -> tuple[Path, ...]:
        """The files of a group; SmoothcertError if there are none."""
        if not self[group]:
            raise SmoothcertError(f"expected at least one {f'{group}=FILE' if group else 'FILE'}")
        return self[group]

    def __iter__(self) -> Iterator[Path]:
        for paths in self.groups.values():
            yield from paths


@dataclass(frozen=True)
class Picture:
    """What a figure is drawn from: its numbers, and arrays or tables that are no numbers of a run
    (images, decision regions)."""

    numbers: pd.DataFrame
    more: dict[str, Any] = field(default_factory=dict)
