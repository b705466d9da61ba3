"""Figures of certificates: ``FIGURES["cohen"](runs, Options())`` -> Figure, then ``save``.

A new figure is a module here with a function under ``@FIGURES.member("name")``, imported below.
"""

from smoothcert.figures import cohen, nongaussian_linf
from smoothcert.figures.registry import FIGURES
from smoothcert.figures.style import save, style

__all__ = ["FIGURES", "cohen", "nongaussian_linf", "save", "style"]
