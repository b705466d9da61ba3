"""Claims of DDRS that name numbers of its tables 1 to 4: levels, gains, the best of several.

Ours is the paper's own choice (the best sigma and K at each radius; for ACR the mean of the
per-input maximum, which is what the paper prints); what is chosen on other inputs stands beside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smoothcert.report.claims import (
    CHECKS,
    LEVEL,
    Claim,
    Finding,
    Measured,
    closed_form,
    conclude,
    not_run,
    printed_half_unit,
    toward,
)
from smoothcert.report.evidence import Evidence, Line, value
from smoothcert.report.printing import number
from smoothcert.report.sampling_error import (
    PAPER_INPUTS,
    accuracy_half_width,
    inputs_of_row,
    mean_half_width,
    together,
)

DATA = {"CIFAR-10": "cifar10", "ImageNet": "imagenet"}
TABLES = {"Cohen": 1, "SmoothAdv": 2, "MACER": 3, "Yang": 4}
# The methods that the paper has on each data set: a best of fewer is another comparison.
_BASES = {"cifar10": {"Cohen", "SmoothAdv", "MACER"}, "imagenet": {"Cohen", "SmoothAdv"}}
_LINKS = tuple(f"tables/ddrs_table{number}.csv" for number in (1, 2, 3))
_RULE = (
    "at the paper's setting: within the sampling error of the inputs of both sides (95%,"
    " independent) and the paper's rounding"
)
_MISSING = "the tables here have no row of these methods (or none at this radius)"


def table_of(method: str) -> str:
    """The table that has a method: ``Cohen-DS`` -> ``ddrs_table1``."""
    return f"ddrs_table{TABLES[method.split('-')[0]]}"


def by_data(
    evidence: Evidence, tables: Sequence[str], dataset: str
) -> list[tuple[str, bool, dict[str, Line]]]:
    """(data, paper's own, rows by method) of each data set and model in ``tables``.

    Rows are those of the paper's choice, and the "X minus Y" rows. If ``dataset`` is there at
    the paper's own settings (the table found a row of the paper for it), only that.
    """
    found: dict[str, dict[str, Line]] = {}
    for name in tables:
        for row in evidence.rows(name):
            chosen = row["choice"] == "per radius, same inputs" or row["choice"].startswith("one ")
            if chosen or " minus " in row["method"]:
                found.setdefault(row["data"], {})[row["method"]] = row
    every = [(data, _own(data, rows, dataset), rows) for data, rows in found.items()]
    own = [group for group in every if group[1]]
    return own or every


def _own(data: str, rows: dict[str, Line], dataset: str) -> bool:
    """Of the named data set, with the paper's row beside every method."""
    papers = [row.get("paper", "") for m, row in rows.items() if " minus " not in m]
    known = [text for text in papers if text.startswith("DDRS")]
    return data.split(",")[0] == dataset and bool(known)


def column(metric: str) -> str:
    """``ACR`` or a radius as a column of the tables."""
    return "acr_oracle" if metric == "ACR" else f"accuracy_percent_{number(float(metric))}"


def _half(row: Line, key: str) -> float:
    low, high = value(row, f"{key}_low"), value(row, f"{key}_high")
    return 0.0 if low is None or high is None else (high - low) / 2


def _paper_half(row: Line, key: str, dataset: str, printed: float | None) -> float | None:
    """Half-width of the paper's number; None where our number of inputs is not known."""
    theirs = PAPER_INPUTS["ddrs"][dataset]
    if key.startswith("accuracy"):
        return accuracy_half_width(printed or 0.0, theirs)
    ours = inputs_of_row(row)
    return None if ours is None else mean_half_width(_half(row, key), ours, theirs)


def _words(amount: float, metric: str, sign: str = "+") -> str:
    return f"{amount:{sign}.3f}" if metric == "ACR" else f"{amount:{sign}.1f} points"


@CHECKS(
    "ddrs",
    r"(?P<x>\S+) over (?P<y>\S+)(?: at (?:l1 radius )?(?P<r>[\d.]+)|, ACR)(?:, (?P<d>[\w-]+))?",
)
def gain(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """X over Y at a radius or in ACR."""
    x, y, metric = match["x"], match["y"], match["r"] or "ACR"
    dataset, key = DATA[match["d"] or "CIFAR-10"], column(metric)
    measured = []
    for data, own, rows in by_data(evidence, [table_of(x)], dataset):
        if x not in rows or y not in rows:
            continue
        first, second = value(rows[x], key), value(rows[y], key)
        if first is None or second is None:
            continue
        amount = first - second
        text = f"{_words(amount, metric)} on {data}"
        ends: tuple[float | None, float | None] = (None, None)
        held = rows.get(f"{x} minus {y}")
        held_key = "acr_model" if metric == "ACR" else key
        if held is not None and value(held, held_key) is not None:
            low, high = value(held, f"{held_key}_low"), value(held, f"{held_key}_high")
            if low is not None and high is not None:
                middle = value(held, held_key) or 0.0
                text += (
                    f"; chosen on other inputs {_words(middle, metric)},"
                    f" 95% {low:+.3g} to {high:+.3g}"
                )
                ends = (low, high) if (middle > 0) == (amount > 0) else (None, None)
        agrees = own and amount > 0 and _within(claim, amount, [rows[x], rows[y]], key, dataset)
        measured.append(Measured(text, own, bool(agrees), toward(amount, claim.number, *ends)))
    return conclude(measured, evidence.link(table_of(x)), f"a gain; {_RULE}", _MISSING)


@CHECKS("ddrs", r"(?P<x>[A-Z]\S+)(?: at (?P<r>[\d.]+)| ACR)(?:, (?P<d>[\w-]+))?")
def level(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """X at a radius, or its ACR."""
    x, metric = match["x"], match["r"] or "ACR"
    dataset, key = DATA[match["d"] or "CIFAR-10"], column(metric)
    measured = []
    for data, own, rows in by_data(evidence, [table_of(x)], dataset):
        amount = value(rows.get(x, {}), key)
        if amount is None:
            continue
        unit = "" if metric == "ACR" else " percent"
        text = f"{amount:.3f}" if metric == "ACR" else f"{amount:.1f}"
        agrees = own and _within(claim, amount, [rows[x]], key, dataset)
        measured.append(Measured(f"{text}{unit} on {data}", own, bool(agrees), LEVEL))
    return conclude(measured, evidence.link(table_of(x)), _RULE, _MISSING)


def _within(claim: Claim, amount: float, rows: Sequence[Line], key: str, dataset: str) -> bool:
    """Whether a number meets the stated one: sampling error of both sides, and rounding."""
    halves = []
    for row in rows:
        theirs = _paper_half(row, key, dataset, value(row, f"{key}_paper"))
        if theirs is None:
            return False
        halves += [_half(row, key), theirs]
    rounding = printed_half_unit(claim.value) * len(rows)
    return abs(amount - claim.number) <= together(halves) + rounding


@CHECKS(
    "ddrs",
    r"(certification-only )?gain (?:at radius 0.5 )?over the (?:strongest|best) baseline"
    r"(?: at radius 0.5)?, (?P<d>[\w-]+)",
)
def over_best(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The best data-dependent result at 0.5 over the best fixed one; with DS2 where training
    counts too (abstract)."""
    endings = ("-DS",) if match[1] else ("-DS", "-DS2")
    dataset, key = DATA[match["d"]], column("0.5")
    tables = [f"ddrs_table{n}" for n in (1, 2, 3)]
    measured = []
    for data, own, rows in by_data(evidence, tables, dataset):
        base = [(value(rows[m], key), m) for m in ("Cohen", "SmoothAdv", "MACER") if m in rows]
        ours = [
            (value(rows[m], key), m) for m in (b + e for _, b in base for e in endings) if m in rows
        ]
        known = (
            [(v, m) for v, m in base if v is not None],
            [(v, m) for v, m in ours if v is not None],
        )
        if not all(known):
            continue
        (low, baseline), (high, method) = max(known[0]), max(known[1])
        own = own and {m for _, m in base} >= _BASES[dataset]
        agrees = (
            own
            and high > low
            and _within(claim, high - low, [rows[method], rows[baseline]], key, dataset)
        )
        text = f"{high - low:+.1f} points on {data} ({method} over {baseline})"
        measured.append(Measured(text, own, bool(agrees), toward(high - low, claim.number)))
    why = f"best over the trainings that are here, each at its best sigma and K; {_RULE}"
    return conclude(measured, evidence.first(*_LINKS), why, _MISSING)


@CHECKS("ddrs", r"best certified accuracy at radius 0.25, (?P<d>[\w-]+), data-dependent training")
def best_at(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The highest accuracy at 0.25 of a DS2 model."""
    dataset, key = DATA[match["d"]], column("0.25")
    measured = []
    for data, own, rows in by_data(evidence, [f"ddrs_table{n}" for n in (1, 2, 3)], dataset):
        known = [
            (value(row, key) or 0.0, m)
            for m, row in rows.items()
            if m.endswith("-DS2") and row.get(key)
        ]
        if not known:
            continue
        high, method = max(known)
        own = own and {m for _, m in known} >= {f"{base}-DS2" for base in _BASES[dataset]}
        agrees = own and _within(claim, high, [rows[method]], key, dataset)
        measured.append(
            Measured(f"{high:.1f} percent on {data} ({method})", own, bool(agrees), LEVEL)
        )
    return conclude(measured, evidence.first(*_LINKS), _RULE, _MISSING)


@CHECKS(
    "ddrs",
    r"ACR of (?P<x>\S+) is (?P<how>slightly below|above) that of (?P<y>\S+?)(?: on CIFAR-10)?",
)
def acr_order(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Which of two methods has the larger ACR."""
    wanted = -1.0 if "below" in match["how"] else 1.0
    x, y = match["x"], match["y"].rstrip(",")
    measured = []
    for data, own, rows in by_data(evidence, [table_of(x)], "cifar10"):
        first, second = (value(rows.get(m, {}), "acr_oracle") for m in (x, y))
        if first is None or second is None:
            continue
        direction = toward(first - second, wanted)
        text = f"{first:.3f} against {second:.3f} on {data}"
        measured.append(Measured(text, own, (first - second) * wanted > 0, direction))
    why = "the order of the two per-input maxima, which is the ACR that the paper prints"
    return conclude(measured, evidence.link(table_of(x)), why, _MISSING)


@CHECKS("ddrs", "number of randomized-smoothing methods the framework is put into")
def methods(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """How many trainings are certified with data-dependent scales here."""
    found = sorted({
        row["method"].removesuffix("-DS")
        for n in (1, 2, 3)
        for row in evidence.rows(f"ddrs_table{n}")
        if re.fullmatch(r"\w+-DS", row["method"])
    })  # fmt: skip
    if not found:
        return not_run(_MISSING)
    return closed_form(
        f"{len(found)}: {', '.join(found)}", len(found) == claim.number,
        evidence.first(*_LINKS), "methods with a row X-DS in tables 1 to 3; needs no data",
    )  # fmt: skip


@CHECKS("ddrs", "radius 0.5 expressed in pixel levels")
def pixel_levels(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """127/255 is the last whole level below 0.5."""
    below = int(0.5 * 255)
    return closed_form(
        f"{below}/255 = {below / 255:.3f}, the last whole level within 0.5",
        claim.value == f"{below}/255", "", "arithmetic",
    )  # fmt: skip


@CHECKS(
    "ddrs", "network evaluations an input spent on choosing sigma, ascent and grid search alike"
)
def evaluations(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The cost that the library counts for K = 100, n = 1, and a grid of it."""
    from smoothcert.scaling import Ascent, Grid

    ascent, grid = Ascent(100).cost.evaluations, Grid(1, K=100).cost.evaluations
    return closed_form(
        f"{ascent} for K = 100, n = 1; {grid} for the grid of one sample",
        ascent == claim.number == grid, evidence.first("tables/ddrs_times.csv"),
        "forward and backward passes as the library counts them; the votes for the class are left"
        " out",
    )  # fmt: skip


@CHECKS(
    "ddrs",
    r"seconds to certify one (?P<d>[\w-]+) input, [\w-]+, (?P<how>fixed sigma|data-dependent)",
)
def seconds(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The clock of another machine: never the paper's own setting."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in evidence.rows("ddrs_times"):
        fixed, search = value(row, "fixed"), value(row, "search")
        if fixed is not None and search is not None:
            total = fixed + search + (value(row, "memory") or 0.0)
            found.setdefault(row["data"], []).append((fixed, total))
    measured = []
    for data, each in found.items():
        plain, own = ([pair[i] for pair in each] for i in (0, 1))
        shown = plain if match["how"] == "fixed sigma" else own
        text = f"{min(shown):.3g} to {max(shown):.3g} s on {data} ({len(each)} runs)"
        if shown is own:
            more = [100 * (b / a - 1) for a, b in each]
            text += f", {min(more):.0f} to {max(more):.0f}% over fixed"
        measured.append(Measured(text, False, False, LEVEL))
    why = "seconds are of the machine; the paper's was a Quadro RTX-6000"
    return conclude(measured, evidence.link("ddrs_times"), why, "no run was timed here")
