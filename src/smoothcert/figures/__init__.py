"""Figures of certificates: ``FIGURES["cohen"](runs, Options())`` -> Figure, then ``save``.

A new figure is a module here with a function under ``@FIGURES.member("name")``, imported below.
"""

from smoothcert.figures import cohen, ddrs, ddrs_controls, ddrs_sigma, ddrs_steps, nongaussian_linf
from smoothcert.figures.registry import FIGURES
from smoothcert.figures.style import save, style

__all__ = [
    "FIGURES",
    "cohen",
    "ddrs",
    "ddrs_controls",
    "ddrs_sigma",
    "ddrs_steps",
    "nongaussian_linf",
    "save",
    "style",
]
