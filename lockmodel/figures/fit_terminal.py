"""Measured throughput and fitted curve with its band, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lockmodel.answers.band import FittedCurve

SIZE = (78, 22)


def draw(curves: Sequence[FittedCurve], title: str) -> str:
    """Return the plot of the first curve with a grid, or of all single points."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(*SIZE)
    for curve in [c for c in curves if len(c.n) > 1][:1]:
        plotext.plot(curve.n, [x / 1e3 for x in curve.high_per_s], marker="dot", label="90 %")
        plotext.plot(curve.n, [x / 1e3 for x in curve.low_per_s], marker="dot")
        plotext.plot(curve.n, [x / 1e3 for x in curve.fitted_per_s], label="fit")
    for curve in curves:
        rates = [x / 1e3 for x in curve.measured_per_s]
        plotext.scatter(list(curve.measured_n), rates, marker="x", label=curve.label[-30:])
    plotext.xlabel("processes")
    plotext.title(f"{title}: thousand iterations per second")
    plotext.ylim(0, None)
    return str(plotext.build())
