"""The smoothing distributions; ``NOISES.parse("gaussian-0.25")`` gives one by its slug."""

from smoothcert.noise.base import NOISES, Noise
from smoothcert.noise.gaussian import Gaussian
from smoothcert.noise.laplace import Laplace
from smoothcert.noise.uniform import Uniform

__all__ = ["NOISES", "Gaussian", "Laplace", "Noise", "Uniform"]
