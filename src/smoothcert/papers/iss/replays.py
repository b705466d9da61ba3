"""Our own votes, of one size, replayed under other budgets (certificates/replay.py says what that
is), as rows; and the budgets that replays compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from smoothcert.budget import BUDGETS
from smoothcert.certificates.replay import Record, Replay, record, replay_all
from smoothcert.papers.iss.options import ReplayOptions
from smoothcert.report import names
from smoothcert.report.numbers import DECLINE, Key, Label, Number, Row, acr, samples
from smoothcert.votes import VoteStore

_AXES = ("dataset", "arch", "training", "noise", "scaling")


@dataclass(frozen=True)
class Recorded:
    """The votes of one model; ``axes`` are its labels."""

    record: Record
    axes: dict[Key, Label]
    file: Path

    @property
    def name(self) -> str:
        """As people read it."""
        known = [self.axes[axis] for axis in ("dataset", "training", "noise")]
        return names.model(*(str(k) if k else None for k in known)) or self.file.name

    @property
    def size(self) -> int:
        """Recorded votes an input."""
        return self.record.size


def read_recorded(file: Path, options: ReplayOptions) -> Recorded:
    """Raises SmoothcertError for votes of several sizes."""
    store = VoteStore.read(file)
    votes = record(store, options.every)
    axes: dict[Key, Label] = {axis: store.identity.get(axis) for axis in _AXES}
    return Recorded(votes, {**axes, "sigma": float(votes.scale[0])}, file)


def replays(recorded: Recorded, slugs: Iterable[str], options: ReplayOptions) -> list[Replay]:
    """A replay for each budget."""
    budgets = [BUDGETS.parse(slug) for slug in slugs]
    return replay_all(
        recorded.record, budgets, repeats=options.repeats, seed=options.seed, look=options.look
    )


def row(recorded: Recorded, one: Replay, labels: Mapping[Key, Label]) -> Row:
    """What a replay measured."""
    return {
        **labels,
        **recorded.axes,
        "budget": one.budget.slug,
        "samples": samples(one.average_samples()),
        "mad": Number(one.mad(), inputs=len(recorded.record), unit=DECLINE),
        "acr": acr(one.acr()),
    }


def families(kbar: int, look: int) -> list[tuple[str, list[str]]]:
    """The budgets of figures 1 and 5: fixed sizes, and kinds with ``kbar`` desired samples."""
    sizes = sorted({_looks(share * kbar, look) for share in (0.08, 0.12, 0.2, 0.3, 0.45, 0.6)})
    absolute, relative = ("0.03", "0.05", "0.07", "0.10", "0.20"), ("0.05", "0.10", "0.20")
    prices = ("0.01", "0.02", "0.03", "0.05", "0.10")
    return [
        ("IAS (fixed)", [f"fixed-{n}" for n in sizes]),
        ("ISS, absolute", [f"iss_ad{u}-{kbar}" for u in absolute]),
        ("ISS, fresh", [f"iss-fresh_ad{u}-{kbar}" for u in absolute]),
        ("ISS, relative", [f"iss_rd{u}-{kbar}" for u in relative]),
        ("sequential, price", [f"sequential_{u}-{kbar}" for u in prices]),
    ]


def compared(kbar: int, look: int) -> list[str]:
    """The budgets of a replay's table; the first is what the others are compared with."""
    half, third = (_looks(share * kbar, look) for share in (0.674, 0.26))
    return [
        f"fixed-{kbar}",
        f"fixed-{half}",
        f"fixed-{third}",
        *(f"iss_{u}-{kbar}" for u in ("ad0.05", "ad0.10", "rd0.01", "rd0.05")),
        f"iss-fresh_ad0.05-{kbar}",
        f"sequential_0.02-{kbar}",
        f"sequential_decide0.50-{kbar}",
        f"sequential_grid0.50-{kbar}",
    ]


def stage_one(kbar: int, look: int) -> list[tuple[float, int, str]]:
    """The budgets of figure 6, lower: share k0 / desired, desired samples, slug."""
    return [
        (share, n, f"iss_ad0.05-{n}" if share == 0.01 else f"iss_s{k0}_ad0.05-{n}")
        for share in (0.002, 0.01, 0.05, 0.1)
        for n in (_looks(part * kbar, look) for part in (0.2, 0.5, 1.0))
        for k0 in (max(1, round(share * n)),)
    ]


def _looks(size: float, look: int) -> int:
    """A multiple of ``look`` near ``size``, at least one."""
    return look * max(1, round(size / look))
