"""What the kernel test robot's files and mails share: the meaning of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

REMEDY = "give a result's stats.json or matrix.json, or the comparison table of a robot's mail"

WILL_IT_SCALE = re.compile(r"will-it-scale\.(\d{1,6})\.(processes|threads)(_idle)?")
PROFILE = re.compile(
    r"perf-profile\.(?:self|children|calltrace)\.cycles-pp\.((?:osq_lock|rwsem_spin_on_owner|"
    r"native_queued_spin_lock_slowpath|queued_spin_lock_slowpath|mutex_spin_on_owner|"
    r"queued_write_lock_slowpath|queued_read_lock_slowpath)(?:\.\S+)?)"
)
IDLE = re.compile(r"mpstat\.cpu\.all\.idle%|iostat\.cpu\.idle|mpstat\.cpu\.idle%")
LOCK_STAT = re.compile(r"lock_stat\.(.+)\.(holdtime-avg|waittime-avg|acquisitions)")
UNIXBENCH = re.compile(r"unixbench\.(?:throughput|workload)|(?:[\w-]+)\.workload")

RELATIVE = (
    "the unit of unixbench.throughput depends on the test (per s or per minute): only ratios count"
)


@dataclass(frozen=True)
class Meaning:
    """What a key says.

    Attributes
    ----------
    kind, unit : str
        Of the observation.
    divisor : float
        The value is divided by it.
    more : dict
        Further fields of the observation.
    warning : str
        What the reader of the number must know.
    """

    kind: str
    unit: str
    divisor: float = 1.0
    more: dict[str, Any] = field(default_factory=dict)
    warning: str = ""


def meaning(key: str) -> Meaning | None:
    """Return what a key says, or None if it is no observation."""
    if found := WILL_IT_SCALE.fullmatch(key):
        if int(found[1]) < 1:
            return None
        more = {"n": int(found[1]), "variant": found[2], "what": "will-it-scale"}
        if found[3]:
            return Meaning("idle_share", "1", 100.0, more)
        return Meaning("throughput", "1/s", 1.0, more)
    if found := PROFILE.fullmatch(key):
        symbol, _, stack = found[1].partition(".")
        more = {"per": "CPU time", "lock": symbol, "site": stack}
        return Meaning("wait_share", "1", 100.0, more)
    if IDLE.fullmatch(key):
        return Meaning("idle_share", "1", 100.0)
    if found := LOCK_STAT.fullmatch(key):
        mode = {"-R": "read", "-W": "write"}.get(found[1][-2:], "")
        name = found[1][:-2] if mode else found[1]
        more = {"lock": name, "mode": mode, "traced": True}
        if found[2] == "acquisitions":
            return Meaning("acquires", "per run", 1.0, more)
        hold = found[2] == "holdtime-avg"
        more["per"] = "acquire" if hold else "contended acquire"
        return Meaning("hold_time" if hold else "mean_wait", "s", 1e6, more)
    if UNIXBENCH.fullmatch(key):
        more = {"what": key}
        return Meaning("throughput", "relative", 1.0, more, RELATIVE)
    return None
