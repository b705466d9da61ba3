"""The smoothing distributions; ``NOISES.parse("gaussian-0.25")`` gives one by its slug."""

from smoothcert.noise.base import NOISES, Noise
from smoothcert.noise.centripetal_l1 import CentripetalL1
from smoothcert.noise.centripetal_l2 import CentripetalL2
from smoothcert.noise.centripetal_linf import CentripetalLinf
from smoothcert.noise.gaussian import Gaussian
from smoothcert.noise.gaussian_grid import GaussianGrid
from smoothcert.noise.gaussian_linf import GaussianLinf
from smoothcert.noise.laplace import Laplace
from smoothcert.noise.mixed import MixedLinf
from smoothcert.noise.splitting import Splitting
from smoothcert.noise.uniform import Uniform

__all__ = [
    "NOISES",
    "CentripetalL1",
    "CentripetalL2",
    "CentripetalLinf",
    "Gaussian",
    "GaussianGrid",
    "GaussianLinf",
    "Laplace",
    "MixedLinf",
    "Noise",
    "Splitting",
    "Uniform",
]
