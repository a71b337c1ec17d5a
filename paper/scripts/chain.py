"""What binds when a lock is gone: the steps of the figure."""

from lockmodel.figures import registry
from lockmodel.model.network import CPU
from lockmodel.model.scenario import NOT_COUNTED
from paper.tools.out import Out

FILES = ("libc.so.6", "ld-linux-x86-64.so.2", "executable")
"""Whose locks are removed first."""


def make(out: Out) -> None:
    """Name the steps."""
    data = registry.make("chain")
    first, second, *_, last = data.steps
    after = next(step for step in data.steps if step.binding == NOT_COUNTED)
    if [step.removed for step in data.steps[1:4]] != [*FILES]:
        raise ValueError("the chain does not begin with the files: the text says that it does")
    if last.binding != CPU:
        raise ValueError("the chain does not end at the CPUs: the text says that it does")
    out.si("chain_first", first.ceiling_at_n_per_s, "/s")
    out.si("chain_second", second.ceiling_at_n_per_s, "/s")
    out.si("chain_files", after.ceiling_at_n_per_s, "/s")
    out.si("chain_cpus", last.ceiling_at_n_per_s, "/s")
