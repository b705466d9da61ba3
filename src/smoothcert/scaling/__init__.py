"""The noise scale at an input; ``SCALINGS.parse("ascent-K900")`` gives a choice by its slug."""

from smoothcert.scaling.ascent import Ascent, AscentMean
from smoothcert.scaling.base import SCALINGS, ChosenScales, Scaling, SearchCost
from smoothcert.scaling.fixed import NominalScale
from smoothcert.scaling.grid import Grid
from smoothcert.scaling.grid_hard import GridHard, GridOne
from smoothcert.scaling.ramp import Ramp
from smoothcert.scaling.smoothed import DualSmoothing
from smoothcert.scaling.sound import AscentSound

__all__ = [
    "SCALINGS",
    "Ascent",
    "AscentMean",
    "AscentSound",
    "ChosenScales",
    "DualSmoothing",
    "Grid",
    "GridHard",
    "GridOne",
    "NominalScale",
    "Ramp",
    "Scaling",
    "SearchCost",
]
