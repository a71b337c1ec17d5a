"""Figure: throughput against the held work."""

from lockmodel.figures import registry
from lockmodel.paper.out import Out


def make(out: Out) -> None:
    """Draw the figure."""
    out.figure("hold", registry.make("hold"))
