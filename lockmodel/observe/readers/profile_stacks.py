"""What folded stacks and call graphs share: stacks that wait -> shares of CPU time by site."""

from __future__ import annotations

from collections.abc import Sequence

from lockmodel.observe.collector import Collector
from lockmodel.observe.profiles import stacks
from lockmodel.observe.text import Line

NONE = (
    "no stack holds a function that waits for a lock (osq_lock, native_queued_spin_lock_slowpath, "
    "..): profile the kernel too (`perf record -a -g`)"
)
ACQUIRES = "`lockmodel acquires --from-shares FILE` finds the acquires behind such shares"
RUNNING = "shares are of the CPU time that was sampled: who waits asleep is not in it"


def observe(
    collector: Collector, paths: Sequence[tuple[Line, Sequence[str], float]], whole: float
) -> None:
    """Add the share of waiting of each place, largest first.

    Parameters
    ----------
    collector : Collector
    paths : sequence of (Line, stack, value)
        Stacks, innermost first; those that wait for no lock are left out.
    whole : float
        Value of all stacks, also of those that are not here.
    """
    shares: dict[str, tuple[Line, float]] = {}
    other = 0.0
    for line, stack, value in paths:
        found = stacks.place(stack)
        if found is None:
            other += value
            collector.skip(line, "a stack that waits for no lock")
            continue
        first, before = shares.get(found[0], (line, 0.0))
        shares[found[0]] = (first, before + value)
    for name, (line, value) in sorted(shares.items(), key=lambda item: (-item[1][1], item[0])):
        collector.observe("wait_share", value / whole, "1", line, per="CPU time", site=name)
    if shares:
        collector.warn(RUNNING)
        collector.warn(ACQUIRES)
    if other > 0:
        collector.warn(f"{other / whole:.1%} of it is in stacks that wait for no lock")
