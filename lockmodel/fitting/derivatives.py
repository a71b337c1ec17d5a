"""Central differences with respect to unknowns, for what has no exact derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

STEP = 1e-4
"""Step on the logarithm of an unknown: the error is some 1e-8 of what is differentiated."""


def central(
    at: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, own: Iterable[int], size: int
) -> np.ndarray:
    """Return the derivatives of a function of the unknowns, by central differences.

    Parameters
    ----------
    at : callable
        theta, shape (p,) -> values, shape (size,).
    theta : ndarray, shape (p,)
        Logarithms of the unknowns.
    own : iterable of int
        The unknowns it depends on; derivatives by the others are 0.
    size : int
        Values that it returns.

    Returns
    -------
    ndarray, shape (size, p)
    """
    slopes = np.zeros((size, theta.size))
    for index in own:
        step = np.zeros(theta.size)
        step[index] = STEP
        slopes[:, index] = (at(theta + step) - at(theta - step)) / (2.0 * STEP)
    return slopes
