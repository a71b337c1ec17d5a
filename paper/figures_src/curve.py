"""Figure: throughput against processes."""

from lockmodel.figures import registry
from lockmodel.paper.out import Out


def make(out: Out) -> None:
    """Draw the figure."""
    out.figure("curve", registry.make("curve"))
