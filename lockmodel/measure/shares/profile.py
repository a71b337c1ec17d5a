"""What a reader of profiles returns: sites, and how much waiting each has."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lockmodel.errors import ScenarioError
from lockmodel.measure.shares import evidence

MOST_SITES = 64
"""Sites of one profile: an iteration has about ten, hundreds are stacks that were not grouped."""

LEAST_SHARE = 0.01
"""A smaller part of the waiting is left out: other files' locks, and stacks that were cut."""

MOST_NAME = 100
"""Characters of a site's name that are kept."""


@dataclass(frozen=True)
class ProfileSite:
    """One place that waits.

    Attributes
    ----------
    name : str
        As the profile calls it.
    value : float
        Its waiting, > 0: percent or samples, as the profile gives it.
    model_site : str or None
        phase.name in the words of the traced tables, where the stack tells.
    """

    name: str
    value: float
    model_site: str | None = None


@dataclass(frozen=True)
class Profile:
    """Waiting by call site.

    Attributes
    ----------
    name : str
        Its id, or the file.
    sites : tuple of ProfileSite
        In the order of the file.
    counted : float or None
        Samples that one unit of `value` stands for (1 if values are samples); None: not known.
    step : float
        Last printed digit of the values; 0 if they are exact.
    facts : dict of str to str
        Machine, workload, kernel, source: what the profile says of itself.
    left_out : tuple of str
        Waiting that no site was made of, and why.
    """

    name: str
    sites: tuple[ProfileSite, ...]
    counted: float | None = None
    step: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """Waiting of the sites, shape (sites,)."""
        return np.array([site.value for site in self.sites])

    def known_variance(self) -> np.ndarray:
        """Return the known relative variance of each value: counting plus rounding."""
        values = self.values
        known = evidence.rounding_variance(values, self.step)
        if self.counted is not None:
            known = known + evidence.counting_variance(values * self.counted)
        return known


def make(
    name: str,
    sites: list[ProfileSite],
    *,
    counted: float | None = None,
    step: float = 0.0,
    facts: dict[str, str] | None = None,
    left_out: tuple[str, ...] = (),
) -> Profile:
    """Return a profile of the sites that matter; see `Profile` for the arguments.

    Raises
    ------
    ScenarioError
        There are no sites, too many, or one is not a number above 0 (0 is left out).
    """
    for site in sites:
        if not math.isfinite(site.value) or site.value < 0 or site.value > 1e300:
            raise ScenarioError(
                f"{name}: site {site.name[:60]!r} has {site.value:g}; a share must be >= 0"
            )
    total = sum(site.value for site in sites)
    large = [s for s in sites if s.value > 0 and s.value >= LEAST_SHARE * total]
    small = [s for s in sites if s not in large]
    if small:
        part = sum(s.value for s in small) / total if total else 0.0
        count = "1 site" if len(small) == 1 else f"{len(small)} sites"
        left_out = (
            *left_out,
            f"{count} with less than {LEAST_SHARE:.0%} of the waiting, {part:.2%} together "
            f"(largest: {max(small, key=lambda s: s.value).name[:40]})",
        )
    if not large:
        raise ScenarioError(f"{name}: no site waits; a profile needs shares above 0")
    if len(large) > MOST_SITES:
        raise ScenarioError(
            f"{name}: {len(large)} sites, at most {MOST_SITES}; group the stacks by call site"
        )
    return Profile(name, tuple(large), counted, step, facts or {}, left_out)
