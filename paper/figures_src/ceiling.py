"""Figure: ceiling over acquires and shards."""

from lockmodel.figures import registry
from lockmodel.paper.out import Out


def make(out: Out) -> None:
    """Draw the figure."""
    out.figure("ceiling", registry.make("ceiling"))
