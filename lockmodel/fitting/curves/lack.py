"""What the family that follows a curve best does not follow."""

from __future__ import annotations

import numpy as np

from lockmodel.fitting.curves.comparison import FamilyComparison
from lockmodel.fitting.curves.curve import Curve, merged
from lockmodel.fitting.curves.families import BY_NAME, shape
from lockmodel.fitting.curves.fitting import FamilyFit, fit
from lockmodel.fitting.pattern import Pattern, pattern


def lack(comparison: FamilyComparison) -> Pattern | None:
    """Return the pattern in the residuals of the best family with a weight; None without one."""
    poor = comparison.misfit
    averaged = [row for row in comparison.families if row.weight > 0]
    if not averaged or (poor is not None and poor.alone):
        return None
    curve = merged(comparison.curve)
    return unlike(fit(BY_NAME[min(averaged, key=lambda row: row.rms).name], curve), curve)


def unlike(fitted: FamilyFit, curve: Curve) -> Pattern | None:
    """Return the pattern in the residuals of a fitted family."""
    family = fitted.family
    _, slopes = shape(family, fitted.theta[1:], curve.n, curve.machine)
    held = [f"AT LIMIT: {one.name}" in fitted.flags for one in family.parameters]
    slopes[:, held] = 0.0
    slopes = np.column_stack([np.ones(len(curve.n)), slopes])
    off = fitted.log_predict(curve.n, curve) - np.log(curve.x)
    return pattern(curve.n, off, curve.spread, slopes)
