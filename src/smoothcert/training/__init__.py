"""Training base classifiers: one loop, interchangeable methods, noises and scales."""

from smoothcert.training.cohen import Cohen
from smoothcert.training.consistency import Consistency
from smoothcert.training.macer import Macer
from smoothcert.training.method import METHODS, Batch, Loss, Method
from smoothcert.training.recipe import DataDependent, Recipe, recipe_model
from smoothcert.training.smoothadv import SmoothAdv
from smoothcert.training.spec import Job

__all__ = [
    "METHODS",
    "Batch",
    "Cohen",
    "Consistency",
    "DataDependent",
    "Job",
    "Loss",
    "Macer",
    "Method",
    "Recipe",
    "SmoothAdv",
    "recipe_model",
]
