"""Measured error of product form: the ends of the figure's lines."""

from lockmodel.figures import registry
from paper.tools.out import Out


def make(out: Out) -> None:
    """Name the largest errors."""
    data = registry.make("errors")
    errors = [e for line in data.lines for e in line.error]
    out.share("map_worst", max(errors, key=abs))
    worst = max(data.lines, key=lambda line: max(map(abs, line.error)))
    out.number("map_worst_handoff", worst.handoff, f"{worst.handoff:g}")
    plain = [line for line in data.lines if line.handoff == 0 and line.hold_scv <= 1]
    out.share("map_plain", max(abs(e) for line in plain for e in line.error), 1)
    out.count("map_points", sum(len(line.error) for line in data.lines))
