"""What the kernel test robot's files and mails share: the meaning of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

GIVES = ("throughput", "idle_share", "hold_time", "mean_wait", "acquires", "wait_share")
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
    if match := WILL_IT_SCALE.fullmatch(key):
        if int(match[1]) < 1:
            return None
        more = {"n": int(match[1]), "variant": match[2], "what": "will-it-scale"}
        if match[3]:
            return Meaning("idle_share", "1", 100.0, more)
        return Meaning("throughput", "1/s", 1.0, more)
    if match := PROFILE.fullmatch(key):
        symbol, _, stack = match[1].partition(".")
        more = {"per": "CPU time", "lock": symbol, "site": stack}
        return Meaning("wait_share", "1", 100.0, more)
    if IDLE.fullmatch(key):
        return Meaning("idle_share", "1", 100.0)
    if match := LOCK_STAT.fullmatch(key):
        mode = {"-R": "read", "-W": "write"}.get(match[1][-2:], "")
        name = match[1][:-2] if mode else match[1]
        more = {"lock": name, "mode": mode, "traced": True}
        if match[2] == "acquisitions":
            return Meaning("acquires", "per run", 1.0, more)
        hold = match[2] == "holdtime-avg"
        more["per"] = "acquire" if hold else "contended acquire"
        return Meaning("hold_time" if hold else "mean_wait", "s", 1e6, more)
    if UNIXBENCH.fullmatch(key):
        more = {"what": key}
        return Meaning("throughput", "relative", 1.0, more, RELATIVE)
    return None
