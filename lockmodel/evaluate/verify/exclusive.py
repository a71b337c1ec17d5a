"""Exclusive locks with every process and its place by name: fifo, ticket, barging, numa.

A process thinks, then takes the lock once per stage. How long a hold and a hand-off take depends on
where the lock was held before; the simulator draws it, product form takes its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lockmodel.evaluate.verify.named import Move, answer

SAME_CPU, SAME_NODE, OTHER_NODE = "same_cpu", "same_node", "other_node"


class Doing(NamedTuple):
    """What the lock does: it is "held" by somebody, or "passed" to them.

    `near` is where it was held before; `waiting` how many waited at the release.
    """

    what: str
    who: int
    near: str = ""
    waiting: int = 0


class Look(NamedTuple):
    """A waiter of a barging lock that will look whether it is free, on average so much later."""

    who: int
    mean: float


class State(NamedTuple):
    """Stages of the processes, who waits, what the lock does, who had it last.

    Stage 0 thinks, and minus k does so before stage k.
    """

    stages: tuple[int, ...]
    queue: tuple[int, ...]
    doing: Doing | None
    last: int
    look: Look | None


class _Outcome(NamedTuple):
    """One way in which something goes on: its share, what follows and what it counts as."""

    share: float
    state: State
    counts: tuple[str, ...]


@dataclass(frozen=True)
class Exclusive:
    """A lock of one shard and its processes; all times are exponential, in seconds.

    Attributes
    ----------
    kind : str
        A discipline without readers.
    think : float
    holds : tuple of float
        Mean holds on own lines, one per stage.
    nodes : tuple of int
        Where each process runs.
    cost : callable
        (waiters at the release, whether another node has had it) -> mean hand-off.
    remote, same_node : float
        A hold in another node over one on own lines; the share of what is more that it takes in
        the same node.
    lines : float
        What a hold takes longer after another process than after its own.
    gaps : tuple of float
        Time before each stage but the first; none by default.
    """

    kind: str
    think: float
    holds: tuple[float, ...]
    nodes: tuple[int, ...]
    cost: Callable[[int, bool], float]
    remote: float = 1.0
    same_node: float = 1.0
    lines: float = 0.0
    gaps: tuple[float, ...] = ()

    def means(self) -> dict[str, float]:
        """Return rates of "done", "acquires", "contended" and distances, mean waiters, and busy."""
        n = len(self.nodes)
        start = State((0,) * n, (), None, 0, None)
        if self.think == 0.0:
            all_here = State((1,) * n, tuple(range(1, n)), None, n - 1, None)
            start = self._begin(all_here, 0, ()).state

        def level(state: State) -> dict[str, float]:
            passing = state.doing is not None and state.doing.what == "passed"
            return {
                "waiting": float(len(state.queue) + passing),
                "busy": float(state.doing is not None),
            }

        return answer(start, self.moves, level, lambda state: (len(state.queue),))

    def moves(self, state: State) -> Iterator[Move[State]]:
        """Yield what may happen."""
        for p, stage in enumerate(state.stages):
            if stage == 0:
                yield self._move(1.0 / self.think, self._come(state, p, 1, ()))
            elif stage < 0:
                yield self._move(1.0 / self.gaps[-stage - 2], self._come(state, p, -stage, ()))
        if state.look is not None:
            who, mean = state.look
            if state.doing is None:
                rest = tuple(q for q in state.queue if q != who)
                free = state._replace(queue=rest, look=None)
                yield self._move(1.0 / mean, self._begin(free, who, ("contended",)))
            else:
                yield Move(state._replace(look=None), 1.0 / mean)
        if state.doing is None:
            return
        who = state.doing.who
        if state.doing.what == "passed":
            mean = self.cost(state.doing.waiting, self._far(state.last, who))
            yield self._move(1.0 / mean, self._begin(state, who, ("contended",)))
            return
        share = {SAME_CPU: 0.0, SAME_NODE: self.same_node, OTHER_NODE: 1.0}[state.doing.near]
        stage = state.stages[who]
        mean = self.holds[stage - 1] * (1.0 + (self.remote - 1.0) * share)
        mean += self.lines * (state.doing.near != SAME_CPU)
        for outcome in self._released(state, who):
            counts = outcome.counts
            if stage == len(self.holds):
                counts = (*counts, "done")
                if self.think > 0.0:
                    stages = _put(state.stages, who, 0)
                    to = outcome.state._replace(stages=stages)
                    yield Move(to, outcome.share / mean, counts)
                    continue
            following = 1 if stage == len(self.holds) else stage + 1
            if following > 1 and self.gaps:
                stages = _put(outcome.state.stages, who, -following)
                yield Move(outcome.state._replace(stages=stages), outcome.share / mean, counts)
                continue
            come = self._come(outcome.state, who, following, counts)
            yield self._move(outcome.share / mean, come)

    def _released(self, state: State, who: int) -> list[_Outcome]:
        """Return how the lock goes on that somebody has just left."""
        queue, waiting = state.queue, len(state.queue)
        if queue and self.kind == "barging":
            free = state._replace(doing=None)
            if state.look is not None:
                return [_Outcome(1.0, free, ())]
            looks = [Look(q, self.cost(waiting, self._far(who, q))) for q in queue]
            return [_Outcome(1.0 / waiting, free._replace(look=look), ()) for look in looks]
        if not queue:
            return [_Outcome(1.0, state._replace(doing=None), ())]
        near = [q for q in queue if not self._far(who, q)]
        first = near[0] if near and self.kind == "numa" else queue[0]
        left = state._replace(queue=tuple(q for q in queue if q != first))
        if self.cost(waiting, self._far(who, first)) == 0.0:
            _, begun, counts = self._begin(left, first, ("contended",))
            return [_Outcome(1.0, begun, counts)]
        return [_Outcome(1.0, left._replace(doing=Doing("passed", first, "", waiting)), ())]

    def _come(self, state: State, p: int, stage: int, counts: tuple[str, ...]) -> _Outcome:
        """Let process p come to the lock."""
        state = state._replace(stages=_put(state.stages, p, stage))
        if state.doing is None:
            return self._begin(state, p, counts)
        return _Outcome(1.0, state._replace(queue=(*state.queue, p)), counts)

    def _begin(self, state: State, p: int, counts: tuple[str, ...]) -> _Outcome:
        """Let process p hold the lock."""
        near = OTHER_NODE if self._far(state.last, p) else SAME_NODE
        near = SAME_CPU if state.last == p else near
        held = state._replace(doing=Doing("held", p, near), last=p)
        return _Outcome(1.0, held, (*counts, near, "acquires"))

    def _far(self, last: int, p: int) -> bool:
        return self.nodes[last] != self.nodes[p]

    @staticmethod
    def _move(rate: float, outcome: _Outcome) -> Move[State]:
        return Move(outcome.state, outcome.share * rate, outcome.counts)


def constant(time: float) -> Callable[[int, bool], float]:
    """Return a hand-off that always takes as long."""
    return lambda waiting, far: time


def by_node(local: float, remote: float) -> Callable[[int, bool], float]:
    """Return a hand-off that takes longer to another node."""
    return lambda waiting, far: remote if far else local


def linear(time: float, more: float) -> Callable[[int, bool], float]:
    """Return a hand-off that grows with every further waiter."""
    return lambda waiting, far: time + more * (waiting - 1)


def _put(values: tuple[int, ...], k: int, value: int) -> tuple[int, ...]:
    return (*values[:k], value, *values[k + 1 :])
