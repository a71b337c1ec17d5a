"""Measured error of product form: the ends of the figure's lines."""

from lockmodel.figures import registry
from paper.tools.out import Out


def make(out: Out) -> None:
    """Name the largest errors."""
    found = registry.make("errors")
    errors = [e for line in found.lines for e in line.error]
    out.share("map_worst", max(errors, key=abs))
    worst = max(found.lines, key=lambda line: max(map(abs, line.error)))
    out.number("map_worst_handoff", worst.handoff, f"{worst.handoff:g}")
    plain = [line for line in found.lines if line.handoff == 0 and line.hold_scv <= 1]
    out.share("map_plain", max(abs(e) for line in plain for e in line.error), 1)
    out.count("map_points", sum(len(line.error) for line in found.lines))
