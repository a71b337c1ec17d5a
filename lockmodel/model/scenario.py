"""A workload that takes locks, as frozen data: Machine, Lock, HandOff, Site, Scenario.

A `Scenario` says what one iteration does: think time on a CPU, and at each *site* a number
of acquires of a lock, each holding it for a number of instructions, or for a time. It says nothing
about how the answer is computed; `lockmodel.model.network` turns it into stations.

Times are seconds here. In TOML every time key carries its unit (see `scenario_toml`).
All classes validate themselves when they are built, so an invalid scenario cannot exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import msgspec

from lockmodel.errors import (
    ScenarioError,
    nearest,
    not_negative,
    one_of,
    problems_of,
    raise_all,
)
from lockmodel.model.classes import IterationClass
from lockmodel.model.classes import problems as problems_of_classes
from lockmodel.model.disciplines import DISCIPLINES, discipline
from lockmodel.model.distribution import Constant, Distribution, Exponential
from lockmodel.model.fit_table import Fit
from lockmodel.model.handoff import HandOff, NoHandOff
from lockmodel.model.machine import Frozen, Machine, at_least_one
from lockmodel.model.site import COUNTED as COUNTED
from lockmodel.model.site import LINES as LINES
from lockmodel.model.site import TIMED as TIMED
from lockmodel.model.site import Mode as Mode
from lockmodel.model.site import Site as Site
from lockmodel.model.site import acquires_of as acquires_of
from lockmodel.model.typed import check_types

ShardBy = Literal["hash", "cpu", "node"]
LinesBy = Literal["lock", "node"]
LinesWhen = Literal["always", "changed"]
Origin = Literal["traced", "published", "fitted", "assumed", "derived"]

# Taken apart once: a fit makes and checks locks by the ten thousand.
_SHARD_BY, _LINES_BY = get_args(ShardBy), get_args(LinesBy)
_LINES_WHEN = get_args(LinesWhen)
_NOT_IN_A_NAME = frozenset("/:=,")

RESERVED = ("all", "cpu", "none")
"""Names that mean something else on the command line and in results."""

EVERYWHERE = "iteration.all"
"""Label of the one site of a station that was counted over a whole iteration: it stands for many
places of the kernel, and is none of the locks that one patch reaches together (`all`)."""

WAKE_TIME = 7e-6
"""Seconds from a wake-up to running: the geometric mean of the 2 to 25 us that a lock takes to go
from one sleeping thread to another (data/published/latency.csv, go_mutex_handoff)."""

NOT_COUNTED = "not_counted"
"""Name of the lock that stands for what nobody counted (another file system, configuration or
machine): it may bind, and no change is about it."""


class Walkers(Frozen, frozen=True):
    """Background readers that need the whole tree, so they take all shards of a lock at once.

    Parameters
    ----------
    walks_per_s : float
        Walks per second of the whole machine.
    read : float
        Seconds one walk reads while it holds every shard.
    give_up : bool
        Whether a walk that would have to wait for a shard leaves those it has and does not take
        place (trylock, as page reclaim does).
    """

    walks_per_s: float
    read: float
    give_up: bool = False

    def __post_init__(self) -> None:
        check_types(self, "walkers")
        not_negative("walkers", walks_per_s=self.walks_per_s, read=self.read)


MOST_SKEW = 20.0
"""Largest Zipf exponent of shards: the second then has a millionth of the first."""


class Lock(Frozen, frozen=True):
    """A lock (one per file, for `i_mmap_rwsem`) and what it costs.

    Parameters
    ----------
    name : str
        The lock's name, by convention the file's.
    time_per_instruction_local, time_per_instruction_remote : float
        Seconds per held instruction when the lines were last written on the same CPU, and
        when they were last written in another node. Of no use where all sites state times.
    acquire_time : float
        Seconds per acquire that the lock is busy for locking and unlocking alone.
    handoff : HandOff
        Extra time per acquire when the lock passes to a waiter.
    kind : str
        Its discipline, one of `DISCIPLINES`.
    shards : int
        Independent copies of the lock and its data.
    shard_by : {'hash', 'cpu', 'node'}
        How a shard is chosen: a random one per iteration, or the one of the CPU or node.
    shard_skew : float
        Zipf exponent of the shards' popularity (hash only); 0 is uniform.
    other_mappers : int
        Processes outside the population that map the file, which makes its tree larger.
    walkers : Walkers or None
        Background readers that take all shards.
    hold_distribution, handoff_distribution : Distribution
        How hold times and hand-offs vary around their mean.
    wake_time : float
        Seconds until a sleeping waiter runs after it was woken (rwsem, mutex): the middle of
        the 2 to 25 us published (data/published/latency.csv).
    handoff_timeout : float
        Seconds after which the head of the queue may no longer be overtaken (rwsem only): Linux's
        RWSEM_WAIT_TIMEOUT is 4 ms.
    spin_limit : float
        Seconds that a writer spins on a semaphore that readers own, few of them (rwsem):
        10 us in Linux, up to 2.5 times that with many readers. 0: not at all, as before 5.3.
        Of a mutex: that any waiter spins before it sleeps.
    timeout_distribution : Distribution
        How these two vary around their mean: a clock that ticks makes them.
    barge : bool
        Whether a released lock is free for whoever comes first, and does not belong to the first
        waiter (mutex only).
    local_handoffs : int
        Hand-offs in a row that may stay in a node while others wait elsewhere (numa only).
    handoff_lines : float
        Lines that a hand-off waits for one after the other, beside the time of `handoff`.
    lines_by : {'lock', 'node'}
        Who writes the data under the lock: all who take it, or, where each NUMA node has its own
        part under the one lock, those of the same node. The lock itself comes from anywhere.
    lines_when : {'always', 'changed'}
        When lines come from another CPU: at every acquire, as often as on average; or only where
        another process had the lock since (`model.returning`): one that comes back finds its own.
    """

    name: str
    time_per_instruction_local: float = 0.0
    time_per_instruction_remote: float = 0.0
    acquire_time: float = 0.0
    handoff: HandOff = NoHandOff()
    kind: str = "fifo"
    shards: int = 1
    shard_by: ShardBy = "cpu"
    shard_skew: float = 0.0
    other_mappers: int = 0
    walkers: Walkers | None = None
    hold_distribution: Distribution = Exponential()
    handoff_distribution: Distribution = Exponential()
    wake_time: float = WAKE_TIME
    handoff_timeout: float = 4e-3
    spin_limit: float = 10e-6
    timeout_distribution: Distribution = Constant()
    barge: bool = True
    local_handoffs: int = 64
    handoff_lines: float = 0.0
    lines_by: LinesBy = "lock"
    lines_when: LinesWhen = "always"

    def __post_init__(self) -> None:
        owner = f"lock {self.name!r}"
        check_types(self, owner)
        if not (self.name and _NOT_IN_A_NAME.isdisjoint(self.name)) or self.name in RESERVED:
            raise ScenarioError(
                f"lock name {self.name!r} must be non-empty, without '/', ':', '=' or ',', and not "
                f"{', '.join(RESERVED)}; name a lock after its file, e.g. 'libc.so.6'"
            )
        not_negative(
            owner,
            time_per_instruction_local=self.time_per_instruction_local,
            time_per_instruction_remote=self.time_per_instruction_remote,
            acquire_time=self.acquire_time,
            shard_skew=self.shard_skew,
            other_mappers=self.other_mappers,
            wake_time=self.wake_time,
            handoff_timeout=self.handoff_timeout,
            spin_limit=self.spin_limit,
            handoff_lines=self.handoff_lines,
        )
        if self.time_per_instruction_remote < self.time_per_instruction_local:
            raise ScenarioError(
                f"{owner}: time_per_instruction_remote = {self.time_per_instruction_remote} s is "
                f"below time_per_instruction_local = {self.time_per_instruction_local} s; lines "
                f"from elsewhere are never faster, so give remote >= local"
            )
        if self.kind not in DISCIPLINES:
            one_of(owner, tuple(DISCIPLINES), kind=self.kind)
        one_of(owner, _SHARD_BY, shard_by=self.shard_by)
        one_of(owner, _LINES_BY, lines_by=self.lines_by)
        one_of(owner, _LINES_WHEN, lines_when=self.lines_when)
        at_least_one(owner, shards=self.shards, local_handoffs=self.local_handoffs)
        if self.shard_skew > MOST_SKEW:
            raise ScenarioError(
                f"{owner}: shard_skew = {self.shard_skew:g} must be at most {MOST_SKEW:g}: words, "
                f"files and pages have Zipf exponents near 1, and from 10 on one shard has all"
            )
        if self.shard_skew and self.shard_by != "hash":
            raise ScenarioError(
                f"{owner}: shard_skew = {self.shard_skew} needs shard_by = 'hash'; with "
                f"{self.shard_by!r} the placement decides how popular a shard is"
            )

    @property
    def keeps_shard(self) -> bool:
        """Whether a process always takes the same shard."""
        return self.shards > 1 and self.shard_by != "hash"

    @property
    def draws_shard(self) -> bool:
        """Whether every iteration draws one."""
        return self.shards > 1 and self.shard_by == "hash"

    @property
    def passes(self) -> bool:
        """Whether a hand-off takes time."""
        return not isinstance(self.handoff, NoHandOff) or self.handoff_lines > 0.0


def unknown_lock(index: int, label: str, lock: str, known: list[str]) -> str:
    """Return what is wrong with the site of a lock that there is not."""
    return f"sites[{index}] ({label}): lock = {lock!r} does not exist; {nearest(lock, known)}"


class Calibrated(Frozen, frozen=True):
    """What the times of a scenario were calibrated to; outside it predictions are extrapolated.

    Parameters
    ----------
    low, high : int
        Smallest and largest population measured.
    throughput_per_s : float
        Largest throughput measured, in iterations per second; 0 if none was published.
    """

    low: int
    high: int
    throughput_per_s: float = 0.0

    def __post_init__(self) -> None:
        at_least_one("calibrated", low=self.low, high=self.high)
        not_negative("calibrated", throughput_per_s=self.throughput_per_s)
        if self.high < self.low:
            raise ScenarioError(f"calibrated: high = {self.high} is below low = {self.low}; swap")


class Provenance(Frozen, frozen=True):
    """Where a number of the scenario comes from; printed by `lockmodel show`.

    Parameters
    ----------
    value : str
        Which key or keys.
    origin : {'traced', 'published', 'fitted', 'assumed', 'derived'}
        How it was obtained.
    note : str
        From what, how, and for an assumed value the range that is plausible.
    """

    value: str
    origin: Origin
    note: str


WHOLE = 1.0 + 1e-9
"""Most that shares add up to, rounding included."""

UNDESCRIBED = "not described"
"""What an iteration is where nobody said."""


class Scenario(Frozen, frozen=True, kw_only=True):
    """One iteration on one machine.

    Parameters
    ----------
    name, title, iteration : str
        Short name, one line for people (the name without), and what one iteration is.
    machine : Machine
    think : float
        CPU seconds of one iteration outside every modelled lock, lines local.
    think_remote : float
        CPU seconds that think time gains when its shared lines were last written in another
        node (reference counts and the like outside the modelled locks).
    think_distribution : Distribution
        How think time varies around its mean, per iteration.
    locks : tuple of Lock
    sites : tuple of Site
    classes : tuple of IterationClass
        Several kinds of iteration that share the locks; think time and sites are then theirs, and
        the scenario has none of its own. Without classes its iteration is the only one.
    calibrated : Calibrated or None
        What the times were calibrated to.
    provenance : tuple of Provenance
    fit : Fit or None
        How the times were estimated; predictions then carry intervals.
    """

    name: str
    title: str = ""
    iteration: str = UNDESCRIBED
    machine: Machine
    think: float
    think_remote: float = 0.0
    think_distribution: Distribution = Exponential()
    locks: tuple[Lock, ...] = ()
    sites: tuple[Site, ...] = ()
    classes: tuple[IterationClass, ...] = ()
    calibrated: Calibrated | None = None
    provenance: tuple[Provenance, ...] = ()
    fit: Fit | None = None

    def __post_init__(self) -> None:
        check_types(self, "scenario")
        if not self.title:
            msgspec.structs.force_setattr(self, "title", self.name)
        not_negative("scenario", think=self.think, think_remote=self.think_remote)
        if self.classes:
            raise_all(self._problems_with_classes())
        elif not self._sound():
            raise_all(self._problems())

    def _sound(self) -> bool:
        """Return whether `_problems` has none, as of the thousands that a fit makes."""
        locks = {lock.name: lock.kind for lock in self.locks}
        sites = {(site.lock, site.phase, site.name) for site in self.sites}
        return (
            len(locks) == len(self.locks)
            and len(sites) == len(self.sites)
            and all(lock in locks for lock, _, _ in sites)
            and all(
                site.mode != "read" or discipline(locks[site.lock]).readers for site in self.sites
            )
            and (
                self.machine.line is not None
                or (
                    not any(site.moves_lines for site in self.sites)
                    and not any(lock.handoff_lines for lock in self.locks)
                )
            )
            and self.think + self.think_remote + sum(site.acquires for site in self.sites) != 0
            and sum(site.gap_share for site in self.sites) <= WHOLE
        )

    def _problems_with_classes(self) -> Iterator[str]:
        """Yield what is wrong with the classes, and with what each is without the others."""
        if self.think + self.think_remote > 0.0 or self.sites:
            yield (
                "think time or sites stand beside [[classes]]; move them into a class: with "
                "classes every iteration is of one of them"
            )
        yield from problems_of_classes(self.classes)
        if self.fit is not None and len(self.classes) > 1:
            yield "[fit] stands beside several [[classes]]; a fit is of one iteration: drop it"
        for i, one in enumerate(self.classes):
            try:
                of_class(self, one)
            except ScenarioError as error:
                for problem in problems_of(error):
                    yield f"classes[{i}].{problem}" if problem.startswith("sites[") else problem

    def _problems(self) -> Iterator[str]:
        """Yield what of the locks, sites and machine does not go together."""
        names = [lock.name for lock in self.locks]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f"lock {name!r} is given {names.count(name)} times; give it once"
        kinds = {lock.name: lock.kind for lock in self.locks}
        seen: set[tuple[str, str]] = set()
        for i, site in enumerate(self.sites):
            if site.lock not in names:
                yield unknown_lock(i, site.label, site.lock, names)
                continue
            key = (site.lock, site.label)
            if key in seen:
                yield f"sites[{i}]: {site.lock}/{site.label} is given twice; add their acquires"
            seen.add(key)
            if site.mode == "read" and not discipline(kinds[site.lock]).readers:
                readers = " or ".join(repr(d.name) for d in DISCIPLINES.values() if d.readers)
                yield (
                    f"sites[{i}] ({site.label}): mode = 'read' at {site.lock}, which is "
                    f"{kinds[site.lock]!r}; only a lock of kind = {readers} has readers"
                )
        if self.machine.line is None and (
            any(site.moves_lines for site in self.sites) or any(k.handoff_lines for k in self.locks)
        ):
            yield (
                "sites have lines, or locks handoff_lines, but machine.line_ns is missing; give it "
                "(`lockmodel machines` lists known ones, `lockmodel bench --lines` measures)"
            )
        if self.think + self.think_remote + sum(site.acquires for site in self.sites) == 0:
            yield (
                "the iteration is empty: think time is 0 and no site has acquires; give "
                "think_us or at least one site with acquires > 0"
            )
        gaps = sum(site.gap_share for site in self.sites)
        if gaps > WHOLE:
            yield f"gap_share: the sites' add up to {gaps:.6g}; shares of one think time: at most 1"

    def lock(self, name: str) -> Lock:
        """Return the lock called `name`; raises ScenarioError if there is none."""
        for lock in self.locks:
            if lock.name == name:
                return lock
        raise ScenarioError(
            f"scenario {self.name!r} has no lock {name!r}; "
            f"{nearest(name, [lock.name for lock in self.locks])}"
        )

    @property
    def taken(self) -> tuple[Lock, ...]:
        """The locks that an iteration takes: those with acquires."""
        used = {site.lock for site in self.sites if site.acquires > 0}
        return tuple(lock for lock in self.locks if lock.name in used)

    @property
    def changeable(self) -> tuple[Lock, ...]:
        """The taken locks that a change can be about: all but `NOT_COUNTED`."""
        return tuple(lock for lock in self.taken if lock.name != NOT_COUNTED)

    @property
    def alike(self) -> tuple[Lock, ...]:
        """The taken locks that `all` means: those with sites of their own."""
        named = {site.lock for site in self.sites if site.label != EVERYWHERE}
        return tuple(lock for lock in self.taken if lock.name in named)

    @property
    def first_gap(self) -> float:
        """Share of the think time before an iteration's first acquire, that one's own apart."""
        return max(0.0, 1.0 - sum(site.gap_share for site in self.sites if site.acquires > 0))

    @property
    def names_hidden(self) -> bool:
        """Whether a lock stands for what nobody counted."""
        return any(lock.name == NOT_COUNTED for lock in self.locks)

    def sites_of(self, lock: str) -> tuple[Site, ...]:
        """Return the sites that take `lock`, in the order of the iteration."""
        return tuple(site for site in self.sites if site.lock == lock)

    def acquires(self, lock: str) -> float:
        """Return m: acquires of `lock` per iteration."""
        return acquires_of(self.sites_of(lock))

    def held_instructions(self, lock: str, mappers: float) -> float:
        """Return I: instructions held per iteration when `mappers` processes map the file.

        Grows with log2 of the mappings (traced: data/traced/held_instructions_traced.csv).
        """
        doublings = math.log2(max(1.0, mappers))
        return sum(
            site.acquires * (site.held_instructions + site.growth_per_doubling * doublings)
            for site in self.sites_of(lock)
        )

    def lines(self, lock: str, users: float, mappings: float) -> float:
        """Return the lines of one iteration under `lock` that come from other CPUs.

        See `Site.transferred`; counted: data/traced/lines_held.csv.
        """
        return sum(
            site.acquires * site.transferred(users, mappings) for site in self.sites_of(lock)
        )


def of_class(scenario: Scenario, one: IterationClass) -> Scenario:
    """Return the scenario in which every iteration is of one class of it."""
    return msgspec.structs.replace(
        scenario,
        think=one.think,
        think_remote=one.think_remote,
        think_distribution=one.think_distribution,
        sites=one.sites,
        classes=(),
    )


def plain(scenario: Scenario) -> Scenario:
    """Return a scenario of one class as it is without classes; any other as it is."""
    return of_class(scenario, scenario.classes[0]) if len(scenario.classes) == 1 else scenario


WITH_CLASSES = "predict, simulate, whatif, levers, ceiling and show"
"""Commands that take several classes."""


def one_class(scenario: Scenario) -> Scenario:
    """Return a scenario of one class as it is without classes; raises ScenarioError for several."""
    if len(scenario.classes) > 1:
        raise ScenarioError(
            f"scenario {scenario.name!r} has several classes "
            f"({', '.join(one.name for one in scenario.classes)}), and this is about one kind of "
            f"iteration; {WITH_CLASSES} take several: ask one of them, or give a file with the "
            f"think time and sites of one class"
        )
    return plain(scenario)


def merged(scenario: Scenario, shares: Sequence[float] | None = None) -> Scenario:
    """Return one iteration with the sites of all classes, each with its class before its phase.

    Parameters
    ----------
    scenario : Scenario
    shares : sequence of float, optional
        Of every class in the iterations that are made: the one iteration is then their mean.
        Without them it is no workload, but has what sentences about locks and sites look at.
    """
    if not scenario.classes:
        return scenario
    times = [1.0] * len(scenario.classes) if shares is None else shares
    weighed = [(one, float(part)) for one, part in zip(scenario.classes, times, strict=True)]
    join = max if shares is None else sum
    return msgspec.structs.replace(
        scenario,
        think=join(part * one.think for one, part in weighed),
        think_remote=join(part * one.think_remote for one, part in weighed),
        sites=tuple(
            msgspec.structs.replace(
                site,
                phase=f"{one.name}-{site.phase}",
                acquires=part * site.acquires,
                gap_share=0.0,
            )
            for one, part in weighed
            for site in one.sites
        ),
        classes=(),
    )
