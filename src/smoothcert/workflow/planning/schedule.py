"""When a list of jobs would end on a number of devices."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def makespan(
    seconds: Sequence[float],
    waits: Sequence[Sequence[int]],
    pools: Sequence[str],
    slots: dict[str, int],
) -> float:
    """Seconds from the first start to the last end.

    Job i takes ``seconds[i]``, begins after the jobs ``waits[i]`` and holds one of
    ``slots[pools[i]]`` slots. Of the jobs that could begin, the one with most work behind it is
    first: a schedule that no order of Snakemake's beats by more than the usual factor 2.
    Raises ValueError for jobs that wait for each other.
    """
    count = len(seconds)
    followers: list[list[int]] = [[] for _ in range(count)]
    missing = [len(set(w)) for w in waits]
    for i, wait in enumerate(waits):
        for j in set(wait):
            followers[j].append(i)
    order = [i for i in range(count) if not missing[i]]
    left = list(missing)
    for i in order:
        for j in followers[i]:
            left[j] -= 1
            if not left[j]:
                order.append(j)
    if len(order) < count:
        raise ValueError("jobs depend on each other in a cycle")
    behind = list(seconds)
    for i in reversed(order):
        behind[i] += max((behind[j] for j in followers[i]), default=0.0)
    ready: dict[str, list[tuple[float, int]]] = {pool: [] for pool in slots}
    free = dict(slots)
    running: list[tuple[float, int]] = []
    now = 0.0
    for i in range(count):
        if not missing[i]:
            heapq.heappush(ready[pools[i]], (-behind[i], i))
    while True:
        for pool, queue in ready.items():
            while queue and free[pool]:
                _, i = heapq.heappop(queue)
                free[pool] -= 1
                heapq.heappush(running, (now + seconds[i], i))
        if not running:
            return now
        now, i = heapq.heappop(running)
        free[pools[i]] += 1
        for j in followers[i]:
            missing[j] -= 1
            if not missing[j]:
                heapq.heappush(ready[pools[j]], (-behind[j], j))
