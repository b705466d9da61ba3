"""``smoothcert audit KIND``: try to break certificates; writes verdicts as JSON.

Ends with status 1, its file written, where a variant that this project calls sound is broken;
a broken promise of a paper is a result and ends with 0.
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType
from typing import Any

# A kind is a module of smoothcert.cli.audits with add_arguments(parser) and run(args).
KINDS = {
    "memory-soundness": "certificates of input-dependent noise scales, with and without memory",
    "memory-figure": "what memory-soundness saw, drawn",
    "falsification": "attacks on certificates inside their own radius",
    "attack-accuracy": "certified accuracy beside accuracy under attack, at each radius",
    "coverage": "how often each confidence procedure fails, exactly or simulated",
    "honesty": "certificates all at once, and settings chosen on the test inputs",
    "numerics": "the same certificates in other arithmetic, and what finite noise can hide",
    "radii": "radius formulas against the worst base classifier",
    "streams": "whether any noise is used twice, from the search for a scale to the attack",
    "summary": "files of verdicts -> one page, a line a promise",
}


def _module(kind: str) -> ModuleType:
    return importlib.import_module(f"smoothcert.cli.audits.{kind.replace('-', '_')}")


class _OnDemand(argparse.ArgumentParser):
    """Imports the module of its kind only when it is asked to parse."""

    kind: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.kind:
            kind, self.kind = self.kind, None
            _module(kind).add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a kind."""
    # The class of ``parser`` says how a wrong argument is reported.
    kind_parser = type("Kind", (_OnDemand, type(parser)), {})
    kinds: Any = parser.add_subparsers(
        dest="kind", required=True, metavar="KIND", parser_class=kind_parser
    )
    for name, text in KINDS.items():
        kinds.add_parser(name, help=text, description=text).kind = name


def run(args: argparse.Namespace) -> int:
    """Run the kind; its own status."""
    return int(_module(args.kind).run(args) or 0)
