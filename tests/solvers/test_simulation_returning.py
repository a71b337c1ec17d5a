"""Lines that cost only after another process: simulation against product form, direction."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.model.site import Site
from lockmodel.solvers.markov.refusals import refusal
from lockmodel.solvers.product_form import solve
from lockmodel.solvers.simulation.simulate import simulate

MACHINE = Machine(name="m", cpus=64, cores=64, line=LineTimes(socket=50e-9))


def bursts(kind: str, gap: float, acquires: float = 8.0, think: float = 40e-6) -> Scenario:
    """Return acquires of 100 ns and 10 lines, with a share of the think time between them."""
    lock = Lock(
        name="a",
        kind=kind,
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=1e-9,
        handoff=ConstantHandOff(time=0.2e-6),
        lines_when="changed",
    )
    site = Site(
        lock="a", name="s", acquires=acquires, held_instructions=100, lines=10, gap_share=gap
    )
    return Scenario(name="t", machine=MACHINE, think=think, locks=(lock,), sites=(site,))


def rates(made: Scenario, n: int) -> tuple[float, float]:
    """Return the throughput by product form and by simulation."""
    simulated = simulate(made, n, precision=0.004).throughput_per_s
    return float(solve(build(made, n))[0].throughput), simulated.value


@pytest.mark.parametrize(("kind", "most"), [("fifo", 0.02), ("barging", 0.05)])
@pytest.mark.parametrize("gap", [0.0, 0.5])
@pytest.mark.parametrize("n", [2, 8, 32])
def test_product_form_is_near(kind: str, most: float, gap: float, n: int) -> None:
    solved, simulated = rates(bursts(kind, gap), n)
    assert solved == pytest.approx(simulated, rel=most)


def test_bursts_pass_a_barging_lock_more_often() -> None:
    """Acquires per s of 32 processes: 8 in a row, against as many one by one."""
    _, together = rates(bursts("barging", 0.0), 32)
    _, single = rates(bursts("barging", 0.0, acquires=1.0, think=5e-6), 32)
    assert 8.0 * together > 2.0 * single
    _, in_order = rates(bursts("fifo", 0.0), 32)
    _, apart = rates(bursts("fifo", 0.0, acquires=1.0, think=5e-6), 32)
    assert 8.0 * in_order == pytest.approx(apart, rel=0.02)  # always another process


def test_a_process_alone_finds_its_own_lines() -> None:
    made = bursts("fifo", 0.5)
    _, simulated = rates(made, 1)
    assert simulated == pytest.approx(1.0 / (40e-6 + 8 * 100e-9), rel=0.01)


def test_gaps_of_one_process_are_its_think_time() -> None:
    whole, parts = bursts("fifo", 0.0), bursts("fifo", 1.0)
    assert rates(whole, 1)[1] == pytest.approx(rates(parts, 1)[1], rel=0.01)


def test_the_chains_refuse_what_they_do_not_know() -> None:
    made = bursts("fifo", 0.0)
    assert "who had a lock last" in str(refusal(made, 2))
    always = replace(made, locks=(replace(made.locks[0], lines_when="always"),))
    assert refusal(always, 2) is None
    gaps = replace(always, sites=(replace(always.sites[0], gap_share=0.5),))
    assert "in one piece" in str(refusal(gaps, 2))
