"""What binds when a lock is gone: the steps of the figure."""

from lockmodel.figures import registry
from lockmodel.model.network import CPU
from paper.tools.out import Out


def make(out: Out) -> None:
    """Name the steps."""
    data = registry.make("chain")
    first, second, *_, last = data.steps
    if last.binding != CPU:
        raise ValueError("the chain does not end at the CPUs: the text says that it does")
    out.si("chain_first", first.ceiling_at_n_per_s, "/s")
    out.si("chain_second", second.ceiling_at_n_per_s, "/s")
    out.si("chain_cpus", last.ceiling_at_n_per_s, "/s")
