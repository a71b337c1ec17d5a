"""The counts of `shards`, one after the other: each is what `whatif` says of its lever.

With walkers of a read-write semaphore it is in closed form, with those of other locks every count
is simulated, with them and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from lockmodel.answers.shard_question import Plan, Question
from lockmodel.answers.whatif import SIMULATED, WhatIf, compare
from lockmodel.changes.kinds import Sharding, lever
from lockmodel.changes.lever import Lever
from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import build
from lockmodel.model.placement import shard_groups
from lockmodel.model.prediction import Interval, Point
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Stop
from lockmodel.solvers import solve
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.walked import closed_form_walkers, kept

if TYPE_CHECKING:
    from lockmodel.answers.gains import Gains
    from lockmodel.answers.intervals import Throughputs

USUAL_SKEW = 1.0
"""Zipf exponent that is shown where none was asked about: that of words, files and pages."""

WALKERS = "walkers"
"""What binds where walkers leave no throughput, or more of them set out than come through."""


@dataclass(frozen=True)
class Walk:
    """What walkers pay for the shards, and what they cost.

    Attributes
    ----------
    time_s : float or None
        Mean time of a walk, from setting out to leaving the last shard; None where none ended, and
        in closed form, which is off by up to a factor of five there.
    lost : float or None
        Share of the throughput without walkers that they cost; None where there was no time.
    error : float or None
        How far the closed form's throughput may be off, relative; None where that was not measured,
        and of a simulation.
    """

    time_s: float | None
    lost: float | None
    error: float | None = None


@dataclass(frozen=True)
class Row:
    """One count.

    Attributes
    ----------
    shards : int
    lever : Lever or None
        None for the lock as it is.
    after_per_s, gain, ceiling_per_s, binding
        As of `ranking.Ranked`; "walkers" binds where they leave no throughput.
    taking_s : float
        What one who takes all shards spends in taking them, without waiting for holders.
    interval_per_s : (float, float) or None
        Of a measurement of the throughput, as `sweep` has it.
    gain_interval : (float, float) or None
        As `whatif` has it.
    walk : Walk or None
        Where walkers take the shards.
    """

    shards: int
    lever: Lever | None
    after_per_s: float
    gain: float
    ceiling_per_s: float
    binding: str
    taking_s: float
    interval_per_s: Interval | None = None
    gain_interval: Interval | None = None
    walk: Walk | None = None


@dataclass(frozen=True)
class Keys:
    """Shards chosen by a hash of some keys.

    Attributes
    ----------
    lever : Lever
    skew : float
        Zipf exponent of the shards' popularity; 0 is even.
    most : float
        Share of the acquires at the most popular shard.
    gain : float
    gain_interval : (float, float) or None
    """

    lever: Lever
    skew: float
    most: float
    gain: float
    gain_interval: Interval | None


def without_walkers(scenario: Scenario) -> Scenario:
    """Return a scenario whose locks nobody walks."""
    locks = tuple(msgspec.structs.replace(lock, walkers=None) for lock in scenario.locks)
    return msgspec.structs.replace(scenario, locks=locks)


class Asking:
    """Counts of one plan at one population, asked one after the other."""

    def __init__(self, scenario: Scenario, n: int, chosen: Plan, stop: Stop) -> None:
        walked = [lock.name for lock in chosen.locks if lock.walkers is not None]
        walkers = [lock for lock in scenario.locks if lock.walkers is not None]
        self.simulated = not all(closed_form_walkers(lock) for lock in walkers)
        self.undrawn = bool(walkers) and scenario.fit is not None
        if walkers:  # a draw takes some 0.1 s at every count, or a simulation
            scenario = msgspec.structs.replace(scenario, fit=None)
        self.scenario, self.n, self.chosen, self.stop = scenario, n, chosen, stop
        self.method = "simulation" if self.simulated else "auto"
        self.said: list[WhatIf] = []
        self._made: dict[int, Gains] = {}
        self._throughputs: dict[int, Throughputs] = {}
        self.walked = walked[0] if walked else ""
        names = [lock.name for lock in chosen.locks]
        binding = ceiling_at(scenario, n).binding
        self.counted = self.walked or (binding if binding in names else names[0])
        network = build(scenario, n, stations_only=False)
        self.acquire_s = network.passing.get(self.counted, 0.0)

    def present(self) -> Row:
        """Return the lock as it is."""
        solver = solve.solver_name(self.method, [self.scenario], self.n)
        solve.simulate_first([self.scenario], [self.n], solver, self.stop)
        (now,) = solve.points(self.scenario, [self.n], solver)
        return Row(
            self.chosen.present,
            None,
            now.throughput_per_s,
            0.0,
            now.ceiling_per_s,
            now.binding,
            self.chosen.present * self.acquire_s,
            walk=self._walk(self.scenario, now.throughput_per_s),
        )

    def row(self, k: int) -> Row | None:
        """Return what a count buys; None where there was no time for it."""
        one = self.chosen.lever(k)
        if self.stop():
            return None
        try:
            said = self._whatif(one)
        except NotTrustworthyError:
            if self.stop():
                return None
            if all(lock.walkers is None for lock in self.scenario.locks):
                raise
            return Row(k, one, 0.0, -1.0, 0.0, WALKERS, k * self.acquire_s)
        (change,) = said.points
        after = change.after_per_s
        return Row(
            k,
            one,
            after,
            change.gain,
            said.ceiling_after_per_s,
            said.binding_after,
            k * self.acquire_s,
            self._interval(said, one.apply),
            change.gain_interval,
            self._walk(one.apply(self.scenario), after),
        )

    def fewest(self, low: int, high: int, least: float) -> int | None:
        """Return the smallest count from `low` to below `high` that reaches a rate; None for none.

        One by one: where shards cross nodes, more of them may be slower.
        """
        for k in range(low, high):
            changed = self.chosen.lever(k).apply(self.scenario)
            solver = solve.solver_name(self.method, [self.scenario, changed], self.n)
            if self.stop() or solver == "simulation":
                return None
            (after,) = solve.points(changed, [self.n], solver)
            if after.throughput_per_s >= least:
                return k
        return None

    def keys(self, k: int, asked: Question) -> tuple[tuple[Keys, ...], int]:
        """Return hashes of even and of skewed keys at a count, and how many had no time."""
        made = []
        late = 0
        skews = (0.0, USUAL_SKEW if asked.skew in (None, 0.0) else asked.skew)
        for skew in skews if k > self.chosen.present else ():
            one = lever("shard", self.chosen.name, Sharding(k, "hash", skew, asked.values))
            try:
                said = None if self.stop() else self._whatif(one)
            except NotTrustworthyError:
                said = None
            if said is None:
                late += 1
                continue
            changed = one.apply(self.scenario)
            groups = shard_groups(changed.machine, changed.lock(self.counted), self.n)
            most = max(group.share for group in groups)
            (change,) = said.points
            made.append(Keys(one, skew, most, change.gain, change.gain_interval))
        return tuple(made), late

    def drawn(self, row: Row) -> Row:
        """Return the row of the present with its interval, where others have one."""
        said = next((one for one in self.said if one.fit is not None), None)
        if said is None:
            return row
        return replace(row, interval_per_s=self._interval(said, lambda scenario: scenario))

    def notes(self, k: int) -> tuple[str, ...]:
        """Return what has to be said of a count beside how a shard is chosen."""
        one = self.chosen.lever(k)
        return tuple(
            note
            for said in self.said
            if said.levers[0].text == one.text
            for note in said.notes
            if note != one.note(self.scenario) and not (self.walked and note == SIMULATED)
        )

    def _whatif(self, one: Lever) -> WhatIf:
        said = compare(self.scenario, [one], [self.n], self.method, stop=self.stop, made=self._made)
        self.said.append(said)
        return said

    def _interval(self, said: WhatIf, change: Callable[[Scenario], Scenario]) -> Interval | None:
        """Return the interval of the throughput after a change, from the draws of an answer."""
        fit = self.scenario.fit
        if said.fit is None or fit is None:
            return None
        from lockmodel.answers.intervals import Throughputs

        count = said.fit.draws
        if count not in self._throughputs:
            gains = self._made[count]
            self._throughputs[count] = Throughputs(
                self.scenario, fit, [self.n], count, True, gains.every, gains.before
            )
        after: tuple[Point, ...] = solve.points(change(self.scenario), [self.n], said.method)
        return self._throughputs[count].of(change, after)[0]

    def _walk(self, changed: Scenario, rate: float) -> Walk | None:
        """Return what a walk takes and costs; None without walkers of what is sharded."""
        if not self.walked:
            return None
        if not self.simulated:
            from lockmodel.solvers.error_map import estimate

            error = estimate(changed, build(changed, self.n), rate)
            return Walk(None, 1.0 - kept(changed, self.n), error)
        from lockmodel.solvers.simulation.simulate import simulated

        own = simulated(changed, self.n, solve.PRECISION).locks[self.walked]
        try:
            free = simulated(without_walkers(changed), self.n, solve.PRECISION, stop=self.stop)
        except NotTrustworthyError:
            return Walk(own.walk_s, None)
        lost = 1.0 - rate / free.throughput_per_s.value if free.reached else None
        return Walk(own.walk_s, lost)
