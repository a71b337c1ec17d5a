"""Throughput of a scenario as a function of its free parameters, with exact derivatives.

Service times are linear in every time of a scenario, and in lines times their overlap, so they are
built once per unit of each and then summed: a fit costs one solution per population and step,
nothing is built again. The derivative of ln X is the sum over stations and levels of the exact
sensitivity to the rate there (DESIGN section 4) times the derivative of the service. Where a
parameter is not linear (a half_waiters, same_node_cost, walkers) the network is built anew and its
services are differentiated numerically; where shards are pinned, throughput itself is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lockmodel.errors import LockmodelError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.parameters import Parameter
from lockmodel.model.network import CPU, Network, Station, build
from lockmodel.model.scenario import LINES, Scenario
from lockmodel.solvers.product_form import SHORTEST, Solution, rate_elasticity, solve
from lockmodel.solvers.side_by_side import log_throughputs

STEP = 1e-5
"""Relative step of numerical derivatives of service times: error some 1e-10."""

THROUGHPUT_STEP = 1e-4
"""... of throughput itself."""

AGREES = 1e-9
"""Relative difference up to which summed services count as the built ones."""

MOST_TOGETHER = 4
"""Stations beside the CPUs up to which all populations are solved side by side."""

SHORT = 1e-4
"""Share of the longest service of a station below which its shortest may be held up by
`network.VANISHING` of a hand-off with `network.CROWD` waiters: sums know nothing of that."""

PROBE = 1.3
"""Factor on all free parameters at which linearity is checked."""


@dataclass(frozen=True)
class _Time:
    """A time of the scenario: its parameter and what multiplies it in the service times."""

    parameter: Parameter
    kind: str


def amounts(scenario: Scenario, units: Sequence[_Time]) -> np.ndarray:
    """Return the times, times acquires or held instructions where these multiply them."""
    factors: dict[tuple[str, str], float] = {("", ""): 1.0}
    overlap = scenario.machine.line_overlap
    for lock in scenario.locks:
        acquires = scenario.acquires(lock.name)
        factors[lock.name, "acquires"] = acquires
        factors[lock.name, "instructions"] = scenario.held_instructions(lock.name, 1.0)
        factors[lock.name, "lines"] = overlap * _counted(scenario, lock.name)
    locks = {lock.name: lock for lock in scenario.locks}
    made = np.empty(len(units))
    for k, unit in enumerate(units):
        owner = unit.parameter.lock
        value = (
            ps.read_lock(scenario, locks[owner], unit.parameter.key)
            if owner
            else ps.read(scenario, unit.parameter)
        )
        made[k] = value * factors[owner, unit.kind]
    return made


def _counted(scenario: Scenario, lock: str) -> float:
    """Return a sum that is proportional to the lines of a lock: of its laws' coefficients."""
    return sum(
        site.acquires * abs(float(getattr(site, key)))
        for site in scenario.sites_of(lock)
        for key in LINES
    )


def _units(scenario: Scenario) -> list[_Time]:
    """Return every time, and every number of lines, that service times are linear in."""
    units = [_Time(Parameter(key, key, ""), "") for key in ps.SCENARIO_KEYS]
    for lock in scenario.taken:
        for key in ("time_per_instruction_local", "time_per_instruction_remote"):
            units.append(_Time(Parameter(f"{lock.name}.{key}", key, lock.name), "instructions"))
        keys = ["acquire_time", "handoff_lines"]
        keys += [f"handoff.{k}" for k in ps.handoff_keys(lock) if k != "half_waiters"]
        units += [_Time(Parameter(f"{lock.name}.{k}", k, lock.name), "acquires") for k in keys]
        units.append(_Time(Parameter(f"{lock.name}.lines", "lines", lock.name), "lines"))
    return units


Services = tuple[np.ndarray, ...]
"""Service times per station."""


def _padded(network: Network, sizes: Sequence[int]) -> Services:
    """Return the services with the last level repeated up to `sizes`."""
    return tuple(
        np.append(s.service, np.full(size - s.service.size, s.service[-1]))
        for s, size in zip(network.stations, sizes, strict=True)
    )


def _with_unit(scenario: Scenario, parameter: Parameter, value: float) -> Scenario:
    """Return the scenario with one time moved, and nothing that otherwise moves along with it."""
    replace = msgspec.structs.replace
    if not parameter.lock:
        return replace(scenario, **{parameter.key: value})
    if parameter.key in ps.FACTOR_KEYS:
        return ps.apply(scenario, [parameter], {parameter.name: value})
    lock = scenario.lock(parameter.lock)
    _, dot, part = parameter.key.partition(".")
    if dot:
        moved = replace(lock, handoff=replace(lock.handoff, **{part: value}))
    else:
        moved = replace(lock, **{parameter.key: value})
    return replace(
        scenario, locks=tuple(moved if x.name == lock.name else x for x in scenario.locks)
    )


POWER_AGREES = 1e-8
"""Difference between powers at three places that is put down to rounding."""

POWER_DIGITS = 7
"""Decimals of a power that are not rounding: powers are whole numbers."""


class _Linear:
    """Services of one population as sums over units."""

    def __init__(self, scenario: Scenario, n: int, units: Sequence[_Time]) -> None:
        base = build(scenario, n)
        moved = []
        for unit in units:
            value = ps.read(scenario, unit.parameter)
            rising = unit.parameter.key.endswith(("remote", "limit"))
            new = value * (2.0 if rising else 0.5)
            there = _with_unit(scenario, unit.parameter, new)
            change = amounts(there, [unit]) - amounts(scenario, [unit])
            moved.append((build(there, n), float(change[0])))
        networks = [base, *(network for network, _ in moved)]
        if len({tuple(s.name for s in net.stations) for net in networks}) > 1:
            raise ValueError("stations come and go")
        columns = zip(*(net.stations for net in networks), strict=True)
        sizes = [max(s.service.size for s in column) for column in columns]
        start = _padded(base, sizes)
        self.stations = base.stations
        self.per_unit = [
            np.array([(_padded(net, sizes)[i] - start[i]) / change for net, change in moved])
            for i in range(len(sizes))
        ]

    def services(self, amount: np.ndarray) -> Services:
        """Return the services for these amounts of the units."""
        return tuple(amount @ per_unit for per_unit in self.per_unit)


@dataclass(frozen=True)
class _Together:
    """Services of all populations as sums over units, for `side_by_side`.

    Attributes
    ----------
    populations : ndarray of int, shape (B,)
    shape : ndarray, shape (levels,)
        Rate of the CPUs over that with one process.
    think : ndarray, shape (units, B)
    services : ndarray, shape (units, B, K, 2)
    """

    populations: np.ndarray
    shape: np.ndarray
    think: np.ndarray
    services: np.ndarray

    def short(self, amount: np.ndarray) -> bool:
        """Return whether a pass without waiters is next to nothing beside one with."""
        services = np.tensordot(amount, self.services, 1)
        return bool((services.min(axis=-1) < SHORT * services.max(axis=-1)).any())

    def __call__(
        self, amount: np.ndarray, changes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return ln X and its derivatives; None where they must be solved one by one."""
        think = amount @ self.think
        services = np.tensordot(amount, self.services, 1)
        if min(think.min(), services.min()) <= SHORTEST or services.max() >= 1.0 / SHORTEST:
            return None
        think_slopes = (changes @ self.think) / think
        slopes = np.tensordot(changes, self.services, 1) / services
        return log_throughputs(self.populations, self.shape, think, services, think_slopes, slopes)


def _together(linear: dict[int, _Linear]) -> _Together | None:
    """Return the services of all populations side by side; None where the networks differ."""
    populations = np.array(list(linear))
    first = next(iter(linear.values()))
    kinds = {tuple((s.name, s.copies) for s in one.stations) for one in linear.values()}
    if len(kinds) > 1 or first.stations[0].name != CPU or (np.diff(populations) <= 0).any():
        return None
    copies = [s.copies for s in first.stations[1:]]
    levels = [per_unit.shape[1] for one in linear.values() for per_unit in one.per_unit[1:]]
    if sum(copies) > MOST_TOGETHER or max(levels, default=0) > 2:
        return None
    service = first.stations[0].service
    alone = [one.per_unit[0][:, :1] for one in linear.values()]
    for one, unit in zip(linear.values(), alone, strict=True):
        if not np.allclose(one.per_unit[0], unit * (service / service[0]), rtol=AGREES, atol=0.0):
            return None
    both = [
        [np.repeat(s[:, [0, -1]][:, None], count, 1) for s, count in zip(rest, copies, strict=True)]
        for rest in (one.per_unit[1:] for one in linear.values())
    ]
    services = [np.concatenate(one, 1) for one in both if one]
    if not services:
        return None
    return _Together(
        populations, service[0] / service, np.concatenate(alone, 1), np.stack(services, 1)
    )


class Response:
    """ln throughput of one scenario at some populations.

    Parameters
    ----------
    scenario : Scenario
    parameters : sequence of Parameter
        Free; everything else stays as it is in the scenario.
    populations : sequence of int
    """

    def __init__(
        self, scenario: Scenario, parameters: Sequence[Parameter], populations: Sequence[int]
    ) -> None:
        self.scenario = scenario
        self.parameters = tuple(sorted(parameters, key=lambda p: p.rank))
        self.populations = tuple(populations)
        self._start = {p.name: ps.read(scenario, p) for p in self.parameters}
        for p in self.parameters:
            if self._start[p.name] == 0.0:  # so that it has a proportion to change in
                self._start[p.name] = ps.SMALLEST[p.unit]
        self.scenario = self.at(self._start)
        build(scenario, max(self.populations))  # refuses a discipline that has no station
        kept = any(lock.keeps_shard for lock in scenario.locks)
        self._pinned = kept and any(
            s.users for n in self.populations for s in build(scenario, n).stations
        )
        every = _units(self.scenario)
        present = amounts(self.scenario, every) > 0
        self._units = [unit for unit, there in zip(every, present, strict=True) if there]
        self._linear = None if self._pinned else self._try_linear()
        self._powers = None if self._linear is None else self._constant_powers()
        self._together = None if self._linear is None else _together(self._linear)

    def at(self, values: dict[str, float]) -> Scenario:
        """Return the scenario with the free parameters at `values`."""
        return ps.apply(self.scenario, self.parameters, values)

    def _try_linear(self) -> dict[int, _Linear] | None:
        """Return services per unit and population, or None if sums of them are not the truth."""
        try:
            made = {n: _Linear(self.scenario, n, self._units) for n in self.populations}
        except (ValueError, LockmodelError):
            return None
        probe = self.at({name: PROBE * value for name, value in self._start.items()})
        for scenario in (self.scenario, probe):
            amount = self._amounts(scenario)
            for n, linear in made.items():
                truth = build(scenario, n).stations
                summed = linear.services(amount)
                for station, service in zip(truth, summed, strict=True):
                    full = service[: station.service.size]
                    if not np.allclose(full, station.service, rtol=AGREES, atol=0.0):
                        return None
        return made

    def _amounts(self, scenario: Scenario) -> np.ndarray:
        return amounts(scenario, self._units)

    def _moved(self, values: dict[str, float], name: str, step: float) -> Scenario:
        return self.at({**values, name: values[name] * float(np.exp(step))})

    def __call__(self, values: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return ln X and its derivatives with respect to the logarithms of the parameters.

        Parameters
        ----------
        values : dict of str to float
            Of every free parameter, by name.

        Returns
        -------
        (ndarray, shape (populations,), ndarray, shape (populations, parameters))
            In the order of `populations` and of `parameters`.

        Raises
        ------
        NotTrustworthyError
            As the solver.
        """
        if self._pinned:
            return self._numerically(values)
        here = self.at(values)
        log_x = np.empty(len(self.populations))
        slopes = np.empty((len(self.populations), len(self.parameters)))
        amount, changes = self._amounts(here), None
        if self._linear is not None and not self._short(amount):
            changes = self._changes(values, amount)
            together = None if self._together is None else self._together(amount, changes)
            if together is not None:
                return together
        for k, n in enumerate(self.populations):
            if self._linear is not None and changes is not None:
                linear = self._linear[n]
                services = linear.services(amount)
                network = _network(linear.stations, services, n)
                moves = [changes @ per_unit for per_unit in linear.per_unit]
            else:
                network = build(here, n)
                moves = self._numeric_moves(values, network, n)
            solution = solve(network)[0]
            log_x[k] = np.log(solution.throughput)
            slopes[k] = slope(network, solution, moves)
        return log_x, slopes

    def _short(self, amount: np.ndarray) -> bool:
        """Return whether sums may not be the truth there (see `SHORT`)."""
        if self._together is not None:
            return self._together.short(amount)
        return any(
            service.min() < SHORT * service.max()
            for linear in (self._linear or {}).values()
            for station, service in zip(linear.stations, linear.services(amount), strict=True)
            if station.name != CPU
        )

    def _changes(self, values: dict[str, float], amount: np.ndarray) -> np.ndarray:
        """Return the derivatives of the units' amounts, shape (p, units)."""
        if self._powers is not None:
            powered: np.ndarray = self._powers * amount
            return powered
        return self._changes_numerically(values)

    def _changes_numerically(self, values: dict[str, float]) -> np.ndarray:
        """Return the same by central differences."""
        made = np.zeros((len(self.parameters), len(self._units)))
        for j, parameter in enumerate(self.parameters):
            up = self._amounts(self._moved(values, parameter.name, STEP))
            down = self._amounts(self._moved(values, parameter.name, -STEP))
            made[j] = (up - down) / (2.0 * STEP)
        return made

    def _constant_powers(self) -> np.ndarray | None:
        """Return the power of each parameter in each amount, where it is the same everywhere.

        Then derivatives cost nothing: halves a refit. None if a parameter is no mere factor (a
        hand-off counted in held instructions follows the mean of two times).
        """
        powers_there = []
        for factor in (1.0, PROBE, 1.0 / PROBE):
            values = {name: factor * value for name, value in self._start.items()}
            amount = self._amounts(self.at(values))
            powers_there.append(self._changes_numerically(values) / amount)
        first, *others = powers_there
        if any(not np.allclose(first, other, rtol=0.0, atol=POWER_AGREES) for other in others):
            return None
        powers: np.ndarray = np.round(first, POWER_DIGITS)
        return powers

    def _numeric_moves(
        self, values: dict[str, float], network: Network, n: int
    ) -> list[np.ndarray]:
        """Return the derivatives of the services of a built network, per station (p, levels)."""
        sizes = [s.service.size for s in network.stations]
        moves = [np.zeros((len(self.parameters), size)) for size in sizes]
        for j, parameter in enumerate(self.parameters):
            up = build(self._moved(values, parameter.name, STEP), n)
            down = build(self._moved(values, parameter.name, -STEP), n)
            wide = [
                max(a.service.size, b.service.size, size)
                for a, b, size in zip(up.stations, down.stations, sizes, strict=True)
            ]
            pairs = zip(_padded(up, wide), _padded(down, wide), strict=True)
            for i, (high, low) in enumerate(pairs):
                moves[i][j] = ((high - low) / (2.0 * STEP))[: sizes[i]]
        return moves

    def _numerically(self, values: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return ln X and central differences of it: for pinned shards."""
        from lockmodel.solvers.solve import points

        def log_x(scenario: Scenario) -> np.ndarray:
            return np.log([p.throughput_per_s for p in points(scenario, self.populations)])

        slopes = [
            (
                log_x(self._moved(values, p.name, THROUGHPUT_STEP))
                - log_x(self._moved(values, p.name, -THROUGHPUT_STEP))
            )
            / (2.0 * THROUGHPUT_STEP)
            for p in self.parameters
        ]
        return log_x(self.at(values)), np.array(slopes).T.reshape(len(self.populations), -1)


def _network(stations: Sequence[Station], services: Services, n: int) -> Network:
    made = tuple(
        Station(s.name, service, s.copies) for s, service in zip(stations, services, strict=True)
    )
    return Network(n, made, {})


def slope(network: Network, solution: Solution, moves: Sequence[np.ndarray]) -> np.ndarray:
    """Return d ln X / d theta from the derivatives of the service times.

    Parameters
    ----------
    network : Network
    solution : Solution
        Of it, at its population.
    moves : sequence of ndarray, shape (p, levels)
        d service / d theta per station.

    Returns
    -------
    ndarray, shape (p,)

    Notes
    -----
    d ln X / d ln mu_i(j) = P_N(n_i >= j) - P_{N-1}(n_i >= j) (`rate_elasticity`), mu = 1 / service;
    levels beyond the last share its service.
    """
    total = np.zeros(moves[0].shape[0]) if moves else np.zeros(0)
    for i, (station, move) in enumerate(zip(network.stations, moves, strict=True)):
        exact = rate_elasticity(solution, i)
        levels = min(station.service.size, exact.size)
        weight = exact[:levels].copy()
        weight[-1] += exact[levels:].sum()
        total -= station.copies * (move[:, :levels] @ (weight / station.service[:levels]))
    return total
