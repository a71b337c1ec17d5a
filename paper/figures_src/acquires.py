"""Figure: acquires per site."""

from lockmodel.figures import registry
from lockmodel.paper.out import Out


def make(out: Out) -> None:
    """Draw the figure."""
    out.figure("acquires", registry.make("acquires"))
