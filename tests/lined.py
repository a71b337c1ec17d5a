"""A scenario of one lock with lines, on a machine of two nodes whose line times are known."""

from __future__ import annotations

from msgspec.structs import replace

from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.scenario import Lock, Scenario, Site

TIMES = LineTimes(smt=10e-9, socket=50e-9, remote=100e-9)
MACHINE = Machine(name="m", cpus=16, cores=8, sockets=2, nodes=2, line=TIMES)
"""CPUs fill the four cores of the first socket, then those of the second, then the siblings."""


def scenario(**more: object) -> Scenario:
    """Return two sites of one lock on `MACHINE`, with lines and lines of the hand-off."""
    site = Site(lock="a", phase="p", name="s", acquires=3, held_instructions=100, lines=5.0)
    grows = replace(
        site, name="t", acquires=1, lines=-2.0, lines_per_doubling=4.0, lines_per_idle_doubling=1.5
    )
    made = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=MACHINE,
        think=20e-6,
        locks=(
            Lock(
                name="a",
                time_per_instruction_local=1e-9,
                time_per_instruction_remote=1e-9,
                acquire_time=7e-9,
                handoff_lines=6.0,
                other_mappers=8,
            ),
        ),
        sites=(site, grows),
    )
    return replace(made, **more)  # type: ignore[arg-type]
