"""One lock whose demand is worked out by hand."""

from __future__ import annotations

from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site

US = 1e-6
NS = 1e-9

# tau I = 1 ns x (3 x 500 + 500) = 2 us; m (a + c) = 4 x (100 + 400) ns = 2 us; D = 4 us.
ONE_LOCK = Scenario(
    name="one",
    title="one lock by hand",
    iteration="one",
    machine=Machine(name="flat", cpus=64, cores=64),
    think=100 * US,
    locks=(
        Lock(
            name="file",
            time_per_instruction_local=1 * NS,
            time_per_instruction_remote=1 * NS,
            acquire_time=100 * NS,
            handoff=ConstantHandOff(time=400 * NS),
        ),
    ),
    sites=(
        Site(lock="file", phase="exec", name="map", acquires=3, held_instructions=500),
        Site(lock="file", phase="exit", name="unmap", acquires=1, held_instructions=500),
    ),
)
