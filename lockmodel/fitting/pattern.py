"""Residuals that are not independent along the population: a step, or stretches on one side.

Two statistics of the standardised residuals, in the order of the population: the largest contrast
between the points from some population on and those below it, each over its own spread (a step,
as where a second socket begins), and the sum of the products of neighbours (von Neumann's ratio,
Ann. Math. Stat. 12 (1941) 367: a shape that the model has not). Both are over the scatter of the
residuals, so that they say nothing of its size: `misfit` judges that.

A fit takes degrees of freedom from its residuals, which are therefore not exchangeable even when
nothing is wrong: permuting them would ask for too much (a fitted slope absorbs most of a step). The
level is that of residuals of the same fit with independent normal noise, e = (1 - H) z with H its
hat matrix (Durbin & Watson, Biometrika 37 (1950) 409), as many as `DRAWS`, of a fixed seed: a Monte
Carlo test, exact at its level for a linear model (Dwass, Ann. Math. Stat. 28 (1957) 181). The lower
of the two probabilities is itself compared with that of the same simulations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.fitting.misfit import LEAST, LEFT_OUT, MOST, PSEUDO, USUAL

LEVEL = 0.01
"""Probability of finding a pattern where there is none."""

DRAWS = 999
SEED = 1

MOVES = 1.0
"""Standard deviation of an unknown's logarithm up to which it is taken to be fitted linearly: what
the data leave further open absorbs little more."""

SIDE = 2
"""Points that a step has on either side at the least; one alone is an outlier."""

SPARE = 2.0
"""Degrees of freedom below which there is nothing to see."""

ABSORBED = 0.05
"""Least share of a contrast's spread that the fit leaves of it: less is rounding."""

MOST_POINTS = 256
"""Points up to which each is its own; else neighbours are put together."""

LARGEST = math.log(5.0)
"""Largest step that is named."""


@dataclass(frozen=True)
class Pattern:
    """Where residuals are not independent.

    Attributes
    ----------
    chance : float
        Probability of as much in a fit that nothing is wrong with.
    step : bool
        Whether it is a step, or a stretch of points on one side.
    first, last : int
        Population where it begins and, of a stretch, ends.
    count : int
        Points from there on, or of the stretch.
    times : float
        Measured over fitted there (geometric mean).
    before : float
        The same below a step; 1 for a stretch.
    size : float or None
        Factor of a step that would explain it, what the fit absorbed of it included; None where
        that is not known.
    """

    chance: float
    step: bool
    first: int
    last: int
    count: int
    times: float
    before: float
    size: float | None

    def sentence(self, label: str) -> str:
        """Return the flag; `label` names the curve."""
        measured = f"measured {self.times:.3g} times what is fitted"
        if self.step:
            said = f"{label} from n = {self.first} on is {measured}, {self.before:.3g} times before"
            if self.size is not None:
                said += f", as if by a step of {self.size:.2g} times there"
        else:
            side = "below" if self.times < 1.0 else "above"
            said = (
                f"{label} is {measured} at {self.count} points in a row, n = {self.first} to "
                f"{self.last}, all {side} it"
            )
        return f"POOR FIT: {said} (p = {self.chance:.1g}): the model has not its shape"


def pattern(
    n: np.ndarray,
    off: np.ndarray,
    sd: np.ndarray,
    slopes: np.ndarray,
    more: np.ndarray | None = None,
) -> Pattern | None:
    """Return the pattern in the residuals of a fitted curve; None where nothing shows one.

    Parameters
    ----------
    n : ndarray, shape (k,)
        Populations, in any order.
    off : ndarray, shape (k,)
        ln(fitted / measured).
    sd : ndarray, shape (k,)
        Stated relative spread of each point; 0 where there is none.
    slopes : ndarray, shape (k, p)
        Derivatives of ln fitted with respect to the unknowns' logarithms.
    more : ndarray, shape (m, p), optional
        Standardised derivatives of what else the fit had to meet: other data, priors.
    """
    order = np.argsort(n, kind="stable")
    spread = np.where(sd > 0.0, np.hypot(sd, LEFT_OUT), USUAL)[order]
    n, off = n[order], off[order]
    starts = _groups(len(n))
    sizes = np.diff([*starts, len(n)])
    scale = 1.0 / np.sqrt(sizes)
    seen = np.add.reduceat(off / spread, starts) * scale
    rows = np.add.reduceat(slopes[order] / spread[:, None], starts) * scale[:, None]
    others = np.zeros((0, slopes.shape[1])) if more is None else more
    whole = _basis(np.vstack([rows, others]))
    basis = whole[: len(seen)]
    left = len(seen) - float((basis**2).sum())
    if left < SPARE or len(seen) < 2 * SIDE:
        return None
    drawn = _drawn(len(seen), bool((sd > 0.0).all()), len(others))
    residuals = np.vstack([seen, drawn[:, : len(seen)] - (drawn @ whole) @ basis.T])
    scatter = np.sqrt(((residuals**2).sum(axis=1) + PSEUDO) / (left + PSEUDO))
    splits = np.arange(SIDE, len(seen) - SIDE + 1)
    steps = np.array([_step(k, len(seen)) for k in splits.tolist()])
    kept = steps - (steps @ basis) @ basis.T
    shares = (kept**2).sum(axis=1) / (steps**2).sum(axis=1)
    widths = np.sqrt(np.maximum(shares, ABSORBED) * (steps**2).sum(axis=1))
    contrasts = np.abs(residuals @ steps.T) / widths
    products = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1)
    chances = np.array([_chances(contrasts.max(axis=1) / scatter), _chances(products / scatter**2)])
    least = chances.min(axis=0)
    chance = float(np.mean(least <= least[0]))
    if chance > LEVEL:
        return None
    where = np.array([*starts, len(n)])
    if chances[0, 0] > chances[1, 0]:
        first, end = _stretch(seen)
        own = slice(where[first], where[end])
        times = math.exp(-float(off[own].mean()))
        ends = int(n[own][0]), int(n[own][-1])
        return Pattern(chance, False, *ends, int(where[end] - where[first]), times, 1.0, None)
    best = int(contrasts[0].argmax())
    begin = int(where[splits[best]])
    above, below = (math.exp(-float(part.mean())) for part in (off[begin:], off[:begin]))
    moved = float(seen @ steps[best]) / float(steps[best] @ kept[best])
    size = -moved * float(np.median(spread)) / math.sqrt(float(np.median(sizes)))
    known = shares[best] > ABSORBED and abs(size) < LARGEST
    last = int(n[-1])
    made = math.exp(size) if known else None
    return Pattern(chance, True, int(n[begin]), last, len(n) - begin, above, below, made)


def _groups(count: int) -> np.ndarray:
    """Return where groups of neighbouring points begin; each is one up to `MOST_POINTS`."""
    made: np.ndarray = np.unique(np.linspace(0, count, min(count, MOST_POINTS) + 1).astype(int))
    return made[:-1]


def _basis(rows: np.ndarray) -> np.ndarray:
    """Return U, shape (rows, p), with H = U U^T: what the fit takes from standardised rows."""
    loose = np.eye(rows.shape[1]) / MOVES
    left, sizes, _ = np.linalg.svd(np.vstack([rows, loose]), full_matrices=False)
    made: np.ndarray = left[: len(rows), sizes > 0.0]
    return made


@lru_cache(maxsize=8)
def _drawn(count: int, stated: bool, more: int) -> np.ndarray:
    """Return standardised noise of points and other rows, shape (draws, count + more).

    That of the points is of a size that is known where it is stated.
    """
    random = np.random.default_rng(SEED)
    made: np.ndarray = random.standard_normal((DRAWS, count + more))
    if not stated:
        low, high = np.log((LEAST, MOST))
        made[:, :count] *= np.exp(random.uniform(low, high, (DRAWS, 1))) / USUAL
    return made


def _step(k: int, count: int) -> np.ndarray:
    made: np.ndarray = np.where(np.arange(count) >= k, k / count, k / count - 1.0)
    return made


def _chances(values: np.ndarray) -> np.ndarray:
    """Return for each value the share of all that are at least as large."""
    ordered = np.sort(values)
    made: np.ndarray = 1.0 - np.searchsorted(ordered, values, side="left") / len(values)
    return made


def _stretch(residuals: np.ndarray) -> tuple[int, int]:
    """Return first and end of the stretch of one sign whose sum is largest."""
    turns = np.flatnonzero(np.diff(np.sign(residuals)) != 0) + 1
    starts = np.array([0, *turns])
    sums = np.abs(np.add.reduceat(residuals, starts))
    best = int(sums.argmax())
    return int(starts[best]), int([*turns, len(residuals)][best])
