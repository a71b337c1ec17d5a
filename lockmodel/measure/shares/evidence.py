"""How well integers explain shares of waiting, against the chance that any shares lie so close.

Shares s_1..s_n say only ratios, so everything is a density over the n - 1 log-ratios
ln(s_i / s_n), and two explanations are comparable because both are densities over the same space.

* Integers k: ln s_i = ln u + ln k_i + e_i, e_i normal with variance sigma^2 + w_i. The unit u
  has a flat prior in ln u and is integrated out in closed form; sigma, the systematic relative
  noise of a site, has a prior flat in ln sigma and is averaged over a grid; w_i is known: Poisson
  (1 / samples) or the rounding of the printed digits. All sites have 1 to K acquires, each
  number alike, and K has the prior 1 / (K (K + 1)): a unit m times finer costs a factor m per
  site, so it must earn its better fit.
* No integers: the shares are uniform over the simplex, Dirichlet(1, .., 1), whose density over
  the log-ratios is (n - 1)! s_1 .. s_n.

The ratio of the two is a Bayes factor: MacKay, Information Theory, Inference, and Learning
Algorithms (2003), chapter 28.
"""

from __future__ import annotations

import math

import numpy as np

SIGMA_LOW = 0.002
"""Least systematic relative noise of a site's share: profiles printed to 0.01 % are no better."""

SIGMA_HIGH = 0.05
"""Largest: above it shares of 5 and 6 acquires cannot be told apart, and nothing is learnt.
The three published profiles scatter by 0.3 to 2.3 %."""

PRIOR_END = 100
"""How many times the largest integer the sum of the prior goes on."""

SIGMAS = np.geomspace(SIGMA_LOW, SIGMA_HIGH, 12)


def log_integers(
    shares: np.ndarray, known: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how well vectors of integers explain shares.

    Parameters
    ----------
    shares : array, shape (sites,)
        Above 0; any common factor is irrelevant.
    known : array, shape (sites,)
        Known relative variance of each share: counting or rounding.
    vectors : array of int, shape (vectors, sites)
        At least 1 each.

    Returns
    -------
    log_evidence : array, shape (vectors,)
        Natural logarithm of prior x likelihood, sigma and the unit integrated out.
    sigma : array, shape (vectors,)
        Posterior mean of the systematic relative noise under each vector.
    """
    sites = shares.size
    residual = np.log(shares) - np.log(vectors)
    likelihood = np.empty((SIGMAS.size, len(vectors)))
    for at, sigma in enumerate(SIGMAS):
        weight = 1.0 / (sigma**2 + known)
        mean = residual @ weight / weight.sum()
        distance = ((residual - mean[:, None]) ** 2) @ weight
        likelihood[at] = 0.5 * (np.log(weight).sum() - math.log(weight.sum()) - distance)
    likelihood -= 0.5 * (sites - 1) * math.log(2 * math.pi)
    top = likelihood.max(axis=0)
    scaled = np.exp(likelihood - top)
    prior = log_prior(sites, int(vectors.max()))[vectors.max(axis=1) - 1]
    mean_sigma: np.ndarray = (SIGMAS @ scaled) / scaled.sum(axis=0)
    log_evidence: np.ndarray = top + np.log(scaled.mean(axis=0)) + prior
    return log_evidence, mean_sigma


def log_prior(sites: int, largest: int) -> np.ndarray:
    """Return the log prior of a vector of integers whose maximum is 1, 2, .., `largest`.

    The sum over K from the maximum on of K^-sites / (K (K + 1)); the rest beyond `PRIOR_END` times
    the largest is below 1e-6 of it. Over all vectors of integers it adds up to 1.
    """
    levels = np.arange(1.0, PRIOR_END * largest + 1.0)
    terms = -sites * np.log(levels) - np.log(levels * (levels + 1.0))
    tails = np.logaddexp.accumulate(terms[::-1])[::-1]
    prior: np.ndarray = tails[:largest]
    return prior


def log_chance(shares: np.ndarray) -> float:
    """Return the log density of the shares if they are any numbers: Dirichlet(1, .., 1)."""
    normal = shares / shares.sum()
    return math.lgamma(shares.size) + float(np.log(normal).sum())


def counting_variance(samples: np.ndarray) -> np.ndarray:
    """Return the relative variance of counts of samples (Poisson): 1 / samples."""
    variance: np.ndarray = 1.0 / np.maximum(samples, 1.0)
    return variance


def rounding_variance(shares: np.ndarray, step: float) -> np.ndarray:
    """Return the relative variance of shares that were rounded to multiples of `step`.

    A rounding error is uniform over one step: variance step^2 / 12.
    """
    return step**2 / 12.0 / shares**2
