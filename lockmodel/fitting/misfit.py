"""Whether a fit is poor, and which point makes it so: one judgement for every kind of fit.

A fit is poor where throughput is off by more than three times its noise, as a whole or at one
point. One gross outlier inflates a noise estimated from squares until nothing exceeds it; so the
noise is the stated spread, else the median of the residuals, held to what published curves have.
Whether what is left has a shape is judged by `pattern`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lockmodel.fitting import quantiles

TIMES = 3.0
"""Multiple of the noise from which a fit is poor."""

POOR = 0.10
"""Root mean square from which a fit is poor whatever the noise."""

LEAST, USUAL, MOST = 0.02, 0.03, 0.05
"""Noise of throughput without a stated spread: 2 to 5 % in published curves."""

PSEUDO = 4.0
"""As how many residuals of the usual size that counts beside those of the data."""

LEFT_OUT = 0.01
"""What a model leaves out of throughput with a stated spread, in proportion."""

CHANCE = 0.01
"""Probability that one of all points exceeds its limit by chance."""

MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute value."""

FEW, FARTHEST = 12, 4
"""Points up to which each is left out to find what makes a fit poor; else the farthest off are."""

SPARE = 2.0
"""Degrees of freedom below which the fit to the other points goes through them anyway."""

Refit = Callable[[int], np.ndarray]
"""Index of a point -> ln(fitted / measured) of all points, fitted without that one."""


@dataclass(frozen=True)
class Misfit:
    """A poor fit.

    Attributes
    ----------
    rms : float
        Root mean square of ln(fitted / measured).
    whole : bool
        Whether that is too much, or one point alone.
    point : int
        The point that makes it so; the farthest off where no single one does.
    times : float
        Measured over fitted there: over the fit to the others where it alone makes it so.
    noise : float
        Of that point.
    rest : float or None
        Root mean square without the point, where the rest is well fitted; else None.
    """

    rms: float
    whole: bool
    point: int
    times: float
    noise: float
    rest: float | None

    @property
    def gross(self) -> bool:
        """Whether nothing that follows from the fit is to be relied on."""
        return self.rms > POOR

    @property
    def alone(self) -> bool:
        """Whether one point is so far off that the others' residuals say nothing."""
        return self.gross and self.rest is not None

    def sentence(self, where: str, without: str = "") -> str:
        """Return the flag; `where` names the point, `without` what the others alone give."""
        others = "what is fitted" if self.rest is None else "what the others give"
        times = f"{self.times:.3g} times {others}"
        if self.whole:
            said = f"throughput is off by {self.rms:.0%} (root mean square)"
            said += f", farthest {where}" if self.rest is None else f": {where} does it"
            said += f", measured {times}"
        else:
            far = abs(math.log(self.times)) / self.noise
            said = f"{where} is measured {times}, {far:.2g} times the noise of {self.noise:.1%}"
        if self.rest is not None:
            said += f". Without it{without and f' {without},'} off by {self.rest:.1%}"
        return f"POOR FIT: {said}"


def judge(off: np.ndarray, sd: np.ndarray, left: float, refit: Refit) -> Misfit | None:
    """Return what makes a fit poor; None where nothing does.

    Parameters
    ----------
    off : ndarray, shape (k,)
        ln(fitted / measured).
    sd : ndarray, shape (k,)
        Stated relative spread of each point; 0 where there is none.
    left : float
        Degrees of freedom left: points less parameters.
    refit : callable
        Called for poor fits only.
    """
    noise = noise_of(off, sd, left)
    far = np.abs(off) / noise
    rms, whole, poor = _exceeds(off, sd, left)
    if not poor:
        return None
    count = off.size
    tried = range(count) if count <= FEW else np.argsort(-far)[:FARTHEST].tolist()
    best: tuple[float, int, float] | None = None
    for k in tried if left >= SPARE else ():
        again = refit(k)
        rest = np.delete(again, k)
        size, _, still = _exceeds(rest, np.delete(sd, k), left - 1.0)
        if not still and abs(again[k]) > TIMES * noise[k] and size < (best or (rms,))[0]:
            best = size, k, float(again[k])
    if best is not None:
        size, k, there = best
        return Misfit(rms, whole, k, math.exp(-there), float(noise[k]), size)
    k = int(np.argmax(far))
    return Misfit(rms, whole, k, math.exp(-float(off[k])), float(noise[k]), None)


def noise_of(off: np.ndarray, sd: np.ndarray, left: float) -> np.ndarray:
    """Return the relative noise of every point, shape (k,)."""
    plain = sd == 0.0
    own = USUAL
    if plain.any():
        robust = MAD * float(np.median(np.abs(off[plain])))  # of residuals, which a fit shrinks
        own = math.sqrt((off.size * robust**2 + PSEUDO * USUAL**2) / (max(left, 0.0) + PSEUDO))
    noise: np.ndarray = np.where(plain, min(max(own, LEAST), MOST), np.hypot(sd, LEFT_OUT))
    return noise


def _exceeds(off: np.ndarray, sd: np.ndarray, left: float) -> tuple[float, bool, bool]:
    """Return the root mean square, whether it is too large, and whether it or a point is."""
    noise = noise_of(off, sd, left)
    rms = math.sqrt(float(np.mean(off**2)))
    whole = rms > min(TIMES * math.sqrt(float(np.mean(noise**2))), POOR)
    stated, estimated = (
        max(TIMES, quantiles.student(1.0 - CHANCE / off.size, degrees))
        for degrees in (0.0, max(left, 0.0) + PSEUDO)
    )
    far = np.abs(off) > noise * np.where(sd > 0.0, stated, estimated)
    return rms, whole, bool(whole or far.any())
