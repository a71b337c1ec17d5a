"""Rates predicted from counts, beside the measured ones: no throughput of the machine was used.

Lines, instructions and acquires are counted in an emulator, times of lines are those of the
machine's kind, and the share of them that is waited for is the mean of the other machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from lockmodel.answers.predict import predict
from lockmodel.evaluate.backtest.batching import cooper_lake
from lockmodel.figures import style
from lockmodel.measure.acquires.from_counts import LEVEL, from_counts
from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import find_data, find_scenario, read_table, shipped_dir
from lockmodel.progress import Progress, quietly

CURVE, MEASURED = "execl-xeon8369b", "unixbench_execl_xeon8369b.csv"
"""The scenario whose whole curve is predicted, and its published values."""

LOOP = "sysexec-spr224-v6.12"
"""The scenario of fork + exec + exit that the machine without a scenario runs."""

SHIPPED = (CURVE, "sysexec-icl64-v6.12", LOOP)

TITLES = {
    "8369B": "2 x 8369B, execl",
    "6346": "2 x Gold 6346, sysexec",
    "8480CTDX": "2 x 8480CTDX, sysexec",
    "8380H": "4 x 8380H, sysexec",
}
"""Part of a machine's name -> what its row says."""


@dataclass(frozen=True)
class PredictedRate:
    """One rate, in iterations per second.

    Attributes
    ----------
    machine : str
    n : int
        Processes.
    predicted_per_s, low_per_s, high_per_s : float
        From counts, with the interval of a measurement (`RatesData.level`).
    measured_per_s : float
    """

    machine: str
    n: int
    predicted_per_s: float
    low_per_s: float
    high_per_s: float
    measured_per_s: float

    @property
    def off(self) -> float:
        """How far the prediction is from the measurement, as a share of it."""
        return self.predicted_per_s / self.measured_per_s - 1


@dataclass(frozen=True)
class RatesData:
    """What counts say of machines whose throughput they were not told.

    Attributes
    ----------
    level : float
        Of the intervals.
    curve : tuple of PredictedRate
        One machine at all populations that were measured.
    saturated : tuple of PredictedRate
        Four machines, each with all its CPUs busy.
    """

    level: float
    curve: tuple[PredictedRate, ...]
    saturated: tuple[PredictedRate, ...]


def data(progress: Progress = quietly) -> RatesData:
    """Return predicted and measured rates.

    Parameters
    ----------
    progress : callable
        Wraps the loop over machines.
    """
    rows = {
        row["machine"]: (int(row["n"]), float(row["throughput"]))
        for row in read_table(shipped_dir("data") / "computed" / "line_overlap.csv")
    }
    scenarios = [find_scenario(name) for name in SHIPPED]
    scenarios.append(replace(find_scenario(LOOP), machine=cooper_lake()))
    measured = {
        int(row["threads"]): float(row["throughput"]) for row in read_table(find_data(MEASURED))
    }
    curve: tuple[PredictedRate, ...] = ()
    saturated = []
    for scenario in progress(scenarios, len(scenarios), "machines"):
        n, rate = rows[scenario.machine.name]
        own = measured if scenario.name == CURVE else {n: rate}
        made = _predicted(scenario, own)
        curve = made if scenario.name == CURVE else curve
        saturated.append(next(one for one in made if one.n == n))
    return RatesData(LEVEL, curve, tuple(saturated))


def _predicted(scenario: Scenario, measured: dict[int, float]) -> tuple[PredictedRate, ...]:
    """Return the rates of a scenario from counts, beside its measured ones."""
    made = []
    for point in predict(from_counts(scenario), sorted(measured), "product-form").points:
        if point.interval_per_s is None:
            raise AssertionError(f"{scenario.name} from counts has no interval")
        rate = point.throughput_per_s, *point.interval_per_s
        made.append(PredictedRate(scenario.machine.name, point.n, *rate, measured[point.n]))
    return tuple(made)


def draw(figure: Any, drawn: RatesData) -> None:
    """Draw curve and machines into an empty matplotlib figure."""
    shape = {"nrows": 2, "height_ratios": (1.6, 1)} if style.stacked(figure) else {"ncols": 2}
    first, second = figure.subplots(**shape)
    _curve(first, drawn)
    _machines(second, drawn)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)


def _curve(axes: Any, drawn: RatesData) -> None:
    n = [one.n for one in drawn.curve]
    axes.fill_between(
        n,
        [one.low_per_s / 1e3 for one in drawn.curve],
        [one.high_per_s / 1e3 for one in drawn.curve],
        color=style.COLOURS[0],
        alpha=0.22,
        lw=0,
    )
    predicted = [one.predicted_per_s / 1e3 for one in drawn.curve]
    label = f"from counts, {100 * drawn.level:.0f} %"
    axes.plot(n, predicted, color=style.COLOURS[0], marker="s", label=label)
    measured = [one.measured_per_s / 1e3 for one in drawn.curve]
    axes.plot(n, measured, color="black", marker="o", ms=4, ls="", label="measured", zorder=3)
    style.count_axis(axes.xaxis, n[0], n[-1], "copies of execl, 2 x 8369B")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("throughput (k/s)")


def _machines(axes: Any, drawn: RatesData) -> None:
    for row, one in enumerate(drawn.saturated):
        ends = [one.low_per_s / 1e3, one.high_per_s / 1e3]
        axes.plot(ends, [row, row], color=style.COLOURS[0], lw=4, alpha=0.35)
        axes.plot([one.predicted_per_s / 1e3], [row], color=style.COLOURS[0], marker="s", ls="")
        axes.plot([one.measured_per_s / 1e3], [row], color="black", marker="o", ms=4, ls="")
    names = [_title(one.machine) for one in drawn.saturated]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.1 * max(one.high_per_s for one in drawn.saturated) / 1e3)
    axes.grid(False, axis="y")
    axes.set_xlabel("all CPUs busy (k/s)")


def _title(machine: str) -> str:
    return next((title for part, title in TITLES.items() if part in machine), machine)
