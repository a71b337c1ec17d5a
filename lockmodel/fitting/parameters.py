"""What can be fitted, by name: how it is read from a scenario, set in it, and limited.

A name is a key, with the lock (or `all`) before it where the key belongs to a lock:

    think, think_remote, smt_speedup, same_node_cost, line_overlap
    LOCK.time_per_instruction_local, LOCK.time_per_instruction_remote, LOCK.acquire_time
    LOCK.hold                  the same as LOCK.time_per_instruction_remote; a lock whose local
                               time is no less keeps both equal
    LOCK.handoff               the whole hand-off, its proportions kept
    LOCK.handoff.KEY           one number of the hand-off's family
    LOCK.handoff_instructions  the hand-off as a number of held instructions of the same time
    LOCK.demand                time per iteration that the lock is busy on the full machine; moves
                               the hold, and the hand-off only where the hold would leave its range
    LOCK.acquires              factor on all acquires; the held work stays
    LOCK.held_instructions     factor on all held instructions; the acquires stay
    LOCK.lines                 factor on all lines under the lock
    LOCK.handoff_lines         lines of a hand-off

With `all` the locks change in proportion, and the value is that of the lock taken first.
Every parameter is positive, and is fitted as its logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lockmodel.changes.lever import ALL
from lockmodel.errors import ArgumentError, nearest
from lockmodel.model.held import Held, held
from lockmodel.model.machine import MOST_OVERLAP
from lockmodel.model.placement import distances, transfer, whole
from lockmodel.model.scenario import LINES, Lock, Scenario

SCENARIO_KEYS = ("think", "think_remote")
MACHINE_KEYS = ("smt_speedup", "same_node_cost", "line_overlap")
TIME_KEYS = ("time_per_instruction_local", "time_per_instruction_remote", "acquire_time")
COUNT_KEYS = ("handoff_lines",)
FACTOR_KEYS = ("acquires", "held_instructions", "lines")
INSTRUCTIONS = ("held_instructions", "growth_per_doubling")
WHOLE_KEYS = ("handoff", "handoff_instructions", "demand")
ALIASES = {"hold": "time_per_instruction_remote", "acquire": "acquires"}
"""What is typed -> the key."""

GROWTH_KEYS = ("half_waiters", "per_waiter")
"""Numbers of a hand-off that say how it grows: what is not there does not."""

WIDEST = 1e6
"""A parameter is looked for within this factor of its value in the model, up and down."""

SMALLEST = {"s": 1e-9, "1": 1e-3}
"""Start of a parameter that the model has at 0, by unit."""

LARGEST = {"s": 1.0, "1": 1e6}
"""Largest value of a parameter that the model has at 0, by unit: no scale is known."""

_replace = msgspec.structs.replace


@dataclass(frozen=True)
class Parameter:
    """Something that can be fitted.

    Attributes
    ----------
    name : str
        Canonical: aliases resolved.
    key : str
        What of the scenario, the machine or the lock: see the module docstring.
    lock : str
        Lock or `all`; empty for keys of the scenario and the machine.
    """

    name: str
    key: str
    lock: str

    @property
    def unit(self) -> str:
        """Base unit of its value: 's' or '1'."""
        pure = {*MACHINE_KEYS, *FACTOR_KEYS, *COUNT_KEYS}
        pure |= {"handoff_instructions", "handoff.half_waiters"}
        return "1" if self.key in pure else "s"

    @property
    def rank(self) -> tuple[int, str]:
        """Order of application: what is relative to other values comes after them."""
        later = {"handoff": 1, "handoff_instructions": 2, "demand": 3}
        return (later.get(self.key, 0), self.name)


def parse(text: str, scenario: Scenario) -> Parameter:
    """Return the parameter that a text names.

    Raises
    ------
    ArgumentError
        Unknown key or lock, a lock that is never taken, or a key its hand-off does not have.
    """
    if text in (*SCENARIO_KEYS, *MACHINE_KEYS):
        return Parameter(text, text, "")
    locks = [lock.name for lock in scenario.taken]
    if not locks:
        raise ArgumentError(f"--free {text!r}: the model takes no lock; free think")
    lock, key = _split(text, locks)
    key = ALIASES.get(key, key)
    known = (*TIME_KEYS, *COUNT_KEYS, *FACTOR_KEYS, *WHOLE_KEYS)
    base, dot, part = key.partition(".")
    if (key not in known and not (dot and base == "handoff")) or not key:
        words = [*SCENARIO_KEYS, *MACHINE_KEYS, *(f"{ALL}.{k}" for k in (*known, *ALIASES))]
        raise ArgumentError(f"--free {text!r}: not a parameter; {nearest(text, words)}")
    for one in _locks(scenario, lock):
        keys = handoff_keys(one)
        if base == "handoff" and not keys:
            raise ArgumentError(
                f"--free {text!r}: the hand-off of {one.name} is of family 'none'; give the model "
                f"another, e.g. family = 'constant'"
            )
        if dot and part not in keys:
            raise ArgumentError(
                f"--free {text!r}: the hand-off of {one.name} has no {part!r}; "
                f"{nearest(part, list(keys))}"
            )
    return Parameter(f"{lock}.{key}", key, lock)


def has(scenario: Scenario, name: str) -> bool:
    """Return whether a scenario has a parameter: a lever may have taken its lock away."""
    try:
        parse(name, scenario)
    except ArgumentError:
        return False
    return True


def _split(text: str, locks: list[str]) -> tuple[str, str]:
    """Return lock and key of a name; locks may have dots in their names."""
    for lock in sorted((*locks, ALL), key=len, reverse=True):
        if text.startswith(f"{lock}."):
            return lock, text[len(lock) + 1 :]
    if "." in text and text.partition(".")[0] != "handoff":
        words = [f"{lock}.{text.rpartition('.')[2]}" for lock in (*locks, ALL)]
        raise ArgumentError(f"--free {text!r}: no such lock is taken; {nearest(text, words)}")
    return ALL, text


def _locks(scenario: Scenario, lock: str) -> tuple[Lock, ...]:
    """Return the locks that are meant, those that are never taken left out."""
    return tuple(one for one in scenario.taken if lock in (ALL, one.name))


def handoff_keys(lock: Lock) -> tuple[str, ...]:
    """Return the numbers of a lock's hand-off family."""
    return lock.handoff.__struct_fields__


def crowded_handoff(scenario: Scenario, lock: Lock) -> float:
    """Return the hand-off with all other CPUs of the machine waiting, in s per acquire."""
    machine = scenario.machine
    waiters = np.array([max(1.0, machine.cpus - 1.0)])
    cost = float(lock.handoff.cost(waiters, distances(machine, machine.cpus)[1])[0])
    return cost + lock.handoff_lines * transfer(machine, machine.cpus)


def crowded_instruction(scenario: Scenario, lock: Lock) -> float:
    """Return the time per held instruction with all CPUs of the machine in use, in s."""
    line = whole(scenario.machine, lock, scenario.machine.cpus).mean_line
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    return near + (far - near) * line


def held_work(scenario: Scenario, lock: Lock, n: int) -> list[tuple[float, Held]]:
    """Return acquires and held work of every site of a lock, with n processes."""
    group = whole(scenario.machine, lock, n)
    return [
        (site.acquires, held(scenario.machine, lock, site, n, group))
        for site in scenario.sites_of(lock.name)
    ]


def _full_held(scenario: Scenario, lock: Lock) -> float:
    """Return the instructions held per iteration with all CPUs of the machine in use."""
    return sum(
        acquires * each.instructions
        for acquires, each in held_work(scenario, lock, scenario.machine.cpus)
    )


def _full_demand(scenario: Scenario, lock: Lock) -> float:
    """Return D = tau I + l t_l + m (a + c) with all CPUs in use and waiting, s per iteration."""
    passing = lock.acquire_time + crowded_handoff(scenario, lock)
    work = sum(
        acquires * each.time for acquires, each in held_work(scenario, lock, scenario.machine.cpus)
    )
    return work + scenario.acquires(lock.name) * passing


def read_lock(scenario: Scenario, lock: Lock, key: str) -> float:
    """Return the value of a lock's key (see `read`)."""
    if key == "demand":
        return _full_demand(scenario, lock)
    if key in FACTOR_KEYS:
        return 1.0
    if key == "handoff":
        return crowded_handoff(scenario, lock)
    if key == "handoff_instructions":
        instruction = crowded_instruction(scenario, lock)
        return crowded_handoff(scenario, lock) / instruction if instruction > 0 else 0.0
    if key.startswith("handoff."):
        return float(getattr(lock.handoff, key.partition(".")[2]))
    return float(getattr(lock, key))


def read(scenario: Scenario, parameter: Parameter) -> float:
    """Return the value of a parameter in a scenario; factors are 1 there, times are in s.

    The value of `LOCK.handoff` is the hand-off with all other CPUs waiting.
    """
    if parameter.key in SCENARIO_KEYS:
        return float(getattr(scenario, parameter.key))
    if parameter.key in MACHINE_KEYS:
        return float(getattr(scenario.machine, parameter.key))
    return read_lock(scenario, _locks(scenario, parameter.lock)[0], parameter.key)


def limits(scenario: Scenario, parameter: Parameter) -> tuple[float, float]:
    """Return the smallest and largest value a parameter may have; both > 0."""
    value = read(scenario, parameter)
    low, high = value / WIDEST, value * WIDEST
    if value == 0.0:
        low, high = SMALLEST[parameter.unit] / WIDEST, LARGEST[parameter.unit]
    if parameter.key == "same_node_cost":
        return 1e-3, 1.0
    if parameter.key == "line_overlap":
        return 1e-3, MOST_OVERLAP
    if parameter.key == "smt_speedup":
        return 1.0, float(scenario.machine.cpus // scenario.machine.cores)
    for lock in _locks(scenario, parameter.lock):
        base = read_lock(scenario, lock, parameter.key)
        other = _partner(lock, parameter.key)
        if other is None or base <= 0:
            continue
        limit = other[0] * value / base
        low, high = (max(low, limit), high) if other[1] else (low, min(high, limit))
    return low, high


def even(lock: Lock) -> bool:
    """Return whether distance makes no difference to the lock's time per instruction."""
    return 0.0 < lock.time_per_instruction_local == lock.time_per_instruction_remote


def _partner(lock: Lock, key: str) -> tuple[float, bool] | None:
    """Return what a value of a lock may not fall below (True) or exceed (False), if anything."""
    handoff = lock.handoff
    if key == "time_per_instruction_remote" and not even(lock):
        return lock.time_per_instruction_local, True
    if key == "time_per_instruction_local":
        return lock.time_per_instruction_remote, False
    upper = {"handoff.limit": "time", "handoff.remote": "local"}
    lower = {"handoff.time": "limit", "handoff.local": "remote"}
    part = upper.get(key)
    if part is not None:
        return float(getattr(handoff, part)), True
    part = lower.get(key)
    if part is not None and hasattr(handoff, part):
        return float(getattr(handoff, part)), False
    return None


def apply(
    scenario: Scenario, parameters: Sequence[Parameter], values: Mapping[str, float]
) -> Scenario:
    """Return the scenario with the parameters at their values.

    Parameters
    ----------
    scenario : Scenario
    parameters : sequence of Parameter
        In any order.
    values : mapping of str to float
        By `Parameter.name`; values beyond what the scenario allows are moved to its limit, so
        that every draw from a distribution of estimates is a scenario.

    Returns
    -------
    Scenario
    """
    factors = [(p, values[p.name]) for p in parameters if p.key in FACTOR_KEYS]
    if factors:
        scenario = _scaled_sites(scenario, factors)
    for parameter in sorted(parameters, key=lambda p: p.rank):
        if parameter.key not in FACTOR_KEYS:
            scenario = _set(scenario, parameter, values[parameter.name])
    return scenario


def _set(scenario: Scenario, parameter: Parameter, value: float) -> Scenario:
    key = parameter.key
    if key in SCENARIO_KEYS:
        return _replace(scenario, **{key: value})
    if key in MACHINE_KEYS:
        low, high = limits(scenario, parameter)
        machine = _replace(scenario.machine, **{key: min(max(value, low), high)})
        return _replace(scenario, machine=machine)
    meant = _locks(scenario, parameter.lock)
    base = read_lock(scenario, meant[0], key)
    if key == "demand":
        return _with_demand(scenario, meant, value)
    changed = {}
    for lock in meant:
        own = read_lock(scenario, lock, key)
        if key in ("handoff", "handoff_instructions") and base == own == 0.0:
            per = 1.0 if key == "handoff" else crowded_instruction(scenario, lock)
            changed[lock.name] = _with_first_handoff(lock, value * per)
        else:
            changed[lock.name] = _with(lock, key, value, base, own)
    return _replace(scenario, locks=tuple(changed.get(x.name, x) for x in scenario.locks))


def _with_first_handoff(lock: Lock, value: float) -> Lock:
    """Return a lock whose hand-off is nothing with one that is `value` with any waiters."""
    numbers = {}
    for part in handoff_keys(lock):
        if part in ("time", "local"):
            numbers[part] = value
        elif part in ("limit", "remote"):
            numbers[part] = max(value, getattr(lock.handoff, part))
    return _replace(lock, handoff=_replace(lock.handoff, **numbers))


def _with(lock: Lock, key: str, value: float, base: float, own: float) -> Lock:
    """Return the lock with `key` scaled by value / base; set to `value` where the base is 0."""
    new = own * (value / base) if base > 0 else value
    if key in ("handoff", "handoff_instructions") and own == 0.0:  # no proportions to keep
        same = {part: new for part in handoff_keys(lock) if part not in GROWTH_KEYS}
        return _replace(lock, handoff=_replace(lock.handoff, **same))
    if key in ("handoff", "handoff_instructions"):
        factor = new / own
        scaled = {
            part: getattr(lock.handoff, part) * factor
            for part in handoff_keys(lock)
            if part != "half_waiters"
        }
        return _replace(lock, handoff=_replace(lock.handoff, **scaled))
    other = _partner(lock, key)
    if other is not None:
        new = max(new, other[0]) if other[1] else min(new, other[0])
    if key == "time_per_instruction_remote" and even(lock):
        return _replace(lock, time_per_instruction_local=new, time_per_instruction_remote=new)
    if key.startswith("handoff."):
        handoff = _replace(lock.handoff, **{key.partition(".")[2]: new})
        return _replace(lock, handoff=handoff)
    return _replace(lock, **{key: new})


LEAST_HELD = 1e-3
"""Share of the demand that stays held work where the two times per instruction are one."""


def _with_demand(scenario: Scenario, meant: Sequence[Lock], value: float) -> Scenario:
    """Return the scenario whose first lock of `meant` has the demand, the others in proportion.

    The time per remote instruction moves (both times, where they are one); where it would fall
    below the local one it stays there and the hand-off gives way, since the demand is what data
    show.
    """
    first = meant[0]
    line = whole(scenario.machine, first, scenario.machine.cpus).mean_line
    executed = _full_held(scenario, first)
    if executed == 0.0:  # nothing held: no time per instruction to move
        return scenario
    m = scenario.acquires(first.name)
    crowd = m * crowded_handoff(scenario, first)
    taking = m * first.acquire_time
    near, old = first.time_per_instruction_local, first.time_per_instruction_remote
    if even(first) or line == 0.0:
        least = LEAST_HELD * value / executed
        far = (value - crowd - taking) / executed
    else:
        least = near
        far = near + ((value - crowd - taking) / executed - near) / line
    room = value - taking - executed * least
    passing = max(room, 0.0) / crowd if far < least and crowd > 0 else 1.0
    factor = max(far, least) / old if old > 0 else 1.0
    changed = {}
    for lock in meant:
        own = lock.time_per_instruction_remote
        moved = _with(lock, "time_per_instruction_remote", factor, 1.0, own)
        if passing != 1.0 and handoff_keys(lock):
            moved = _with(moved, "handoff", passing, 1.0, 1.0)
        changed[lock.name] = moved
    return _replace(scenario, locks=tuple(changed.get(x.name, x) for x in scenario.locks))


def _scaled_sites(scenario: Scenario, given: Sequence[tuple[Parameter, float]]) -> Scenario:
    """Return the scenario with acquires, held instructions or lines of locks times factors."""
    by_lock: dict[str, dict[str, float]] = {}
    for parameter, factor in given:
        if parameter.key == "acquires":  # what is held per iteration stays
            keys = {"acquires": factor, **dict.fromkeys((*INSTRUCTIONS, *LINES), 1.0 / factor)}
        else:
            keys = dict.fromkeys(LINES if parameter.key == "lines" else INSTRUCTIONS, factor)
        for lock in _locks(scenario, parameter.lock):
            own = by_lock.setdefault(lock.name, {})
            own.update({key: own.get(key, 1.0) * by for key, by in keys.items()})
    sites = tuple(
        _replace(site, **{key: getattr(site, key) * by for key, by in by_lock[site.lock].items()})
        if site.lock in by_lock
        else site
        for site in scenario.sites
    )
    return _replace(scenario, sites=sites)
