"""The noise of a change between two curves: from repeats, from what the files state, or assumed.

Repeats of a side are pooled over populations as the variance of ln throughput, each side for
itself (Welch, Biometrika 34 (1947) 28: two kernels need not be equally noisy). A population may be
noisier than the rest: its own variance counts where it is larger, with the degrees of freedom of
the mean of both; where it is larger beyond doubt it counts alone, and not for the others. With
populations ten times as noisy as others 2 to 5 % of simulated gates at 5 % raise a false alarm;
pooling alone gives up to 11 %. A value with a stated spread is as uncertain as it says, one
without either as its side's others, or those of the other side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lockmodel.evaluate.gate.side import Side
from lockmodel.fitting import quantiles
from lockmodel.fitting.misfit import MOST
from lockmodel.fitting.rows import SHARE_OF_OWN

REPEATS, STATED, ASSUMED = "repeats", "stated", "assumed"

ALIKE = 1e-9
"""Relative spread of repeats below which they are copies of one number."""

NOISIER = 1e-3
"""Probability of repeats as far apart by chance, below which a population is noisier."""


@dataclass(frozen=True)
class Source:
    """Where a variance comes from.

    Attributes
    ----------
    how : {"repeats", "stated", "assumed"}
    of : str
        The side; "" for what is assumed.
    variance : float
        Of ln throughput of one run.
    degrees : float
        Degrees of freedom; 0 is a known variance.
    """

    how: str
    of: str
    variance: float
    degrees: float


PRIOR = Source(ASSUMED, "", MOST**2, 0.0)
"""Without repeats and stated spread: the upper end of what published curves have."""


@dataclass(frozen=True)
class Noise:
    """The noise of ln(new / base) at one population.

    Attributes
    ----------
    pooled, pooled_degrees : float
        Standard deviation from all repeats, or from its own where these are noisier, and its
        degrees of freedom; 0 is a known one.
    deviation, degrees : float
        The same, or larger if the population's own repeats say so.
    sources : tuple of Source
    """

    pooled: float
    pooled_degrees: float
    deviation: float
    degrees: float
    sources: tuple[Source, ...]


def noises(base: Side, new: Side, populations: tuple[int, ...]) -> tuple[Noise, ...]:
    """Return the noise of the change at each population."""
    sides, apart = (base, new), frozenset[int]()
    while True:
        known = [_source(base, new, apart), _source(new, base, apart)]
        every = {n: _variances(sides, known, n) for n in base.values if n in new.values}
        noisier = {n: v.own / v.pooled for n, v in every.items() if n not in apart and v.noisier}
        if not noisier:
            return tuple(_noise(every[n], n in apart) for n in populations)
        apart |= {max(noisier, key=lambda n: noisier[n])}


@dataclass(frozen=True)
class _Variances:
    """Variances of a change, from all repeats and from its own; each squared over its degrees."""

    pooled: float
    unsure: float
    own: float
    own_unsure: float
    sources: tuple[Source, ...]

    @property
    def noisier(self) -> bool:
        """Whether its own is larger than that of the other populations, beyond chance."""
        first, second = _degrees(self.own, self.own_unsure), _degrees(self.pooled, self.unsure)
        if self.own <= self.pooled or not first or second - first < 1.0:
            return False
        others = (second * self.pooled - first * self.own) / (second - first)
        return others <= 0.0 or quantiles.f_tail(self.own / others, first, second - first) < NOISIER


def _variances(sides: tuple[Side, Side], known: list[Source], n: int) -> _Variances:
    every: dict[Source, float] = {}
    here: dict[Source, float] = {}
    for side, other, source in zip(sides, sides[::-1], known, strict=True):
        count = len(side.values[n])
        if count == 1 and n in side.stated:
            source = Source(STATED, side.name, side.stated[n] ** 2, 0.0)
        near = source
        if source.how == REPEATS:
            near = _of(side, n) or _of(other, n) or source
        for weights, chosen in ((every, source), (here, near)):
            weights[chosen] = weights.get(chosen, 0.0) + 1.0 / count
    return _Variances(*_sum(every), *_sum(here), tuple(every))


def _noise(found: _Variances, apart: bool) -> Noise:
    pooled, unsure = found.pooled, found.unsure
    if apart:
        pooled, unsure = found.own, found.own_unsure
    mixed = SHARE_OF_OWN * found.own + (1.0 - SHARE_OF_OWN) * pooled
    share = SHARE_OF_OWN**2  # the rest is in the pooled variance, of which the own one is a part
    return Noise(
        math.sqrt(pooled),
        _degrees(pooled, unsure),
        math.sqrt(max(pooled, found.own)),
        _degrees(mixed, share * found.own_unsure + (1.0 - share) * unsure),
        found.sources,
    )


def _degrees(variance: float, unsure: float) -> float:
    return variance**2 / unsure if unsure else 0.0


def _sum(weights: dict[Source, float]) -> tuple[float, float]:
    """Return a weighted sum of variances, and its square over its degrees of freedom.

    Satterthwaite, Biometrics Bulletin 2 (1946) 110.
    """
    parts = [(source.variance * weight, source.degrees) for source, weight in weights.items()]
    return (
        math.fsum(variance for variance, _ in parts),
        math.fsum(variance**2 / degrees for variance, degrees in parts if degrees),
    )


def _source(side: Side, other: Side, apart: frozenset[int]) -> Source:
    """Return the variance of a run of a side that does not state its own."""
    pooled = _pooled(side, apart) or _pooled(other, apart)
    return pooled or _stated(side) or _stated(other) or PRIOR


def _pooled(side: Side, apart: frozenset[int]) -> Source | None:
    """Return the variance of all repeats of a side but those at populations set apart."""
    several = [own for n in side.values if n not in apart and (own := _of(side, n)) is not None]
    degrees = math.fsum(own.degrees for own in several)
    total = math.fsum(own.degrees * own.variance for own in several)
    if not degrees or total / degrees < ALIKE**2:
        return None
    return Source(REPEATS, side.name, total / degrees, degrees)


def _of(side: Side, n: int) -> Source | None:
    """Return the variance of the repeats at one population; None for one."""
    logs = [math.log(value) for value in side.values[n]]
    if len(logs) == 1:
        return None
    mean, degrees = math.fsum(logs) / len(logs), len(logs) - 1.0
    total = math.fsum((log - mean) ** 2 for log in logs)
    return Source(REPEATS, side.name, total / degrees, degrees)


def _stated(side: Side) -> Source | None:
    squares = [sd**2 for sd in side.stated.values()]
    return Source(STATED, side.name, math.fsum(squares) / len(squares), 0.0) if squares else None
