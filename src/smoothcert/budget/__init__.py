"""How many samples an input gets; ``BUDGETS.parse("fixed-100000")`` gives one by its slug."""

from smoothcert.budget.base import BUDGETS, Bounds, Budget
from smoothcert.budget.fixed import Fixed
from smoothcert.budget.iss import Iss, IssFresh

__all__ = ["BUDGETS", "Bounds", "Budget", "Fixed", "Iss", "IssFresh"]
