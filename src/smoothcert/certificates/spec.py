"""The specifications of what follows the votes: certificates, and their memory."""

from __future__ import annotations

from pydantic import Field

from smoothcert.budget import BUDGETS
from smoothcert.core.settings import Natural, Settings
from smoothcert.noise import NOISES

DATA_SET = "data set"


class CertifySpec(Settings):
    """All that decides certificates beside their votes and radius table."""

    budget: str = Field(
        description="how many samples, such as fixed-100000, iss_ad0.05-100000,"
        f" sequential_0.02-100000, both-100000; kinds: {', '.join(BUDGETS)}"
    )
    noise: str | None = Field(
        None,
        description="noise with its scale, such as gaussian-0.25; with --votes, another"
        " noise with the same distribution (default: their own); kinds:"
        f" {', '.join(NOISES)}",
    )
    code: str | None = None


class MemorySpec(Settings):
    """All that decides what a memory of certified balls (DDRS, Algorithm 3) does."""

    dataset: str | None = Field(
        None, description="data set of the certificates; default: from their record"
    )
    split: str = Field("test", description="split: train or test")
    norm: str | None = Field(None, description="norm of the radii, if the table does not state it")
    order: str | int = Field(
        DATA_SET, description=f'order of the queries: "{DATA_SET}" or the seed of a random order'
    )
    orders: Natural = Field(0, description="number of random orders to try as well")
    seed: Natural = Field(0, description="seed of the random orders")
    code: str | None = None
