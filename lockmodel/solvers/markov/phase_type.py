"""Times as sequences of exponential phases (Coxian), from a mean and a squared variation.

A Coxian starts in phase 1 for certain, and after each phase goes on to the next or ends. That one
form holds all three families used here: Erlang (always on), two phases that stop early or not
(any scv >= 1/2), and Erlang with its last phase skipped at times (any scv below). The certain
start keeps chains small: whoever begins a time chooses nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, shown

MOST_PHASES = 1024
"""Longest sequence; less variation than 1 / 1024 is better called constant."""

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class PhaseType:
    """A Coxian distribution.

    Attributes
    ----------
    rates : ndarray, shape (P,)
        Rate of each phase, in units of 1 / (mean of the time it stands for).
    go_on : ndarray, shape (P,)
        Probability that the next phase follows; 0 for the last.
    """

    rates: Array
    go_on: Array

    def __post_init__(self) -> None:
        if self.rates.ndim != 1 or not self.rates.size or self.rates.shape != self.go_on.shape:
            raise ArgumentError(
                f"phase type: rates of shape {self.rates.shape} and go_on of shape "
                f"{self.go_on.shape} must be equally long vectors of 1 or more"
            )
        if not np.all(np.isfinite(self.rates) & (self.rates > 0)):
            raise ArgumentError(
                f"phase type: rates = {shown(self.rates.tolist())} must be finite and above 0"
            )
        if not np.all((self.go_on >= 0) & (self.go_on <= 1)) or self.go_on[-1] != 0:
            raise ArgumentError(
                f"phase type: go_on = {shown(self.go_on.tolist())} must be probabilities, 0 for "
                f"the last phase"
            )

    @property
    def phases(self) -> int:
        """Number of phases P."""
        return int(self.rates.size)

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and variance, phase by phase from the last: no difference of large numbers."""
        mean, variance = 0.0, 0.0
        for rate, on in zip(self.rates[::-1].tolist(), self.go_on[::-1].tolist(), strict=True):
            variance = 1.0 / rate**2 + on * variance + on * (1.0 - on) * mean**2
            mean = 1.0 / rate + on * mean
        return mean, variance

    @property
    def mean(self) -> float:
        """Mean; 1 for those made in this module."""
        return self.moments[0]


def _checked(scv: float) -> float:
    """Return a squared coefficient of variation that is finite and above 0."""
    if isinstance(scv, bool) or not isinstance(scv, int | float | np.number):
        raise ArgumentError(f"scv = {shown(scv)} must be a number above 0")
    if not (math.isfinite(scv) and scv > 0):
        raise ArgumentError(
            f"scv = {scv} must be a finite number above 0; a time without variation is 'constant'"
        )
    return float(scv)


def exponential() -> PhaseType:
    """Return the exponential distribution with mean 1: one phase."""
    return PhaseType(np.ones(1), np.zeros(1))


def erlang(stages: int) -> PhaseType:
    """Return the Erlang distribution of mean 1 and scv 1 / stages.

    Raises
    ------
    ArgumentError
        `stages` is not an integer from 1 to `MOST_PHASES`.
    """
    whole = isinstance(stages, int | np.integer) and not isinstance(stages, bool)
    if not whole or not 1 <= stages <= MOST_PHASES:
        raise ArgumentError(f"stages = {shown(stages)} must be an integer, 1 to {MOST_PHASES}")
    go_on = np.ones(stages)
    go_on[-1] = 0.0
    return PhaseType(np.full(stages, float(stages)), go_on)


def hyperexponential(scv: float) -> PhaseType:
    """Return the two-branch hyperexponential with mean 1 and balanced means, as a Coxian.

    Parameters
    ----------
    scv : float
        Squared coefficient of variation, >= 1.

    Returns
    -------
    PhaseType
        The same distribution: p mu / (s + mu) + q nu / (s + nu) with mu >= nu is a Coxian that
        goes on from rate mu to rate nu with probability q (1 - nu / mu).

    Raises
    ------
    ArgumentError
        scv is not a finite number >= 1.

    Notes
    -----
    Balanced means, p / mu = q / nu = 1/2: p = (1 + r) / 2, r^2 = (scv - 1) / (scv + 1); Tijms,
    Stochastic Models (1994), appendix B.
    """
    c = _checked(scv)
    if c < 1:
        raise ArgumentError(f"scv = {scv} is below 1: no hyperexponential; use coxian")
    if c == 1:
        return exponential()
    root = math.sqrt((c - 1) / (c + 1))
    rare = 1 / ((c + 1) * (1 + root))  # (1 - root) / 2 without the difference
    fast, slow = 1 + root, 2 * rare
    return PhaseType(np.array([fast, slow]), np.array([rare * (1 - slow / fast), 0.0]))


def coxian(scv: float) -> PhaseType:
    """Return a Coxian with mean 1 and any squared coefficient of variation.

    Parameters
    ----------
    scv : float
        > 0, and not below 1 / `MOST_PHASES`.

    Returns
    -------
    PhaseType
        scv = 1: exponential. scv >= 1/2: two phases, rates 2 and 1 / scv. Below: k - 1 or k
        phases of one rate, the fewest that reach this scv.

    Raises
    ------
    ArgumentError
        scv is not a finite number above 0, or needs more than `MOST_PHASES` phases.

    Notes
    -----
    Two phases: Marie, Performance Evaluation Review 9 (1980) 117. Mixed Erlang: Tijms, Stochastic
    Models (1994), appendix B; with 1/k <= scv <= 1/(k-1), p = (k scv - sqrt(k (1 + scv) -
    k^2 scv)) / (1 + scv) skips the last phase and the rate is k - p.
    """
    c = _checked(scv)
    if c == 1:
        return exponential()
    if c >= 0.5:
        return PhaseType(np.array([2.0, 1 / c]), np.array([min(0.5 / c, 1.0), 0.0]))
    k = max(2, math.ceil(1 / c - 1e-9))
    if k > MOST_PHASES:
        raise ArgumentError(
            f"scv = {scv} needs {k} phases, more than {MOST_PHASES}; call the time constant"
        )
    skip = (k * c - math.sqrt(max(k * (1 + c) - k * k * c, 0.0))) / (1 + c)
    skip = min(max(skip, 0.0), 1.0)
    go_on = np.ones(k)
    go_on[-2:] = 1 - skip, 0.0
    return PhaseType(np.full(k, k - skip), go_on)
