"""The smoothing distributions; ``NOISES.parse("gaussian-0.25")`` gives one by its slug."""

from smoothcert.noise.base import NOISES, Noise
from smoothcert.noise.gaussian import Gaussian

__all__ = ["NOISES", "Gaussian", "Noise"]
