"""What a fit leaves in a scenario: the [fit] table, from which every prediction gets its interval.

Estimates are distributed as a multivariate Student t on the logarithms of the parameters
(Laplace's approximation with an estimated noise); `lockmodel.fitting.draws` samples it.
"""

from __future__ import annotations

import math

import msgspec

from lockmodel.errors import ScenarioError, not_negative, one_of

MOST_PARAMETERS = 64
"""Most free parameters accepted: bounds the covariance."""

LEAST_DEGREES = 0.5
"""Degrees of freedom below which Student's t has quantiles that are no numbers any more."""

UNITS = ("s", "1")

METHOD = "product-form"
"""The solver of every fit (`fitting.response`): with its error in them the times give back what was
measured; another solver contradicts the data by the difference of the two."""

BY_COUNTS = "counts"
"""What a parameter is given by that counts and published ranges tell, and no throughput."""


class FittedData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that the fit used.

    Parameters
    ----------
    file : str
        As it was given.
    sha256 : str
        Of its bytes, in hexadecimal.
    observations : int
        Numbers of it that the fit used.
    """

    file: str
    sha256: str
    observations: int


class FittedParameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One estimate.

    Parameters
    ----------
    name : str
        As `lockmodel.fitting.parameters` spells it: "think", "libc.so.6.handoff", "all.acquires".
    unit : {'s', '1'}
        Of the three numbers that follow.
    value, low, high : float
        Estimate and interval; `low` may be 0 and `high` huge when nothing limits it.
    determined : bool
        Whether the data determine it. If not, its interval is that of the prior or of its range.
    covariance : tuple of float
        Row of the covariance of the logarithms, in the order of the parameters.
    split : float
        Standard deviation of the logarithm that comes on top wherever the demand is not all that
        counts: of a hand-off that nothing separates from held work. Throughput as it was measured
        does not depend on it, what a lever changes does.
    given : str
        What it takes from the model, unfitted: with another value there it is another one. Empty
        where it takes nothing. Its interval is that of the data all the same.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    determined: bool
    covariance: tuple[float, ...]
    split: float = 0.0
    given: str = ""

    def __post_init__(self) -> None:
        owner = f"fit parameter {self.name!r}"
        one_of(owner, UNITS, unit=self.unit)
        not_negative(owner, low=self.low, high=self.high, split=self.split)
        if not (math.isfinite(self.value) and self.value > 0):
            raise ScenarioError(f"{owner}: value = {self.value} must be a finite number > 0")
        if not self.low <= self.value <= self.high:
            raise ScenarioError(
                f"{owner}: low = {self.low:g}, value = {self.value:g}, high = {self.high:g} must "
                f"not decrease"
            )


class Fit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the times of a scenario were estimated, and how well.

    Parameters
    ----------
    version : str
        Of lockmodel.
    parameters : tuple of FittedParameter
    data : tuple of FittedData
    level : float
        Confidence of all intervals, between 0 and 1.
    degrees : float
        Degrees of freedom of the noise; 0 where the noise is known.
    noise : float
        Standard deviation of ln throughput from run to run.
    model_error : float
        Standard deviation of ln throughput between model and data beyond `noise`.
    flags : tuple of str
        What is not well with the fit; empty when all is.
    """

    version: str
    parameters: tuple[FittedParameter, ...]
    data: tuple[FittedData, ...] = ()
    level: float = 0.9
    degrees: float = 0.0
    noise: float = 0.0
    model_error: float = 0.0
    flags: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The solver whose answers are those of the fit; empty where nothing was fitted to data."""
        return METHOD if self.data else ""

    def __post_init__(self) -> None:
        not_negative("fit", degrees=self.degrees, noise=self.noise, model_error=self.model_error)
        if 0.0 < self.degrees < LEAST_DEGREES:
            raise ScenarioError(
                f"fit: degrees = {self.degrees} must be 0 (the noise is known) or at least "
                f"{LEAST_DEGREES}"
            )
        if not 0.5 <= self.level < 1.0:
            raise ScenarioError(f"fit: level = {self.level} must lie between 0.5 and 1, e.g. 0.9")
        count = len(self.parameters)
        if count > MOST_PARAMETERS:
            raise ScenarioError(f"fit: {count} parameters exceed {MOST_PARAMETERS}")
        names = [p.name for p in self.parameters]
        if len(set(names)) != count:
            raise ScenarioError("fit: a parameter is given twice; keep one")
        rows = [p.covariance for p in self.parameters]
        for p, row in zip(self.parameters, rows, strict=True):
            if len(row) != count:
                raise ScenarioError(
                    f"fit parameter {p.name!r}: covariance has {len(row)} numbers, not {count}: "
                    f"one for each parameter, in their order"
                )
        for i in range(count):
            for j in range(i + 1):
                limit = math.sqrt(max(rows[i][i], 0.0) * max(rows[j][j], 0.0)) * (1 + 1e-6)
                if abs(rows[i][j] - rows[j][i]) > 1e-6 * limit or not abs(rows[i][j]) <= limit:
                    raise ScenarioError(
                        f"fit: covariance of {names[i]!r} and {names[j]!r} is not that of two "
                        f"numbers: it must be symmetric and within their standard deviations"
                    )
