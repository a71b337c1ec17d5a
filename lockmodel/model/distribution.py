"""How a time varies around its mean: think times, holds and hand-offs.

A distribution here has mean 1; the scenario gives the mean. What matters most is the squared
coefficient of variation (SCV): 0 for constant times, 1 for exponential ones.
"""

from __future__ import annotations

import math

import msgspec

from lockmodel.errors import ScenarioError

MAX_STAGES = 1_000
MAX_BINS = 10_000
LARGEST_SCV = 1e6
SUM_TOLERANCE = 1e-5
"""How far from 1 probabilities may sum: they are typed with few digits."""


class _DistributionBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A random time of mean 1."""


class Constant(_DistributionBase, frozen=True, tag_field="family", tag="constant"):
    """Always the mean."""

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return 0.0


class Exponential(_DistributionBase, frozen=True, tag_field="family", tag="exponential"):
    """Without memory: what product form assumes of holds."""

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return 1.0


class Erlang(_DistributionBase, frozen=True, tag_field="family", tag="erlang"):
    """Sum of equal exponential stages.

    Parameters
    ----------
    stages : int
        How many; the SCV is 1 / stages.
    """

    stages: int

    def __post_init__(self) -> None:
        whole = isinstance(self.stages, int) and not isinstance(self.stages, bool)
        if not whole or not 1 <= self.stages <= MAX_STAGES:
            raise ScenarioError(
                f"distribution erlang: stages = {self.stages} must be a whole number from 1 to "
                f"{MAX_STAGES}; use family = 'constant' for no variation at all"
            )

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return 1.0 / self.stages


def _check_scv(family: str, scv: float, above: float) -> None:
    if not (math.isfinite(scv) and above < scv <= LARGEST_SCV):
        raise ScenarioError(
            f"distribution {family}: scv = {scv} must be above {above:g} and at most "
            f"{LARGEST_SCV:g}: it is variance over squared mean"
        )


class Coxian(_DistributionBase, frozen=True, tag_field="family", tag="coxian"):
    """Exponential stages in series, some left early: the fewest that have this SCV.

    Parameters
    ----------
    scv : float
        Squared coefficient of variation, above 0.
    """

    scv: float

    def __post_init__(self) -> None:
        _check_scv("coxian", self.scv, 1.0 / MAX_STAGES)


class Hyperexponential(_DistributionBase, frozen=True, tag_field="family", tag="hyperexponential"):
    """One of two exponentials with balanced means: mostly short, sometimes long.

    Parameters
    ----------
    scv : float
        Squared coefficient of variation, above 1.
    """

    scv: float

    def __post_init__(self) -> None:
        _check_scv("hyperexponential", self.scv, 1.0)


class Lognormal(_DistributionBase, frozen=True, tag_field="family", tag="lognormal"):
    """Logarithm normally distributed.

    Parameters
    ----------
    scv : float
        Squared coefficient of variation, above 0.
    """

    scv: float

    def __post_init__(self) -> None:
        _check_scv("lognormal", self.scv, 0.0)


class Pareto(_DistributionBase, frozen=True, tag_field="family", tag="pareto"):
    """Power-law tail: P(time > t) falls as t to the power -shape.

    Parameters
    ----------
    shape : float
        Above 2: below, the variance is infinite and no interval of a simulation holds; at 1 or
        below, the mean is infinite too.
    """

    shape: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.shape) and self.shape > 2.0):
            what = "mean" if self.shape <= 1.0 else "variance"
            raise ScenarioError(
                f"distribution pareto: shape = {self.shape} gives an infinite {what}; give a "
                f"finite shape above 2, or the measured histogram as family = 'empirical'"
            )

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return 1.0 / (self.shape * (self.shape - 2.0))


class Empirical(_DistributionBase, frozen=True, tag_field="family", tag="empirical"):
    """A measured histogram, scaled to the mean that the scenario gives.

    Parameters
    ----------
    edges : tuple of float
        Rising bin edges in any unit of time, at least 0; one more than there are bins.
    probabilities : tuple of float
        Share of each bin; they sum to 1. Times are uniform within a bin.
    """

    edges: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        owner = "distribution empirical"
        if not 1 <= len(self.probabilities) <= MAX_BINS:
            raise ScenarioError(
                f"{owner}: {len(self.probabilities)} probabilities; give 1 to {MAX_BINS}"
            )
        if len(self.edges) != len(self.probabilities) + 1:
            raise ScenarioError(
                f"{owner}: {len(self.edges)} edges for {len(self.probabilities)} probabilities; "
                f"give one edge more than bins"
            )
        for low, high in zip(self.edges, self.edges[1:], strict=False):
            if not (math.isfinite(high) and 0.0 <= low < high):
                raise ScenarioError(
                    f"{owner}: edges {low} and {high} must be finite, at least 0 and rising; an "
                    f"open last bin has no mean, so give its upper edge"
                )
        for share in self.probabilities:
            if not (math.isfinite(share) and share >= 0.0):
                raise ScenarioError(f"{owner}: probability {share} must be a number >= 0")
        total = math.fsum(self.probabilities)
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise ScenarioError(
                f"{owner}: probabilities sum to {total:.7g}, not 1; divide each by {total:.7g}"
            )
        if not 1e-100 < self.mean < 1e100 or not self.scv <= LARGEST_SCV:
            raise ScenarioError(
                f"{owner}: edges from {self.edges[0]:g} to {self.edges[-1]:g} are out of range; "
                f"give them in a unit near the times themselves, with an SCV of at most "
                f"{LARGEST_SCV:g}"
            )

    def _bins(self) -> list[tuple[float, float, float]]:
        """Return (low, high, share) of every bin, shares summing to 1."""
        total = math.fsum(self.probabilities)
        pairs = zip(self.edges, self.edges[1:], self.probabilities, strict=False)
        return [(low, high, share / total) for low, high, share in pairs]

    @property
    def mean(self) -> float:
        """Mean in the unit of the edges."""
        return math.fsum(share * (low + high) / 2 for low, high, share in self._bins())

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        second = math.fsum(
            share * (low * low + low * high + high * high) / 3 for low, high, share in self._bins()
        )
        return max(0.0, second / self.mean**2 - 1.0)


Distribution = (
    Constant | Exponential | Erlang | Coxian | Hyperexponential | Lognormal | Pareto | Empirical
)
DISTRIBUTION_FAMILIES: dict[str, type[_DistributionBase]] = {
    "constant": Constant,
    "exponential": Exponential,
    "erlang": Erlang,
    "coxian": Coxian,
    "hyperexponential": Hyperexponential,
    "lognormal": Lognormal,
    "pareto": Pareto,
    "empirical": Empirical,
}
