"""A plan as text: tables of rules and targets, totals, and what the numbers rest on."""

from __future__ import annotations

from collections.abc import Sequence

from smoothcert.workflow.planning.compare import Compared
from smoothcert.workflow.planning.estimate import Cost, Estimate


def plan_text(estimate: Estimate, title: str, devices: int, jobs: int) -> str:
    """The whole plan; ``title`` says of what."""
    throughput, total = estimate.throughput, estimate.cost()
    unit = "GPU h" if throughput.gpu else "CPU h"
    parts = [
        f"{title}: {total.jobs:,} jobs",
        f"on {throughput.name}, measured {throughput.date[:10]}",
    ]
    if not total.jobs:
        return f"{title}: nothing to be done\n"
    rules = [
        [rule, f"{cost.jobs:,}", _amount(cost), *_columns(cost, throughput.gpu)]
        for rule, cost in estimate.by_rule().items()
    ]
    head = ["rule", "jobs", "work", unit, "at most", *(["CPU h"] * throughput.gpu), "disk"]
    parts += ["", *_aligned([head, *rules])]
    targets = [
        [
            target,
            f"{alone.jobs:,}",
            _hours(alone.device + (0 if throughput.gpu else alone.other)),
            _hours(alone.device_most + (0 if throughput.gpu else alone.other)),
            f"{only.jobs:,}",
            _hours(only.device + (0 if throughput.gpu else only.other)),
        ]
        for target, (alone, only) in estimate.by_target().items()
    ]
    head = ["target", "jobs", unit, "at most", "only for it", unit]
    parts += ["", *_aligned([head, *targets]), "", *_totals(estimate, total, devices, jobs)]
    return "\n".join([*parts, *_notes(estimate, total)]) + "\n"


def _totals(estimate: Estimate, total: Cost, devices: int, jobs: int) -> list[str]:
    gpu = estimate.throughput.gpu
    device = total.device + (0 if gpu else total.other)
    most = total.device_most + (0 if gpu else total.other)
    unit = "GPU" if gpu else "CPU"
    lines = [f"total: {_hours(device)} {unit} hours" + _at_most(device, most, " hours")]
    if gpu:
        lines[0] += f" and {_hours(total.other)} CPU hours"
    wall, longest = (estimate.wall(devices, jobs, most=flag) for flag in (False, True))
    where = f"{devices} GPU{'s' * (devices > 1)} and {jobs} CPU jobs" if gpu else f"{jobs} jobs"
    at_most = f", at most {_time(longest)}" if longest > 1.01 * wall else ""
    lines.append(f"wall time: {_time(wall)} with {where} at once{at_most}")
    lines.append(f"disk: {_bytes(total.disk)} of models, votes and certificates")
    return lines


def _notes(estimate: Estimate, total: Cost) -> list[str]:
    """What the numbers do not say by themselves."""
    lines = []
    works, jobs = estimate.works, estimate.jobs
    if estimate.throughput.clock == "cpu":
        lines.append("seconds of one CPU thread on an otherwise idle core")
    if any(work.adaptive for work in works):
        lines.append(
            "samples of adaptive budgets are expectations for the class probabilities of"
            " published certificates; at most: every input uses all samples"
        )
    sources: dict[str, set[str]] = {}
    for job, work in zip(jobs, works, strict=True):
        if work.scaled_from:
            arch = job.wildcards.get("arch") or job.spec.get("arch", "")
            sources.setdefault(arch, set()).add(work.scaled_from)
    for arch, found in sorted(sources.items()):
        lines.append(f"{arch} was not measured: scaled from {', '.join(sorted(found))} by FLOPs")
    if total.scaled:
        share = total.scaled / total.device
        lines.append(
            f"{share:.0%} of the device's time is scaled from other measurements"
            " (by FLOPs, passes and noise)"
        )
    uncounted: dict[str, list[float]] = {}
    for job, work in zip(jobs, works, strict=True):
        if work.seconds is None:
            uncounted.setdefault(job.rule, []).append(job.runtime or 0.0)
    if uncounted:
        names = ", ".join(
            f"{rule} ({len(limits)}{f', each at most {max(limits):g} min' if max(limits) else ''})"
            for rule, limits in uncounted.items()
        )
        lines.append(f"not counted, because their work is unknown before they run: {names}")
    over: dict[str, float] = {}
    for job, seconds in estimate.over_limit():
        over[job.rule] = max(over.get(job.rule, 0.0), seconds - 60 * (job.runtime or 0.0))
    for rule, seconds in over.items():
        lines.append(f"exceeds its run-time limit by up to {_time(seconds)}: {rule}")
    return [f"- {line}" for line in lines]


def compared_text(compared: Sequence[Compared], clock: str) -> str:
    """Planned beside recorded seconds, a line a rule."""
    head = ["rule", "jobs", "planned s", "wall s", "CPU s", "records s", "planned / recorded"]
    rows = [
        [
            line.rule,
            str(line.jobs),
            f"{line.planned:.1f}",
            f"{line.wall:.1f}",
            "-" if line.cpu is None else f"{line.cpu:.1f}",
            "-" if line.inside is None else f"{line.inside:.1f}",
            f"{line.planned / line.recorded(clock):.2f}" if line.recorded(clock) else "-",
        ]
        for line in compared
    ]
    note = "CPU seconds" if clock == "cpu" else "wall seconds"
    return "\n".join([*_aligned([head, *rows]), f"(the last column is of {note})"]) + "\n"


def _columns(cost: Cost, gpu: bool) -> list[str]:
    if cost.uncounted == cost.jobs:
        return ["?", "?", *(["?"] * gpu), ""]
    device = _hours(cost.device if gpu else cost.device + cost.other)
    most = _hours(cost.device_most if gpu else cost.device_most + cost.other)
    other = [_hours(cost.other)] if gpu else []
    return [device, most, *other, _bytes(cost.disk) if cost.disk else ""]


def _amount(cost: Cost) -> str:
    names = {"samples": "samples", "images": "images", "passes": "passes"}
    return ", ".join(f"{_short(v)} {names[u]}" for u, v in cost.amounts.items() if u in names)


def _short(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    if hours >= 100:
        return f"{hours:,.0f}"
    return f"{hours:.1f}" if hours >= 10 else f"{hours:.2f}" if hours >= 0.1 else f"{hours:.4f}"


def _at_most(value: float, most: float, unit: str) -> str:
    return f" (at most {_hours(most)}{unit})" if most > 1.01 * value else ""


def _time(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _bytes(count: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first and the third, if it has words, to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    words = {i for i in range(len(widths)) if i == 0 or rows[0][i] == "work"}
    return [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
