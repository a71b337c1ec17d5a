"""What the two klockstats share: rows of waits and holds per caller -> observations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lockmodel.observe.collector import Collector
from lockmodel.observe.readers import waits
from lockmodel.observe.readers.waits import Wait

LOCK_FUNCTION = re.compile(
    r"(?:_raw_)?(?:mutex_lock|mutex_trylock|down_read|down_write|rwsem_|__mutex_|osq_lock|"
    r"_raw_spin|spin_lock|read_lock|write_lock)\w*"
)

MUTEX_ONLY = "bcc's klockstat.py sees mutexes only; the libbpf klockstat and bpftrace see rwsems"
COSTS = "holds and waits include the cost of the probes, some 100 ns each"


def site_of(caller: str, stack: Sequence[str]) -> str:
    """Return the first function of a call stack that is not a lock's own."""
    plain = [waits.plain_symbol(symbol) for symbol in (caller, *stack)]
    return next((name for name in plain if not LOCK_FUNCTION.fullmatch(name)), plain[0])


def kind_of(caller: str) -> str:
    """Return the type of lock as perf prints it, from the function that takes it."""
    if caller.startswith("down_write"):
        return "rwsem:W"
    return "rwsem:R" if caller.startswith("down_read") else "mutex"


def observe(
    collector: Collector, spins: Sequence[Wait], holds: Sequence[Wait], repeat: int | None
) -> None:
    """Add mean waits, holds and acquires per caller; counts are of all acquires here.

    Parameters
    ----------
    collector : Collector
        Where they go.
    spins, holds : sequence of Wait
        The rows of the two tables.
    repeat : int or None
        Number of the interval.
    """
    for rows, kind in ((spins, "mean_wait"), (holds, "hold_time")):
        for row in waits.joined(collector, rows):
            if row.count == 0 or row.total is None:
                collector.skip(row.line, "no event")
                continue
            collector.observe(
                kind,
                row.total.value / row.count,
                "s",
                row.line,
                per="acquire",
                lock=row.lock,
                site=row.site,
                mode=row.mode,
                variant=row.variant,
                repeat=repeat,
                count=row.count,
                high=row.high.value if row.high else None,
            )
    for row in waits.joined(collector, holds or spins):
        if row.count:
            collector.observe(
                "acquires",
                row.count,
                "per run",
                row.line,
                lock=row.lock,
                site=row.site,
                mode=row.mode,
                variant=row.variant,
                repeat=repeat,
            )
    if spins or holds:
        collector.warn(COSTS)
