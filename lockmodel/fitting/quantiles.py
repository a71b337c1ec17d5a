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


def runs_tail(signs: list[bool]) -> float:
    """Return the probability of as few runs of equal signs, if their order were random.

    Exact: Wald & Wolfowitz, Ann. Math. Stat. 11 (1940) 147. 1 when all signs are equal in fewer
    than two kinds.
    """
    plus, minus = sum(signs), len(signs) - sum(signs)
    if plus == 0 or minus == 0:
        return 1.0
    runs = 1 + sum(a != b for a, b in itertools.pairwise(signs))
    ways = 0
    for count in range(2, runs + 1):
        half = count // 2
        if count % 2 == 0:
            ways += 2 * math.comb(plus - 1, half - 1) * math.comb(minus - 1, half - 1)
        else:
            ways += math.comb(plus - 1, half) * math.comb(minus - 1, half - 1)
            ways += math.comb(plus - 1, half - 1) * math.comb(minus - 1, half)
    return ways / math.comb(plus + minus, plus)
