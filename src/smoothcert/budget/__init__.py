"""How many samples an input gets; ``BUDGETS.parse("fixed-100000")`` gives one by its slug."""

from smoothcert.budget.base import BUDGETS, Bounds, Budget
from smoothcert.budget.both import Both, BothAnytime, BothIss, BothSame
from smoothcert.budget.both_sequential import BothSequential
from smoothcert.budget.exhaustive import Exhaustive
from smoothcert.budget.fixed import Fixed
from smoothcert.budget.incremental import Incremental
from smoothcert.budget.iss import Iss, IssFresh
from smoothcert.budget.sequential import Anytime, Sequential

__all__ = [
    "BUDGETS",
    "Anytime",
    "Both",
    "BothAnytime",
    "BothIss",
    "BothSame",
    "BothSequential",
    "Bounds",
    "Budget",
    "Exhaustive",
    "Fixed",
    "Incremental",
    "Iss",
    "IssFresh",
    "Sequential",
]
