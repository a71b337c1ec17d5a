"""A mutex with every process by name: who spins, who sleeps, who is on the way to look.

A process thinks, then takes the lock once per stage. What the simulator does is written down in
`solvers.simulation.mutex`; here it is moves between states, all times exponential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lockmodel.evaluate.verify.named import Move, answer


class State(NamedTuple):
    """Stages of the processes (0 thinks), and what the lock and its waiters do.

    `holder` has it, or is `handed` it: "" it holds, else it waited as "spinner" or "sleeper".
    `looking` is the spinner that will look, `tired` whether its limit has ended meanwhile; `roused`
    whether the first sleeper is waking up.
    """

    stages: tuple[int, ...]
    spinning: tuple[int, ...] = ()
    sleeping: tuple[int, ...] = ()
    holder: int = -1
    handed: str = ""
    looking: int = -1
    tired: bool = False
    roused: bool = False


@dataclass(frozen=True)
class Mutex:
    """A mutex and its processes; all times are exponential means, in seconds.

    Attributes
    ----------
    think : float
    holds : tuple of float
        One per stage.
    population : int
    handoff, wake, limit : float
        Until a spinner has looked, until a woken sleeper runs, until a spinner goes to sleep.
    barge : bool
        Whether a released lock is free.
    """

    think: float
    holds: tuple[float, ...]
    population: int
    handoff: float
    wake: float
    limit: float
    barge: bool = True

    def means(self) -> dict[str, float]:
        """Return rates of "done", "acquires" and "contended"; mean waiters, sleepers, and busy."""

        def level(state: State) -> dict[str, float]:
            asleep = len(state.sleeping) + (state.handed == "sleeper")
            return {
                "waiting": float(len(state.spinning) + asleep + (state.handed == "spinner")),
                "asleep": float(asleep),
                "busy": float(state.holder >= 0),
            }

        def features(state: State) -> tuple[int, ...]:
            return len(state.spinning), len(state.sleeping)

        return answer(State((0,) * self.population), self.moves, level, features)

    def moves(self, state: State) -> Iterator[Move[State]]:
        """Yield what may happen."""
        for p, stage in enumerate(state.stages):
            if stage == 0:
                yield self._come(state, p, 1, 1.0 / self.think, ())
        for p in state.spinning:
            tired = state._replace(tired=True)
            if p != state.looking:
                yield Move(_lie_down(state, p), 1.0 / self.limit)
            elif not state.tired:
                yield Move(tired, 1.0 / self.limit)
        if state.looking >= 0:
            yield self._look(state)
        if state.roused:
            awake = state._replace(roused=False)
            if state.holder < 0:
                first, *rest = state.sleeping
                awake = awake._replace(sleeping=tuple(rest), holder=first)
                yield Move(awake, 1.0 / self.wake, ("acquires", "contended"))
            else:
                yield Move(awake, 1.0 / self.wake)
        if state.handed:
            rate = 1.0 / (self.handoff if state.handed == "spinner" else self.wake)
            yield Move(state._replace(handed=""), rate, ("acquires", "contended"))
        elif state.holder >= 0:
            yield from self._leave(state)

    def _come(
        self, state: State, p: int, stage: int, rate: float, counts: tuple[str, ...]
    ) -> Move[State]:
        """Return the move by which process p comes to the lock."""
        state = state._replace(stages=(*state.stages[:p], stage, *state.stages[p + 1 :]))
        if state.holder < 0:
            return Move(state._replace(holder=p), rate, (*counts, "acquires"))
        if self.limit == 0.0:
            return Move(state._replace(sleeping=(*state.sleeping, p)), rate, counts)
        return Move(state._replace(spinning=(*state.spinning, p)), rate, counts)

    def _look(self, state: State) -> Move[State]:
        """Return the move by which a spinner sees whether the lock is free."""
        p = state.looking
        seen = state._replace(looking=-1, tired=False)
        if state.holder < 0:
            rest = tuple(q for q in state.spinning if q != p)
            taken = seen._replace(spinning=rest, holder=p)
            return Move(taken, 1.0 / self.handoff, ("acquires", "contended"))
        return Move(_lie_down(seen, p) if state.tired else seen, 1.0 / self.handoff)

    def _leave(self, state: State) -> Iterator[Move[State]]:
        """Yield the moves by which the holder leaves the lock and goes on."""
        p = state.holder
        stage = state.stages[p]
        last = stage == len(self.holds)
        counts = ("done",) if last else ()
        following = 1 if last else stage + 1
        for share, left in self._released(state._replace(holder=-1)):
            rate = share / self.holds[stage - 1]
            if last and self.think > 0.0:
                stages = (*left.stages[:p], 0, *left.stages[p + 1 :])
                yield Move(left._replace(stages=stages), rate, counts)
            else:
                yield self._come(left, p, following, rate, counts)

    def _released(self, state: State) -> list[tuple[float, State]]:
        """Return how a lock that has just been left goes on, each with its share."""
        if not self.barge:
            if state.sleeping:
                first, *rest = state.sleeping
                left = state._replace(sleeping=tuple(rest), holder=first, handed="sleeper")
                return [(1.0, left)]
            if state.spinning:
                first, *rest = state.spinning
                left = state._replace(spinning=tuple(rest), holder=first, handed="spinner")
                return [(1.0, left)]
            return [(1.0, state)]
        state = state._replace(roused=bool(state.sleeping))
        if not state.spinning or state.looking >= 0:
            return [(1.0, state)]
        share = 1.0 / len(state.spinning)
        return [(share, state._replace(looking=p)) for p in state.spinning]


def _lie_down(state: State, p: int) -> State:
    """Return the state in which process p has gone from spinning to sleep."""
    rest = tuple(q for q in state.spinning if q != p)
    return state._replace(spinning=rest, sleeping=(*state.sleeping, p))
