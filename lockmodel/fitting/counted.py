"""What counts say of a model beside what a fit determined: it stays as open as it was."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lockmodel.fitting import parameters as ps
from lockmodel.model.fit_table import BY_COUNTS, FittedParameter
from lockmodel.model.scenario import NOT_COUNTED, Scenario


def with_counted(
    fitted: Sequence[FittedParameter], model: Scenario, scenario: Scenario
) -> tuple[FittedParameter, ...]:
    """Return estimates with what their model's own [fit] has from counts alone.

    Parameters
    ----------
    fitted : sequence of FittedParameter
    model : Scenario
        That was fitted.
    scenario : Scenario
        With the estimates: what it has no longer is left out.

    Returns
    -------
    tuple of FittedParameter
        Counted ones are independent of each other and of the estimates.
    """
    names = {one.name for one in fitted}
    own = () if model.fit is None else model.fit.parameters
    kept = {
        k: one
        for k, one in enumerate(own)
        if one.name not in names
        and (one.given == BY_COUNTS or uncounted(one))
        and ps.has(scenario, one.name)
    }
    made = [replace(one, covariance=(*one.covariance, *(0.0 for _ in kept))) for one in fitted]
    for place, (k, one) in enumerate(kept.items(), len(fitted)):
        row = [0.0] * (len(fitted) + len(kept))
        row[place] = one.covariance[k]
        made.append(replace(one, covariance=tuple(row)))
    return tuple(made)


def uncounted(one: FittedParameter) -> bool:
    """Return whether a parameter is of what stands for what nobody counted."""
    return one.name.startswith(f"{NOT_COUNTED}.")
