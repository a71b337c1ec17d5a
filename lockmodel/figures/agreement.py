"""The solvers against each other: how far Markov chain and simulation are from product form.

Product form is the line at zero, with a band of the error it states for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lockmodel.answers.predict import predict
from lockmodel.errors import NotTrustworthyError
from lockmodel.evaluate.verify import cases
from lockmodel.figures import style
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.solve import SMALL_CHAIN

PRECISION = 0.002
"""Relative half-width of the simulations' 95 % intervals."""

POPULATIONS = (1, 2, 4, 8, 16, 32)
"""Of the cases of the paper."""

MARGIN = 1.2
"""Axis over what is drawn on it: markers at the ends are whole."""

LEAST_SPAN = 0.5
"""Percent that an axis shows at least either way."""


@dataclass(frozen=True)
class AgreementRow:
    """The answers at one population, in iterations per second.

    Attributes
    ----------
    n : int
    product_form_per_s : float
    stated_error : float or None
        Relative error that product form states for itself; None where it is not known.
    markov_per_s : float or None
        None where no small chain solves the scenario.
    simulated_per_s, low_per_s, high_per_s : float
        Mean and 95 % interval.
    """

    n: int
    product_form_per_s: float
    stated_error: float | None
    markov_per_s: float | None
    simulated_per_s: float
    low_per_s: float
    high_per_s: float


@dataclass(frozen=True)
class AgreementPanel:
    """One scenario."""

    title: str
    rows: tuple[AgreementRow, ...]


@dataclass(frozen=True)
class AgreementData:
    """Some scenarios, each with the answers of all solvers."""

    panels: tuple[AgreementPanel, ...]


def data(
    scenario: Scenario | None = None,
    populations: Sequence[int] | None = None,
    precision: float = PRECISION,
    progress: Progress = quietly,
) -> AgreementData:
    """Return the answers of all solvers.

    Parameters
    ----------
    scenario : Scenario, optional
        By default two cases of `lockmodel verify`: one that product form solves exactly, and one
        whose hand-off is a phase of its own, which it only approximates.
    populations : sequence of int, optional
        By default 1, 2, 4, ... to 32, or to the CPUs of the scenario.
    precision : float
        Relative half-width of the simulated intervals.
    progress : callable
        Wraps the loop over scenarios and populations.

    Raises
    ------
    NotTrustworthyError
        As `solve`; a Markov chain that is refused is left out.
    """
    if scenario is None:
        phase = cases.lock(handoff=ConstantHandOff(time=0.5))
        chosen = {
            "three locks, exponential": cases.three(),
            "hand-off as a phase": cases.scenario((phase,), (cases.site(1.0),), 5.0),
        }
        top = POPULATIONS[-1]
    else:
        chosen, top = {scenario.name: scenario}, scenario.machine.cpus
    asked = tuple(populations or style.powers(1, top, most=32))
    jobs = [(title, n) for title in chosen for n in asked]
    rows: dict[str, list[AgreementRow]] = {title: [] for title in chosen}
    for title, n in progress(jobs, len(jobs), "simulations"):
        rows[title].append(_row(chosen[title], n, precision))
    return AgreementData(
        tuple(AgreementPanel(title, tuple(lines)) for title, lines in rows.items())
    )


def _row(scenario: Scenario, n: int, precision: float) -> AgreementRow:
    from lockmodel.solvers.markov import points as chains
    from lockmodel.solvers.simulation.simulate import simulate

    product = predict(scenario, [n], "product-form").points[0]
    markov = None
    with suppress(NotTrustworthyError):
        if not chains.approximations(scenario, n):
            markov = chains.point(scenario, n, SMALL_CHAIN).throughput_per_s
    simulated = simulate(scenario, n, precision).throughput_per_s
    low, high = simulated.interval()
    return AgreementRow(
        n,
        product.throughput_per_s,
        product.error_estimate,
        markov,
        simulated.value,
        low,
        high,
    )


def percent(row: AgreementRow, rate: float) -> float:
    """Return how far a rate is from product form's, in percent."""
    return 100 * (rate / row.product_form_per_s - 1)


def relative_height(drawn: AgreementData, upright: bool) -> float:
    """Return the height over that of the default figure, which has two panels."""
    return 0.6 if upright and len(drawn.panels) == 1 else 1.0


def draw(figure: Any, drawn: AgreementData) -> None:
    """Draw a panel per scenario into an empty matplotlib figure."""
    count = len(drawn.panels)
    shape = (count, 1) if style.stacked(figure) else (1, count)
    panels = figure.subplots(*shape, squeeze=False).ravel()
    for axes, panel in zip(panels, drawn.panels, strict=True):
        _panel(axes, panel)
        style.count_axis(
            axes.xaxis, panel.rows[0].n, panel.rows[-1].n, "processes", most=9 if count == 1 else 6
        )
        if count > 1:
            axes.set_title(panel.title, fontsize=style.TEXT, pad=3)
    figure.supylabel("difference from product form (%)", fontsize=style.TEXT)
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles=list(handles.values()), loc="outside upper right", ncols=2)


def _panel(axes: Any, panel: AgreementPanel) -> None:
    rows = panel.rows
    known = [(row.n, 100 * row.stated_error) for row in rows if row.stated_error is not None]
    if known:
        ns, errors = zip(*known, strict=True)
        axes.fill_between(
            ns,
            [-error for error in errors],
            errors,
            color=style.COLOURS[5],
            alpha=0.35,
            lw=0,
            label="its stated error",
        )
    axes.axhline(0, color=style.COLOURS[0], label="product form")
    axes.errorbar(
        [row.n for row in rows],
        [percent(row, row.simulated_per_s) for row in rows],
        yerr=[
            [percent(row, row.simulated_per_s) - percent(row, row.low_per_s) for row in rows],
            [percent(row, row.high_per_s) - percent(row, row.simulated_per_s) for row in rows],
        ],
        color=style.COLOURS[1],
        marker="o",
        ms=3,
        ls="",
        capsize=2.5,
        lw=1,
        label="simulation, 95 %",
    )
    chains = [(row.n, percent(row, row.markov_per_s)) for row in rows if row.markov_per_s]
    if chains:
        axes.plot(
            *zip(*chains, strict=True),
            color="black",
            marker="D",
            mfc="none",
            ms=6,
            ls="",
            label="Markov chain",
        )
    span = max(LEAST_SPAN, *(abs(end) for end in axes.get_ylim()))
    axes.set_ylim(-MARGIN * span, MARGIN * span)
