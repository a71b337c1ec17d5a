"""Read-write semaphores with every process by name: the state machine of docs/rwsem.md again.

Processes think and then take semaphores, each a program of steps; walkers set out at random, take
all shards in turn for reading and keep them until they have read. All times are exponential.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lockmodel.evaluate.verify.named import Move, answer


class Step(NamedTuple):
    """One acquire: of which shard, for reading or not, and how long it is held."""

    shard: int
    reads: bool
    hold: float


class Way(NamedTuple):
    """One thing that an iteration may be: how probable it is, and its acquires."""

    chance: float
    steps: tuple[Step, ...]


def always(*steps: Step) -> tuple[Way, ...]:
    """Return the ways of an iteration that is always the same."""
    return (Way(1.0, steps),)


class Waiter(NamedTuple):
    """Who is in the queue, and whether its time is over."""

    who: int
    overdue: bool


class Shard(NamedTuple):
    """One semaphore.

    `owner` writes or is being handed it (`passing`: "hand", "lead" from the head of
    the queue, or "wake"), `inside` read,
    `woken` have been granted it, `spinning` and `queue` wait. `bit` is "", "spins" or "sleeps": how
    the head of the queue waits for its hand-off. `limit` is 0, or 1 more than the readers there
    were when the first spinner began to lose patience; `tired` whether one has lost it. `looks`:
    the writer at the head of the queue has been woken and will look.
    """

    owner: int = -1
    passing: str = ""
    inside: tuple[int, ...] = ()
    woken: tuple[int, ...] = ()
    spinning: tuple[int, ...] = ()
    queue: tuple[Waiter, ...] = ()
    bit: str = ""
    limit: int = 0
    tired: bool = False
    looks: bool = False

    @property
    def read(self) -> int:
        """How many own it for reading."""
        return len(self.inside) + len(self.woken)

    @property
    def free(self) -> bool:
        """Whether nobody owns it."""
        return self.owner < 0 and not self.read


class State(NamedTuple):
    """What the processes do, the shards, and the walkers: shards had, -1 not under way.

    A process thinks (None), or is at a step of one of its ways (their numbers).
    """

    steps: tuple[tuple[int, int] | None, ...]
    shards: tuple[Shard, ...]
    walkers: tuple[int, ...]


@dataclass(frozen=True)
class Semaphores:
    """Shards of a semaphore and who takes them. Times are means in seconds.

    Attributes
    ----------
    think : float
    programs : tuple of tuple of Way
        Of each process.
    shards : int
    handoff, wake, timeout, spin : float
        Hand-off to a spinner, from a wake-up to running, until the head of the queue sets the
        hand-off bit, and how long a writer spins on one reader; inf is never, 0 at once.
    cpus : int
        More than this awake, and who must wait sleeps; all may spin if it is 0.
    walks, read : float
        Walks per second and how long one reads.
    walkers : int
        Walks at once that are followed; a further one does not take place.
    give_up : bool
        Whether a walker that would have to wait leaves instead.
    """

    think: float
    programs: tuple[tuple[Way, ...], ...]
    shards: int = 1
    handoff: float = 0.0
    wake: float = 0.0
    timeout: float = math.inf
    spin: float = math.inf
    cpus: int = 0
    walks: float = 0.0
    read: float = 0.0
    walkers: int = 0
    give_up: bool = False

    def means(self) -> dict[str, float]:
        """Return rates of "done", "walked", "gave up", and means of who waits, sleeps, and owns."""
        n = len(self.programs)
        start = State((None,) * n, (Shard(),) * self.shards, (-1,) * self.walkers)
        return answer(start, self.moves, self._level, _features)

    def _level(self, state: State) -> dict[str, float]:
        waiting = asleep = owned = 0
        n = len(self.programs)
        for shard in state.shards:
            for who in (*shard.woken, *(waiter.who for waiter in shard.queue)):
                asleep += who < n
            waiting += len(shard.spinning) + (shard.passing == "hand")
            asleep += shard.passing in ("wake", "lead")
            owned += not shard.free
        return {
            "waiting": float(waiting + asleep),
            "asleep": float(asleep),
            "owned": float(owned),
            "walking": float(sum(at >= 0 for at in state.walkers)),
        }

    def _reads(self, state: State, who: int) -> bool:
        n = len(self.programs)
        return who >= n or self._step(state, who).reads

    def _step(self, state: State, p: int) -> Step:
        at = state.steps[p]
        assert at is not None
        return self.programs[p][at[0]].steps[at[1]]

    def moves(self, state: State) -> Iterator[Move[State]]:
        """Yield what may happen."""
        n = len(self.programs)
        thinking = [p for p, step in enumerate(state.steps) if step is None]
        for p in thinking:
            speed = min(1.0, self.cpus / len(thinking)) if self.cpus else 1.0
            for a, way in enumerate(self.programs[p]):
                if way.chance > 0.0:
                    rate = way.chance * speed / self.think
                    if way.steps:
                        yield Move(self._settled(self._go(state, p, (a, 0))), rate)
                    else:
                        yield Move(state, rate, ("done", f"done {p}"))
        for g, shard in enumerate(state.shards):
            yield from self._at(state, g, shard)
        for v, at in enumerate(state.walkers):
            if at == self.shards:
                left = state._replace(walkers=_put(state.walkers, v, -1))
                for g in range(self.shards):
                    left = self._left(left, g, n + v)
                yield Move(self._settled(left), 1.0 / self.read, ("walked",))
        if -1 in state.walkers:
            v = state.walkers.index(-1)
            begun = state._replace(walkers=_put(state.walkers, v, 0))
            after = self._walk(begun, v)
            counts = ("gave up",) if self.give_up and after.walkers[v] < 0 else ()
            yield Move(self._settled(after), self.walks, counts)

    def _at(self, state: State, g: int, shard: Shard) -> Iterator[Move[State]]:
        """Yield what may happen at one shard."""
        n = len(self.programs)
        if shard.passing:
            time = self.wake if shard.passing == "wake" else self.handoff
            yield Move(_with(state, g, passing=""), 1.0 / time)
        elif shard.owner >= 0:
            yield self._finish(state, g, shard.owner)
        for who in shard.inside:
            if who < n:
                yield self._finish(state, g, who)
        if self.wake > 0.0:
            if shard.woken:
                yield Move(self._settled(self._woken(state, g)), 1.0 / self.wake)
            if shard.looks:
                yield Move(self._look(state, g), 1.0 / self.wake)
        if shard.limit and 0.0 < self.spin < math.inf:
            mean = self.spin * (20 + min(30, shard.limit - 1)) / 20
            yield Move(self._tired(state, g), 1.0 / mean)
        if 0.0 < self.timeout < math.inf:
            for k, waiter in enumerate(shard.queue):
                if not waiter.overdue:
                    queue = (*shard.queue[:k], Waiter(waiter.who, True), *shard.queue[k + 1 :])
                    yield Move(_with(state, g, queue=queue), 1.0 / self.timeout)

    def _finish(self, state: State, g: int, p: int) -> Move[State]:
        """Let process p leave shard g and go on."""
        at = state.steps[p]
        assert at is not None
        rate = 1.0 / self._step(state, p).hold
        after = self._left(state, g, p)
        if at[1] + 1 < len(self.programs[p][at[0]].steps):
            return Move(self._settled(self._go(after, p, (at[0], at[1] + 1))), rate)
        after = after._replace(steps=_put(after.steps, p, None))
        return Move(self._settled(after), rate, ("done", f"done {p}"))

    def _go(self, state: State, p: int, to: tuple[int, int]) -> State:
        """Let process p come to a step."""
        state = state._replace(steps=_put(state.steps, p, to))
        step = self._step(state, p)
        return self._come(state, step.shard, p, step.reads)

    def _come(self, state: State, g: int, who: int, reads: bool) -> State:
        """Let somebody come to shard g."""
        shard = state.shards[g]
        if reads:
            if shard.owner < 0 and not shard.bit and not (shard.read and shard.queue):
                return _with(state, g, inside=tuple(sorted((*shard.inside, who))))
            return self._queued(state, g, who)
        if shard.free and not shard.bit:
            return _with(state, g, owner=who)
        if shard.tired or (self.cpus and self._awake(state) > self.cpus):
            return self._queued(state, g, who)
        limit = shard.limit or (1 + shard.read if shard.read else 0)
        return _with(state, g, spinning=(*shard.spinning, who), limit=limit)

    def _awake(self, state: State) -> int:
        n = len(self.programs)
        asleep = sum(
            sum(waiter.who < n for waiter in shard.queue) + sum(who < n for who in shard.woken)
            for shard in state.shards
        )
        return n - asleep

    def _queued(self, state: State, g: int, who: int) -> State:
        queue = (*state.shards[g].queue, Waiter(who, self.timeout == 0.0))
        return _with(state, g, queue=queue)

    def _tired(self, state: State, g: int) -> State:
        spinning = state.shards[g].spinning
        state = _with(state, g, spinning=(), tired=True, limit=0)
        for who in spinning:
            state = self._queued(state, g, who)
        return state

    def _left(self, state: State, g: int, who: int) -> State:
        """Let somebody leave shard g, and pass it on if nobody else owns it."""
        shard = state.shards[g]
        wrote = shard.owner == who
        if wrote:
            shard = shard._replace(owner=-1)
        else:
            shard = shard._replace(inside=tuple(p for p in shard.inside if p != who))
            if shard.read:
                return _with(state, g, inside=shard.inside)
            shard = shard._replace(tired=False, limit=0)
        state = state._replace(shards=_put(state.shards, g, shard))
        if not shard.queue:
            return self._to_spinner(state, g)
        head = shard.queue[0]
        if self._reads(state, head.who):
            if shard.spinning and not shard.bit:
                return self._to_spinner(_with(state, g, bit="sleeps" if head.overdue else ""), g)
            granted = tuple(w.who for w in shard.queue if self._reads(state, w.who))
            rest = tuple(w for w in shard.queue if not self._reads(state, w.who))
            limit = 1 + len(granted) if shard.spinning else 0
            return _with(state, g, woken=granted, queue=rest, bit="", limit=limit)
        if shard.bit:
            how = "lead" if shard.bit == "spins" and wrote else "wake"
            if (self.handoff if how == "lead" else self.wake) == 0.0:
                how = ""
            return _with(state, g, owner=head.who, passing=how, queue=shard.queue[1:], bit="")
        state = _with(state, g, looks=True)
        return self._to_spinner(state, g)

    def _to_spinner(self, state: State, g: int) -> State:
        shard = state.shards[g]
        if not shard.spinning:
            return state
        how = "hand" if self.handoff > 0.0 else ""
        return _with(state, g, owner=shard.spinning[0], passing=how, spinning=shard.spinning[1:])

    def _look(self, state: State, g: int) -> State:
        """Let the head of the queue, a writer that was woken, look."""
        shard = state.shards[g]
        head = shard.queue[0]
        if shard.free:
            return _with(state, g, owner=head.who, queue=shard.queue[1:], looks=False)
        if not head.overdue:
            return _with(state, g, looks=False)
        return _with(state, g, looks=False, bit="spins" if shard.owner >= 0 else "sleeps")

    def _woken(self, state: State, g: int) -> State:
        """Let the readers that were granted shard g in; walkers go on to the next."""
        shard = state.shards[g]
        inside = tuple(sorted((*shard.inside, *shard.woken)))
        state = _with(state, g, inside=inside, woken=())
        for who in shard.woken:
            if who >= len(self.programs):
                v = who - len(self.programs)
                walkers = _put(state.walkers, v, state.walkers[v] + 1)
                state = self._walk(state._replace(walkers=walkers), v)
        return state

    def _walk(self, state: State, v: int) -> State:
        """Let walker v take shards as far as it gets."""
        who = len(self.programs) + v
        while state.walkers[v] < self.shards:
            g = state.walkers[v]
            shard = state.shards[g]
            if self.give_up and (shard.owner >= 0 or shard.bit or shard.queue):
                state = state._replace(walkers=_put(state.walkers, v, -1))
                for had in range(g):
                    state = self._left(state, had, who)
                return state
            state = self._come(state, g, who, True)
            if who not in state.shards[g].inside:
                return state
            state = state._replace(walkers=_put(state.walkers, v, g + 1))
        return state

    def _settled(self, state: State) -> State:
        """Let happen at once what takes no time."""
        for g in range(self.shards):
            if self.spin == 0.0 and state.shards[g].limit:
                state = self._tired(state, g)
            while self.wake == 0.0 and (state.shards[g].woken or state.shards[g].looks):
                looks = state.shards[g].looks
                state = self._look(state, g) if looks else self._woken(state, g)
        return state


def _put(values: tuple[Any, ...], k: int, value: Any) -> tuple[Any, ...]:
    return (*values[:k], value, *values[k + 1 :])


def _with(state: State, g: int, **changes: Any) -> State:
    """Return the state with something changed of shard g."""
    return state._replace(shards=_put(state.shards, g, state.shards[g]._replace(**changes)))


def _features(state: State) -> tuple[int, ...]:
    numbers = [sum(step is None for step in state.steps)]
    for shard in state.shards:
        numbers += [len(shard.spinning), len(shard.queue), shard.read]
    return tuple(numbers)
