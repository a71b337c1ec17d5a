"""Quantiles and tail probabilities, by scipy; imported when asked for."""

from __future__ import annotations


def student(level: float, degrees: float) -> float:
    """Return the half-width of a two-sided interval in standard deviations.

    Parameters
    ----------
    level : float
        Confidence, e.g. 0.9.
    degrees : float
        Degrees of freedom; 0 means a known variance (normal distribution).
    """
    from scipy import special

    upper = 0.5 * (1.0 + level)
    return float(special.stdtrit(degrees, upper) if degrees > 0 else special.ndtri(upper))


def chi_squared_tail(value: float, degrees: float) -> float:
    """Return the probability that chi squared exceeds `value`."""
    from scipy import special

    return float(special.chdtrc(degrees, value)) if degrees > 0 else 1.0


def f_tail(value: float, first: float, second: float) -> float:
    """Return the probability that an F with these degrees of freedom exceeds `value`."""
    from scipy import special

    return float(special.fdtrc(first, second, value))
