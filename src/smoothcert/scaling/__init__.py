"""The noise scale at an input; ``SCALINGS.parse("ascent-K900")`` gives a choice by its slug."""

from smoothcert.scaling.ascent import Ascent, AscentMean, Ramp
from smoothcert.scaling.base import SCALINGS, Fixed, Scaling

__all__ = ["SCALINGS", "Ascent", "AscentMean", "Fixed", "Ramp", "Scaling"]
