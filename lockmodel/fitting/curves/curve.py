"""A throughput curve: what one variant of one file reached on several populations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lockmodel.errors import ScenarioError, shown
from lockmodel.fitting.curves.topology import cpus_of, machine_of, stated
from lockmodel.model.machine import Machine
from lockmodel.observe.headers import MACHINE
from lockmodel.observe.observations import Observation, Reading
from lockmodel.observe.summary import summarise

FEWEST = 3
"""Points without which no family has anything to be fitted to."""

MOST_POINTS = 64
"""Populations up to which each is a point of its own: see `merged`."""

MOST_PROCESSES = 4096
"""Largest population: the kernel's sums are safe and fast up to here."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Throughput against population.

    Parameters
    ----------
    n : ndarray of int, shape (k,)
        Populations, strictly increasing, 1 to `MOST_PROCESSES`; at least `FEWEST`.
    x : ndarray, shape (k,)
        Throughputs > 0; unit as in the file.
    sd : ndarray, shape (k,), or None
        Standard deviations of `x` in the same unit, 0 where none is known.
    label : str
        File and variant, for messages.
    machine : Machine or None
        Where the file states it.
    cpus : int or None
        Of the machine; stated more often than the rest of it.

    Raises
    ------
    ScenarioError
        Anything of the above does not hold.
    """

    n: np.ndarray
    x: np.ndarray
    sd: np.ndarray | None = None
    label: str = "curve"
    machine: Machine | None = None
    cpus: int | None = None

    def __post_init__(self) -> None:
        n, x = np.asarray(self.n), np.asarray(self.x, float)
        if n.ndim != 1 or n.shape != x.shape:
            raise ScenarioError(
                f"{self.label}: n has shape {n.shape} and x {x.shape}; give two lists of one length"
            )
        if len(n) < FEWEST:
            raise ScenarioError(
                f"{self.label}: {len(n)} points are too few for a curve; measure at least {FEWEST}"
            )
        _check_populations(self.label, n)
        _check_positive(self.label, x)
        if self.sd is not None:
            sd = np.asarray(self.sd, float)
            if sd.shape != x.shape or not np.isfinite(sd).all() or (sd < 0).any():
                raise ScenarioError(
                    f"{self.label}: sd = {shown(sd.tolist())} must be one number >= 0 per point; "
                    f"0 where none is known"
                )
            object.__setattr__(self, "sd", sd)
        if self.machine is not None:
            object.__setattr__(self, "cpus", self.machine.cpus)
        object.__setattr__(self, "n", n.astype(np.int64))
        object.__setattr__(self, "x", x)

    @property
    def spread(self) -> np.ndarray:
        """Relative standard deviations, shape (k,); 0 where none is known."""
        return np.zeros(len(self.n)) if self.sd is None else self.sd / self.x

    def part(self, chosen: np.ndarray) -> Curve:
        """Return the curve of the chosen points (a mask or indices)."""
        sd = None if self.sd is None else self.sd[chosen]
        return Curve(self.n[chosen], self.x[chosen], sd, self.label, self.machine, self.cpus)


def merged(curve: Curve) -> Curve:
    """Return a curve with neighbouring populations put together; itself up to `MOST_POINTS`.

    Bins are even in ln n. Each becomes its population nearest to the mean of ln n, with the mean of
    ln x carried there along the slope in the bin: what the curve does within a bin (10 % of n at
    1,000 populations) is nearly straight, so little but noise is averaged.
    """
    if len(curve.n) <= MOST_POINTS:
        return curve
    u, y = np.log(curve.n), np.log(curve.x)
    edges = np.linspace(u[0], u[-1], MOST_POINTS + 1)[1:-1]
    groups = np.split(np.arange(len(u)), np.searchsorted(u, edges))
    n, x, sd = [], [], []
    for own in groups:
        if not own.size:
            continue
        middle = u[own].mean()
        at = own[np.argmin(np.abs(u[own] - middle))]
        apart = u[own] - middle
        slope = apart @ y[own] / (apart @ apart) if own.size > 2 else 0.0
        if own.size == 2:
            slope = (y[own[1]] - y[own[0]]) / (u[own[1]] - u[own[0]])
        n.append(int(curve.n[at]))
        x.append(math.exp(y[own].mean() + slope * (u[at] - middle)))
        sd.append(x[-1] * math.sqrt(float(np.mean(curve.spread[own] ** 2)) / own.size))
    spread = None if curve.sd is None else np.array(sd)
    return Curve(np.array(n), np.array(x), spread, curve.label, curve.machine, curve.cpus)


def _check_populations(label: str, n: np.ndarray) -> None:
    """Raise ScenarioError unless the populations are increasing whole numbers in range."""
    values = np.asarray(n, float)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise ScenarioError(f"{label}: populations {shown(n.tolist())} must be whole numbers")
    if values.min() < 1 or values.max() > MOST_PROCESSES:
        raise ScenarioError(
            f"{label}: populations {values.min():g} to {values.max():g} must lie between 1 and "
            f"{MOST_PROCESSES}"
        )
    steps = np.diff(values)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ScenarioError(
            f"{label}: population {values[at]:g} is followed by {values[at + 1]:g}; sort the "
            f"points and average repeats, so that every population comes once"
        )


def _check_positive(label: str, x: np.ndarray) -> None:
    """Raise ScenarioError unless every throughput is a finite number above 0."""
    bad = np.flatnonzero(~(np.isfinite(x) & (x > 0)))
    if bad.size:
        raise ScenarioError(
            f"{label}: throughput {x[bad[0]]:g} must be a finite number > 0; leave the point out "
            f"if the run failed"
        )


def curves_of(
    reading: Reading,
    machine: Machine | None = None,
    cpus: int | None = None,
    header: Iterable[str] = (),
) -> tuple[Curve, ...]:
    """Return the throughput curves of a file, one per variant, in the order of the file.

    Parameters
    ----------
    reading : Reading
        From `lockmodel.observe.readers.read_file`.
    machine : Machine, optional
        Instead of the one that the file states.
    cpus : int, optional
        Likewise, where the rest of the machine is not known.
    header : iterable of str
        Further lines of the file that may state its machine.

    Returns
    -------
    tuple of Curve
        Repeats become their mean, with the standard error of it. Variants with fewer than
        `FEWEST` populations are no curves and are left out.

    Raises
    ------
    ScenarioError
        A throughput or population is not valid (see `Curve`), or a population comes both with
        tracing and without.
    """
    groups: dict[tuple[str, ...], list[tuple[int, float, float]]] = {}
    throughputs = [
        replace(o, repeat=o.repeat or 1)  # of rows that say the same, a reader numbers the later
        for o in reading.observations
        if o.kind == "throughput" and o.n is not None
    ]
    for one, repeats in summarise(throughputs):
        sd = one.sd or 0.0
        error = sd / math.sqrt(repeats) if one.uncertainty == "repeats" else sd
        assert one.n is not None
        groups.setdefault(names_of(one), []).append((one.n, one.value, error))
    words = (reading.metadata.get(MACHINE, ""), *header)
    if machine is None and cpus is None:
        machine = stated(reading.metadata) or next(filter(None, map(machine_of, words)), None)
        cpus = next(filter(None, map(cpus_of, words)), None)
    made = []
    for names, points in groups.items():
        if len(points) < FEWEST:
            continue
        n, x, sd_ = (np.array(column) for column in zip(*sorted(points), strict=True))
        label = "/".join(name for name in names if name)
        made.append(Curve(n, x, sd_ if sd_.any() else None, label or "all rows", machine, cpus))
    return tuple(made)


def names_of(one: Observation) -> tuple[str, ...]:
    """Return what tells the curves of one file apart."""
    return (one.variant, one.kernel, one.what, one.lock, one.site, one.mode, one.per)
