"""Figure: what binds when a lock is gone."""

from lockmodel.figures import registry
from lockmodel.model.network import CPU
from lockmodel.paper.out import Out


def make(out: Out) -> None:
    """Draw the figure and name its steps."""
    found = registry.make("chain")
    out.figure("chain", found)
    first, second, *_, last = found.steps
    if last.binding != CPU:
        raise ValueError("the chain does not end at the CPUs: the text says that it does")
    out.si("chain_first", first.ceiling_at_n_per_s, "/s")
    out.si("chain_second", second.ceiling_at_n_per_s, "/s")
    out.si("chain_cpus", last.ceiling_at_n_per_s, "/s")
