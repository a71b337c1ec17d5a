"""What the kernel test robot's files and mails share: the meaning of a key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

GIVES = ("throughput", "idle_share", "hold_time", "mean_wait", "acquires", "wait_share")
REMEDY = "give a result's stats.json or matrix.json, or the comparison table of a robot's mail"

WILL_IT_SCALE = re.compile(r"will-it-scale\.(\d{1,6})\.(processes|threads)(_idle)?")
PROFILE = re.compile(
    r"perf-profile\.(?P<family>self|children|calltrace)\.cycles-pp\.(?P<symbol>(?:osq_lock|rwsem_spin_on_owner|"
    r"native_queued_spin_lock_slowpath|queued_spin_lock_slowpath|mutex_spin_on_owner|"
    r"queued_write_lock_slowpath|queued_read_lock_slowpath)(?:\.\S+)?)"
)
IDLE = re.compile(r"mpstat\.cpu\.all\.idle%|iostat\.cpu\.idle|mpstat\.cpu\.idle%")
LOCK_STAT = re.compile(r"lock_stat\.(.+)\.(holdtime-avg|waittime-avg|acquisitions)")
UNIXBENCH = re.compile(r"unixbench\.(?:throughput|workload)|(?:[\w-]+)\.workload")

RATE = re.compile(
    r"(?P<case>[\w-]+)\.(?:(?P<test>[\w-]+)\.)?(?P<unit>ops_per_sec|jobs[-_]per[-_]min)"
)
"""Rates that stand for themselves: stress-ng's bogo operations, jobs of aim7 and reaim."""

FAMILIES = ("self", "children", "calltrace")
"""Shares of one function that overlap, in the order in which they are taken."""

OVERLAP = (
    "shares of a function itself, with what it calls, and of its call chains overlap: the first "
    "that is there is taken, the others are facts"
)

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


@dataclass(frozen=True)
class Setting:
    """What one test of the robot was: its parameters, and the machine that it ran on.

    Attributes
    ----------
    parameters : dict of str to str
        As in the mail: testcase, test, nr_threads, tbox_group.
    cpus : int or None
        Threads of the machine.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    cpus: int | None = None

    @property
    def n(self) -> int | None:
        """Population: nr_task or nr_threads, as a number or as a share of the machine's threads."""
        for name in ("nr_task", "nr_threads", "nr_processes"):
            text = self.parameters.get(name, "")
            if text.isdecimal() and len(text) < 8 and int(text) > 0:
                return int(text)
            share = re.fullmatch(r"(\d{1,4})%", text)
            if share and self.cpus:
                return max(1, self.cpus * int(share[1]) // 100)
        return None

    @property
    def name(self) -> str:
        """Test case and test."""
        named = (self.parameters.get(key, "") for key in ("testcase", "test"))
        return " ".join(filter(None, named))


def counted(keys: Iterable[str]) -> frozenset[str]:
    """Return the keys of a profile that count: one family of shares per function."""
    families: dict[str, dict[str, list[str]]] = {}
    for key in keys:
        if match := PROFILE.fullmatch(key):
            function = match["symbol"].partition(".")[0]
            families.setdefault(function, {}).setdefault(match["family"], []).append(key)
    chosen: list[str] = []
    for own in families.values():
        chosen += next(own[family] for family in FAMILIES if family in own)
    return frozenset(chosen)


def meaning(key: str, setting: Setting = Setting()) -> Meaning | None:
    """Return what a key says of a test, or None if it is no observation."""
    made = _meaning(key)
    if made is None:
        return None
    more = dict(made.more)
    if setting.name and made.kind in ("throughput", "idle_share"):
        more["what"] = setting.name
    if more.get("n") is None and setting.n is not None:
        more["n"] = setting.n
    return replace(made, more=more)


def _meaning(key: str) -> Meaning | None:
    if match := WILL_IT_SCALE.fullmatch(key):
        if int(match[1]) < 1:
            return None
        more = {"n": int(match[1]), "variant": match[2], "what": "will-it-scale"}
        if match[3]:
            return Meaning("idle_share", "1", 100.0, more)
        return Meaning("throughput", "1/s", 1.0, more)
    if match := RATE.fullmatch(key):
        more = {"what": " ".join(filter(None, (match["case"], match["test"])))}
        return Meaning("throughput", "1/s", 1.0 if match["unit"] == "ops_per_sec" else 60.0, more)
    if match := PROFILE.fullmatch(key):
        symbol, _, stack = match["symbol"].partition(".")
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
