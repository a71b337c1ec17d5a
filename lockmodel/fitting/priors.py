"""What is known of times before anything is measured: log-normal priors from published figures.

A prior is a pseudo-measurement of a value, with a relative standard deviation; `--no-priors`
leaves all out. They are wide on purpose: they keep an unmeasured time in the range that machines
have, and never settle an argument about a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.fitting import parameters as ps
from lockmodel.fitting.parameters import Parameter
from lockmodel.fitting.study import CARRIED, Study
from lockmodel.model.disciplines import TABLE, discipline

Z90 = 1.6448536269514722
"""95 % quantile of the normal distribution: half of a two-sided 90 % interval."""


@dataclass(frozen=True)
class Range:
    """A published range, taken as the central 90 % of a log-normal distribution.

    Attributes
    ----------
    low, high : float
        In s, or a pure number.
    source : str
        What the range spans.
    """

    low: float
    high: float
    source: str

    @property
    def median(self) -> float:
        """Geometric middle."""
        return math.sqrt(self.low * self.high)

    @property
    def sd(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.high / self.low) / (2.0 * Z90)


OTHERS = {
    "acquire_time": Range(10e-9, 60e-9, f"uncontended lock + unlock 15 to 52 ns ({TABLE})"),
    "time_per_instruction_local": Range(
        0.15e-9, 0.9e-9, "0.3 to 4 instructions per cycle at 2 to 4 GHz (assumed)"
    ),
    "smt_speedup": Range(1.05, 1.5, "gain of a second hardware thread (assumed)"),
    "line_overlap": Range(0.3, 0.7, "saturated rates of four machines: 0.40 to 0.53"),
    "handoff_lines": Range(
        3.2, 10.5, "5.8 distinct lines of 14 to 16 transfers (counted; overlap not known)"
    ),
    "same_node_cost": Range(0.2, 0.6, f"two-socket Xeons 0.28 to 0.50 ({TABLE})"),
}
"""Key -> range of its value."""


INSTRUCTIONS = ("time_per_instruction_local", "time_per_instruction_remote", "demand")
"""Keys that move a hand-off given in instructions."""


@dataclass(frozen=True)
class Prior:
    """A range on a value of one data set's scenario.

    Attributes
    ----------
    where : int
        Data set.
    parameter : Parameter
        The value it is about; need not be free itself.
    range : Range
    """

    where: int
    parameter: Parameter
    range: Range


def priors(study: Study) -> tuple[Prior, ...]:
    """Return the priors on everything that the unknowns of a study move.

    One per value and unknowns that move it: data sets that share these share their prior. A
    hand-off carried over in instructions is another time on every machine: a prior on each.
    """
    made: dict[tuple[str, tuple[int, ...]], Prior] = {}
    for where in range(len(study.sets)):
        own = study.of(where)
        for _, parameter in own:
            for target in _targets(parameter):
                lock = target.lock
                bound = _range(study, where, target)
                if bound is None:
                    continue
                carried = any(p.key == CARRIED for _, p in own)
                movers = tuple(
                    index
                    for index, p in own
                    if target.name in [t.name for t in _targets(p)]
                    or (carried and target.key == "handoff" and p.key in INSTRUCTIONS)
                )
                made.setdefault((f"{target.key}/{lock}", movers), Prior(where, target, bound))
    return tuple(made.values())


def _targets(parameter: Parameter) -> Sequence[Parameter]:
    """Return the values with a prior that a parameter moves."""
    if parameter.key in OTHERS:
        return (parameter,)
    if parameter.key.startswith("handoff"):
        return (Parameter(f"{parameter.lock}.handoff", "handoff", parameter.lock),)
    return ()


def _range(study: Study, where: int, target: Parameter) -> Range | None:
    if target.key != "handoff":
        return OTHERS[target.key]
    scenario = study.sets[where].scenario
    taken = [x for x in scenario.taken if target.lock in ("all", x.name)]
    if not taken or not ps.handoff_keys(taken[0]):
        return None
    return Range(*discipline(taken[0].kind).handoff)
