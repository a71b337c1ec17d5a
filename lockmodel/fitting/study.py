"""What is fitted to what: data sets, each with its scenario, and parameters shared by name.

Data sets are the runs of one file, variant and kernel. Each has a scenario of its own: the
model, after the levers that its variant stands for. A parameter is one unknown per value of its
scope: "all" is one for everything, "machine" one per machine, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lockmodel.errors import ArgumentError, nearest
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.parameters import Parameter
from lockmodel.model.scenario import Scenario
from lockmodel.observe.observations import Observation

SCOPES = ("all", "machine", "model", "file", "variant", "kernel")

DEFAULT_SCOPE = "machine"
"""Times of a lock belong to a machine: stock and patched kernels on it share them."""

CARRIED = "handoff_instructions"

DEFAULT_SCOPES = {
    CARRIED: "all",
    "think": "model",
    "think_remote": "model",
    "acquires": "model",
    "held_instructions": "model",
    "lines": "model",
}
"""Keys shared otherwise: what an iteration does belongs to the model, stock and patched alike;
freeing the hand-off in held instructions means carrying this ratio over to all machines."""


@dataclass(frozen=True)
class DataSet:
    """Observations of one file, variant and kernel, and the scenario that describes them.

    Attributes
    ----------
    file, variant, kernel : str
    scenario : Scenario
        The model after the levers of the variant.
    observations : tuple of Observation
        Repeats already averaged; see `repeats`.
    repeats : tuple of int
        Measurements behind each observation.
    stock : Scenario
        The model without the levers: what a gain is a gain over.
    """

    file: str
    variant: str
    kernel: str
    scenario: Scenario
    observations: tuple[Observation, ...]
    repeats: tuple[int, ...]
    stock: Scenario

    @property
    def label(self) -> str:
        """File and variant, as tables show them."""
        return ":".join(filter(None, (self.file, self.variant or self.kernel)))

    def scope(self, scope: str) -> str:
        """Return the value that a parameter of this scope is kept apart by."""
        return {
            "all": "",
            "machine": self.scenario.machine.name,
            "model": self.stock.name,
            "file": self.file,
            "variant": self.variant,
            "kernel": self.kernel,
        }[scope]


@dataclass(frozen=True)
class Unknown:
    """One number to be estimated.

    Attributes
    ----------
    name : str
        Parameter, and "@value" of its scope where there are several.
    unit : {'s', '1'}
    members : tuple of (int, Parameter)
        Data sets in which it appears, and as what.
    start, lower, upper : float
        Value in the model and limits, in `unit`.
    """

    name: str
    unit: str
    members: tuple[tuple[int, Parameter], ...]
    start: float
    lower: float
    upper: float

    @property
    def key(self) -> str:
        """What of the scenario it is."""
        return self.members[0][1].key


@dataclass(frozen=True)
class Study:
    """Data sets and unknowns: all that an objective needs.

    Attributes
    ----------
    sets : tuple of DataSet
    unknowns : tuple of Unknown
    """

    sets: tuple[DataSet, ...]
    unknowns: tuple[Unknown, ...]
    _by_set: tuple[tuple[tuple[int, Parameter], ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_set: list[list[tuple[int, Parameter]]] = [[] for _ in self.sets]
        for index, unknown in enumerate(self.unknowns):
            for where, parameter in unknown.members:
                by_set[where].append((index, parameter))
        object.__setattr__(self, "_by_set", tuple(tuple(one) for one in by_set))

    def of(self, where: int) -> tuple[tuple[int, Parameter], ...]:
        """Return (index of the unknown, parameter) for one data set."""
        return self._by_set[where]

    def of_stock(self, where: int) -> tuple[tuple[int, Parameter], ...]:
        """Return the same for the model that a data set's variant changes.

        A lever may take away what is fitted (a hand-off made free), or bring what the model has
        not: the model's own are those of the data sets that share it.
        """
        stock = self.sets[where].stock
        members: dict[str, tuple[int, Parameter]] = {}
        for other, data in enumerate(self.sets):
            if data.stock == stock:
                for index, parameter in self.of(other):
                    if ps.has(stock, parameter.name):
                        members.setdefault(parameter.name, (index, parameter))
        for index, parameter in self.of(where):  # its own scope counts first
            if parameter.name in members:
                members[parameter.name] = (index, parameter)
        return tuple(members.values())

    def values(self, where: int, theta: np.ndarray) -> dict[str, float]:
        """Return the parameters' values of one data set, by name."""
        return {p.name: float(np.exp(theta[index])) for index, p in self.of(where)}

    def scenario(self, where: int, theta: np.ndarray) -> Scenario:
        """Return the scenario of one data set at theta, the logarithms of the unknowns."""
        own = [p for _, p in self.of(where)]
        return ps.apply(self.sets[where].scenario, own, self.values(where, theta))

    @property
    def start(self) -> np.ndarray:
        """Logarithms of the model's own values, shape (unknowns,)."""
        return np.log([u.start for u in self.unknowns])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the limits, shapes (unknowns,)."""
        return np.log([u.lower for u in self.unknowns]), np.log([u.upper for u in self.unknowns])


def default_free(scenario: Scenario) -> tuple[str, ...]:
    """Return what is fitted when nothing is said: think time, held time and hand-off.

    Where lines are counted they are both: then their overlap, and the lines of a hand-off.
    """
    taken = scenario.taken
    free = ["think"] if scenario.think > 0 else []
    if scenario.think_remote > 0:
        free.append("think_remote")
    if any(site.moves_lines for site in scenario.sites):
        free.append("line_overlap")
        return (*free, "handoff_lines") if any(k.handoff_lines for k in taken) else tuple(free)
    if any(scenario.held_instructions(lock.name, 2.0) > 0 for lock in taken):
        free.append("hold")
    passing = [lock.name for lock in taken if ps.handoff_keys(lock)]
    if passing and len(passing) == len(taken):
        return (*free, "handoff")
    return (*free, *(f"{name}.handoff" for name in passing))


def plan(
    sets: Sequence[DataSet], free: Sequence[str], share: Mapping[str, str] | None = None
) -> Study:
    """Return the study: which unknowns there are and where each appears.

    Parameters
    ----------
    sets : sequence of DataSet
        At least one.
    free : sequence of str
        Parameters by name, see `parameters`; one that a model lacks is left out there.
    share : mapping of str to str, optional
        Parameter -> scope, one of `SCOPES`.

    Raises
    ------
    ArgumentError
        A parameter that no model has, is given twice or overlaps another; an unknown scope.
    """
    share = _resolved(dict(share or {}), free)
    groups: dict[tuple[str, str], list[tuple[int, Parameter]]] = {}
    scopes: dict[str, str] = {}
    for text in free:
        problems: list[ArgumentError] = []
        for where, data in enumerate(sets):
            try:
                parameter = ps.parse(text, data.scenario)
            except ArgumentError as error:
                problems.append(error)
                continue
            if ps.read(data.scenario, parameter) == 0.0 and _has_it(text, sets):
                continue  # another model has it; this one says that it is nothing here
            default = DEFAULT_SCOPES.get(parameter.key, DEFAULT_SCOPE)
            scope = share.get(text, default)
            scopes[parameter.name] = scope
            group = groups.setdefault((parameter.name, data.scope(scope)), [])
            if any(index == where for index, _ in group):
                raise ArgumentError(f"--free: {parameter.name} is given twice; name it once")
            group.append((where, parameter))
        if len(problems) == len(sets):
            raise problems[0]
    many = {name for name in scopes if len({scope for other, scope in groups if other == name}) > 1}
    unknowns = tuple(
        _unknown(f"{name}@{scope or 'stock'}" if name in many else name, members, sets)
        for (name, scope), members in groups.items()
    )
    _check_overlap(unknowns)
    return Study(tuple(sets), unknowns)


def _has_it(text: str, sets: Sequence[DataSet]) -> bool:
    """Return whether some model has a value above 0 for a parameter."""
    for data in sets:
        try:
            if ps.read(data.scenario, ps.parse(text, data.scenario)) > 0.0:
                return True
        except ArgumentError:
            continue
    return False


def _resolved(share: dict[str, str], free: Sequence[str]) -> dict[str, str]:
    """Return the scopes by the texts of `free`; aliases and omitted `all.` are understood."""

    def plain(text: str) -> str:
        lock, dot, key = text.removeprefix("all.").rpartition(".")
        return lock + dot + ps.ALIASES.get(key, key)

    made = {}
    for name, scope in share.items():
        if scope not in SCOPES:
            raise ArgumentError(f"--share {name}={scope}: {nearest(scope, list(SCOPES))}")
        meant = [text for text in free if plain(text) == plain(name)]
        if not meant:
            raise ArgumentError(
                f"--share {name}={scope}: {name} is not free; add it to --free, or "
                f"{nearest(name, list(free))}"
            )
        made.update(dict.fromkeys(meant, scope))
    return made


def _unknown(
    name: str, members: Sequence[tuple[int, Parameter]], sets: Sequence[DataSet]
) -> Unknown:
    unit = members[0][1].unit
    values = [ps.read(sets[where].scenario, p) or ps.SMALLEST[unit] for where, p in members]
    start = float(np.exp(np.mean(np.log(values))))
    limits = [ps.limits(sets[where].scenario, p) for where, p in members]
    lower, upper = max(low for low, _ in limits), min(high for _, high in limits)
    fixed = [low for low, high in limits if low >= high]
    if fixed:
        raise ArgumentError(
            f"--free {name}: it can only be {fixed[0]:g} on this machine; take it out of --free"
        )
    if not lower < upper:
        raise ArgumentError(
            f"--free {name}: the models leave no value for it (at least {lower:g}, at most "
            f"{upper:g}); free it per model: --share {name.partition('@')[0]}=model"
        )
    return Unknown(name, unit, tuple(members), min(max(start, lower), upper), lower, upper)


def _check_overlap(unknowns: Sequence[Unknown]) -> None:
    """Raise if two unknowns of one data set move the same number."""
    for i, one in enumerate(unknowns):
        for other in unknowns[:i]:
            both = dict(one.members)
            for where, parameter in other.members:
                if where in both and _same(both[where], parameter):
                    raise ArgumentError(
                        f"--free: {other.name} and {one.name} move the same number; keep one"
                    )


def _same(one: Parameter, other: Parameter) -> bool:
    if one.lock != other.lock and "all" not in (one.lock, other.lock):
        return False
    if one.key == other.key:
        return True
    whole = ("handoff", CARRIED)
    keys = (one.key, other.key)
    if set(keys) == {"demand", "time_per_instruction_remote"}:
        return True
    return any(
        a in whole and (b in whole or (b.startswith("handoff.") and b != "handoff.half_waiters"))
        for a, b in (keys, keys[::-1])
    )
