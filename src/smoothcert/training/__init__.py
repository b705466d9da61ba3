"""Training base classifiers: one loop, interchangeable methods, noises and scales."""

from smoothcert.training.cohen import Cohen
from smoothcert.training.macer import Macer
from smoothcert.training.method import METHODS, Batch, Loss, Method
from smoothcert.training.plan import Job
from smoothcert.training.recipe import Recipe
from smoothcert.training.run import train
from smoothcert.training.smoothadv import SmoothAdv

__all__ = [
    "METHODS",
    "Batch",
    "Cohen",
    "Job",
    "Loss",
    "Macer",
    "Method",
    "Recipe",
    "SmoothAdv",
    "train",
]
