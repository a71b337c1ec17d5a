"""What the model says for each kind of observation.

Throughput comes from `response`, with exact derivatives; everything else from the solved network
here. Waits follow from queue lengths by Little's law, contention from the arrival theorem (a
process that comes finds the queue of a network with one process less; Reiser & Lavenberg, JACM
27 (1980) 313).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.held import held
from lockmodel.model.network import Network, build, depends_on_population
from lockmodel.model.placement import whole
from lockmodel.model.scenario import Scenario, Site
from lockmodel.observe.observations import Observation
from lockmodel.solvers.product_form import Solution, solve

LISTED = "all waiting listed"
"""`per` of a wait share that is a share of the waiting a tool listed, not of CPU time."""

CONTENDED = "contended acquire"
"""`per` of a mean wait over the acquires that had to wait."""


@dataclass(frozen=True)
class _Facts:
    """A solved network and what follows from it per lock."""

    scenario: Scenario
    network: Network
    solution: Solution

    def wait(self, lock: str) -> float:
        """Return the seconds per iteration that a process waits for a lock, hand-off included."""
        queue = 0.0
        for station, state in zip(self.network.stations, self.solution.states, strict=True):
            if station.name == lock:
                queue += station.copies * state.queue
        taking = self.scenario.acquires(lock) * self.scenario.lock(lock).acquire_time
        held = self.network.hold[lock] + taking
        return max(queue / self.solution.throughput - held, 1e-15)

    def contended(self, lock: str) -> float:
        """Return the probability that an acquire finds its shard busy."""
        busy = total = 0.0
        for station, state in zip(self.network.stations, self.solution.states, strict=True):
            if station.name == lock:
                weight = station.copies * float(station.service[0])
                busy += weight * float(1.0 - state.p_before[0])
                total += weight
        return max(busy / total, 1e-12) if total > 0 else 1e-12

    def running(self) -> float:
        """Return the mean number of processes that have a CPU."""
        cpus, n = self.scenario.machine.cpus, self.network.population
        pairs = zip(self.network.stations, self.solution.states, strict=True)
        return n - sum(state.beyond(cpus) for station, state in pairs if station.name == "cpu")


def unusable(observation: Observation, scenario: Scenario) -> str:
    """Return why an observation cannot enter the objective; empty when it can."""
    o = observation
    if o.kind == "idle_share":
        return "the model's waiters spin: it says nothing about idle CPUs"
    if o.kind == "acquires" and o.unit == "per run":
        return "acquires of a whole run: divide them by its iterations"
    everywhere = o.kind == "acquires" and o.unit == "per iteration"
    if o.kind in ("hold_time", "hold_histogram"):
        everywhere = not depends_on_population(scenario)
    if o.n is None and not everywhere:
        return "its population is not known: give --tasks"
    if o.kind in ("throughput", "gain"):
        return ""
    if o.value <= 0:
        return "0 cannot be compared in proportion"
    if o.lock and o.lock not in [lock.name for lock in scenario.locks]:
        return f"the model has no lock {o.lock!r}"
    if o.site and not sites_of(scenario, o):
        return f"the model has no site {o.site!r}" + (f" at {o.lock}" if o.lock else "")
    owned = o.kind in ("hold_time", "hold_histogram", "mean_wait")
    if owned and not (o.lock or o.site) and len(scenario.taken) != 1:
        return "it names no lock, and the model has several"
    return ""


def sites_of(scenario: Scenario, observation: Observation) -> tuple[Site, ...]:
    """Return the sites an observation speaks of: of its lock, of its site, or all."""
    return tuple(
        s
        for s in scenario.sites
        if s.acquires > 0
        and observation.lock in ("", s.lock)
        and observation.site in ("", s.label, f"{s.lock}/{s.label}")
    )


def expected(scenario: Scenario, n: int, observations: Sequence[Observation]) -> tuple[float, ...]:
    """Return what the model says for observations of one population (throughput excluded).

    Parameters
    ----------
    scenario : Scenario
    n : int
        Population.
    observations : sequence of Observation
        Those of which `unusable` says nothing. Shares of all waiting listed are shares of what
        is in this sequence.

    Returns
    -------
    tuple of float
        In the observations' units, > 0.

    Raises
    ------
    NotTrustworthyError
        Shards that processes keep: only throughput is solved for them here.
    """
    network = build(scenario, n)
    if any(station.users for station in network.stations):
        raise NotTrustworthyError(
            f"scenario {scenario.name!r}: waits of shards by CPU or node cannot be fitted; use "
            f"throughput only, or shard_by = 'hash'"
        )
    facts = _Facts(scenario, network, solve(network)[0])
    values = [_value(facts, o) for o in observations]
    listed = [i for i, o in enumerate(observations) if o.kind == "wait_share" and o.per == LISTED]
    total = sum(values[i] for i in listed)
    stated = sum(observations[i].value for i in listed)
    for i in listed:
        values[i] *= stated / total
    return tuple(values)


def _value(facts: _Facts, o: Observation) -> float:
    scenario = facts.scenario
    chosen = sites_of(scenario, o)
    acquires = sum(s.acquires for s in chosen)
    if o.kind == "acquires":
        return acquires * (facts.solution.throughput if o.unit == "1/s" else 1.0)
    if o.kind in ("hold_time", "hold_histogram"):
        return sum(_held(facts, s) for s in chosen) / acquires
    per_lock = {s.lock: 0.0 for s in chosen}
    for site in chosen:
        per_lock[site.lock] += site.acquires
    # every acquire of a lock waits equally long, whatever its site
    shares = {name: own / scenario.acquires(name) for name, own in per_lock.items()}
    waited = sum(share * facts.wait(name) for name, share in shares.items())
    if o.kind == "wait_share":
        return waited * facts.solution.throughput / facts.running()
    waiting = sum(per_lock[name] * facts.contended(name) for name in shares)
    if o.kind == "contended_fraction":
        return waiting / acquires
    return waited / (waiting if o.per == CONTENDED else acquires)


def _held(facts: _Facts, site: Site) -> float:
    """Return the seconds per iteration that a site holds its lock."""
    scenario, n = facts.scenario, facts.network.population
    lock = scenario.lock(site.lock)
    group = whole(scenario.machine, lock, n)
    times = {
        one: one.acquires * held(scenario.machine, lock, one, n, group).time
        for one in scenario.sites_of(lock.name)
    }
    every = sum(times.values())
    return facts.network.hold[lock.name] * times[site] / every if every > 0 else 1e-15
