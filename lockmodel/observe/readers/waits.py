"""Waiting as lock tools tabulate it: rows per lock or caller -> mean waits and shares."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lockmodel.observe import gates
from lockmodel.observe.collector import Collector
from lockmodel.observe.numbers import Measured
from lockmodel.observe.text import Line

SUFFIX = {"R": "read", "W": "write"}
SPINNING = ("spinlock", "rwlock", "rwlock:R", "rwlock:W", "mutex-spin")
"""Types whose waiters keep their CPU: no more can wait than there are CPUs."""

LOCK_TYPES = (
    "semaphore",
    "spinlock",
    "rwlock",
    "rwsem",
    "rtmutex",
    "rt-mutex",
    "rwlock-rt",
    "pcpu-sem",
    "percpu-rwsem",
    "mutex",
    "mutex-spin",
    "unknown",
)

NO_HOLDS = (
    "these are waits of contended acquires only: neither hold times nor acquires; contended / "
    "iterations is a lower bound on acquires per iteration"
)


@dataclass(frozen=True)
class Wait:
    """One row: how often and how long was waited.

    Attributes
    ----------
    line : Line
        Where it stands.
    count : int
        Waits; 0 if the table does not say.
    total, mean, high, low : Measured or None
        Sum, mean, longest and shortest, s; None if the table has no such column.
    lock, site, kind, variant : str
        Whose wait it is; `kind` is the type of lock as perf prints it.
    """

    line: Line
    count: int
    total: Measured | None = None
    mean: Measured | None = None
    high: Measured | None = None
    low: Measured | None = None
    lock: str = ""
    site: str = ""
    kind: str = ""
    variant: str = ""

    @property
    def mode(self) -> str:
        """How the lock was asked for: rwsem:W -> write."""
        return SUFFIX.get(self.kind.partition(":")[2], "")


def check(collector: Collector, wait: Wait) -> None:
    """Put a row through the gates."""
    here = str(collector.source(wait.line))
    gates.ordered(here, wait.low, wait.mean, wait.high)
    if wait.total is not None:
        if wait.mean is not None:
            gates.mean_of(here, wait.mean, wait.total, wait.count)
        gates.total_holds(here, wait.total, wait.high, wait.count)
        tasks = collector.options.cpus if wait.kind in SPINNING else collector.options.tasks
        gates.possible_total(here, wait.total.value, collector.options.wall, tasks)
    if wait.high is not None:
        gates.short_enough(here, wait.high.value)


def joined(collector: Collector, waits: Sequence[Wait]) -> list[Wait]:
    """Return the rows with those of the same lock, caller, type and variant made one.

    perf prints one row per call stack, and several stacks may end in the same caller.
    """
    groups: dict[tuple[str, str, str, str], list[Wait]] = {}
    for wait in waits:
        groups.setdefault((wait.lock, wait.site, wait.kind, wait.variant), []).append(wait)
    made = []
    for group in groups.values():
        if len(group) == 1:
            made.append(group[0])
            continue
        first = group[0]
        totals = [w.total or _total(w) for w in group]
        count = sum(w.count for w in group)
        total = Measured(sum(t.value for t in totals), sum(t.half_digit for t in totals))
        highs = [w.high for w in group if w.high is not None]
        lows = [w.low for w in group if w.low is not None]
        made.append(
            replace(
                first,
                count=count,
                total=total,
                mean=None,
                high=max(highs) if len(highs) == len(group) else None,
                low=min(lows) if len(lows) == len(group) else None,
            )
        )
        for wait in group:
            collector.checked(wait.line, "rows that were joined")
        if name := first.lock or first.site:
            collector.warn(f"{len(group)} rows of {name} (one per call stack) were joined")
    return made


def _total(wait: Wait) -> Measured:
    """Return the total of a row that only has a mean."""
    mean = wait.mean or Measured(0.0, 0.0)
    return Measured(mean.value * wait.count, mean.half_digit * wait.count)


def _ratio(total: Measured, count: int) -> Measured:
    return Measured(total.value / count, total.half_digit / count)


def observe(collector: Collector, waits: Sequence[Wait], per: str, shares: bool = True) -> None:
    """Add mean waits and, per variant, the shares of all waiting listed."""
    for wait in waits:
        if wait.count == 0:
            collector.checked(wait.line, "waits of 0 events")
            continue
        means = [m for m in (wait.mean,) if m is not None]
        if wait.total is not None:
            means.append(_ratio(wait.total, wait.count))
        if not means:
            collector.skip(wait.line, "there is neither a total nor a mean")
            continue
        finest = min(means, key=lambda m: m.half_digit)
        collector.observe(
            "mean_wait",
            finest.value,
            "s",
            wait.line,
            per=per,
            lock=wait.lock,
            site=wait.site,
            mode=wait.mode,
            variant=wait.variant,
            count=wait.count,
            low=wait.low.value if wait.low else None,
            high=wait.high.value if wait.high else None,
        )
    if shares:
        _shares(collector, waits)


def _shares(collector: Collector, waits: Sequence[Wait]) -> None:
    sums: dict[str, float] = {}
    rows: Counter[str] = Counter()
    for wait in waits:
        total = wait.total or _total(wait)
        sums[wait.variant] = sums.get(wait.variant, 0.0) + total.value
        rows[wait.variant] += 1
    listed = [w for w in waits if sums[w.variant] > 0 and rows[w.variant] > 1]
    if not listed:
        return
    for wait in listed:
        collector.observe(
            "wait_share",
            min(1.0, (wait.total or _total(wait)).value / sums[wait.variant]),
            "1",
            wait.line,
            per="all waiting listed",
            lock=wait.lock,
            site=wait.site,
            mode=wait.mode,
            variant=wait.variant,
        )
    collector.warn("wait shares are of the rows listed here: a table cut with -E lists too little")


def plain_symbol(text: str) -> str:
    """Return a symbol without its offset: free_pgtables+0x19f -> free_pgtables."""
    return re.sub(r"\+0x[0-9a-f]+$", "", text.strip())
