"""Who had a lock last: probabilities worked out by hand, and what they make of a station."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from lockmodel.errors import ScenarioError
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.network import build
from lockmodel.model.returning import Gap, Taken, barged, found_changed, gaps
from lockmodel.model.scenario import Scenario
from lockmodel.model.site import Site
from lockmodel.model.toml import dumps, loads
from tests.lined import scenario


def returning(**more: object) -> Scenario:
    """Return `tests.lined` with lines that come only after another process."""
    made = scenario()
    return replace(made, locks=(replace(made.locks[0], lines_when="changed", **more),))


@pytest.mark.parametrize("users", [1, 2, 3, 64, 10_000])
def test_one_acquire_per_iteration_follows_any_of_all_alike(users: int) -> None:
    (changed,) = found_changed([Gap(0, 5.0, 1.0)], users)
    assert changed == pytest.approx((users - 1) / users, abs=1e-9)


def test_two_processes_by_hand() -> None:
    """The other is in its gap of 8, 1 or 1 with .8, .1, .1; P(stays) = 1 / (1 + g / G)."""
    own = [Gap(0, 8.0, 1.0), Gap(0, 1.0, 2.0)]
    long = 1.0 - (0.8 / 2.0 + 0.2 / 9.0)
    short = 1.0 - (0.8 / (1.0 + 1.0 / 8.0) + 0.2 / 2.0)
    assert found_changed(own, 2) == pytest.approx([long, short], rel=1e-9)


def test_three_processes_by_hand() -> None:
    """E[f(g)^2]: both others stay, the sum over pairs of their gaps."""
    own = [Gap(0, 8.0, 1.0), Gap(0, 2.0, 1.0)]
    stay = sum(
        w * v / (1.0 + 2.0 / g + 2.0 / h)
        for w, g in ((0.8, 8), (0.2, 2))
        for v, h in ((0.8, 8), (0.2, 2))
    )
    assert found_changed(own, 3)[1] == pytest.approx(1.0 - stay, rel=1e-9)


def test_no_gap_is_the_limit_of_small_ones() -> None:
    none = found_changed([Gap(0, 8.0, 1.0), Gap(0, 0.0, 7.0)], 16)
    tiny = found_changed([Gap(0, 8.0, 1.0), Gap(0, 1e-9, 7.0)], 16)
    assert none[1] == 0.0
    assert tiny == pytest.approx(none, abs=1e-7)
    assert none[0] == pytest.approx(15 / 16)


def test_only_ratios_of_gaps_matter() -> None:
    own = [Gap(0, 3.0, 1.0), Gap(1, 0.5, 4.0)]
    longer = [gap._replace(time=1e-6 * gap.time) for gap in own]
    assert found_changed(longer, 9) == pytest.approx(found_changed(own, 9), rel=1e-9)


def test_drawn_shards_are_visited_by_fewer() -> None:
    own = [Gap(0, 8.0, 1.0), Gap(0, 1.0, 1.0)]
    first, second = found_changed(own, 2, share=0.25, drawn=True)
    assert first == pytest.approx(0.5)
    assert second == pytest.approx(0.25 * found_changed(own, 2)[1], rel=1e-9)


def test_gaps_of_an_iteration_in_order() -> None:
    iteration = [
        Taken(None, 2.0, 0.5, 1.0),
        Taken(0, 3.0, 0.25, 9.0),
        Taken(None, 1.0, 0.0, 4.0),
        Taken(1, 1.0, 2.0, 9.0),
        Taken(None, 1.0, 1.0, 6.0),
    ]
    assert gaps(iteration, 10.0) == (
        Gap(0, 10.0 + 3.0 + 0.25 + 7.0, 1.0),
        Gap(0, 0.25, 2.0),
        Gap(1, 4.0 + 2.0, 1.0),
    )


def test_a_gap_against_the_hand_off() -> None:
    own = [Gap(0, 3.0, 1.0), Gap(0, 0.0, 1.0)]
    assert barged(own, np.array([1.0, 3.0, 0.0])).tolist() == [[0.75, 0.5, 1.0], [0.0, 0.0, 0.0]]


def test_the_station_by_hand() -> None:
    """4 processes in one socket (50 ns a line): 3 + 1 acquires in a row, of 5 and 6 lines.

    Alone, the first acquire of an iteration follows another process in 3 of 4 iterations.
    """
    always, changed = build(scenario(), 4), build(returning(), 4)
    lines = 3 * 5.0 + (-2.0 + 4.0 * 2.0 + 1.5 * np.log2(12 / 4))
    held = 4 * (100e-9 + 7e-9)
    (one,), (other,) = always.of("a"), changed.of("a")
    assert one.service[0] == pytest.approx(held + lines * 50e-9, rel=1e-9)
    assert other.service[0] == pytest.approx(held + 0.75 * 5.0 * 50e-9, rel=1e-9)
    assert other.service[1] == pytest.approx(one.service[1], rel=1e-12)
    assert changed.saved["a"] == pytest.approx((lines - 0.75 * 5.0) * 50e-9, rel=1e-9)
    assert changed.hold == pytest.approx(always.hold)


def test_nothing_changes_for_one_process() -> None:
    one, other = build(scenario(), 1), build(returning(), 1)
    assert [s.service.tolist() for s in one.stations] == [
        s.service.tolist() for s in other.stations
    ]


def test_a_burst_that_barges_in_passes_once() -> None:
    """No gaps in a burst of 4: with waiters the first acquire alone takes lines and a hand-off."""
    made = returning(kind="barging", handoff=ConstantHandOff(time=1e-6), handoff_lines=0.0)
    (station,) = build(made, 4).of("a")
    held = 4 * (100e-9 + 7e-9)
    passed = 20e-6 / (20e-6 + 1e-6)  # all think time lies before it
    assert station.service[1] == pytest.approx(held + passed * (5 * 50e-9 + 1e-6), rel=1e-9)


def test_gaps_leave_always_as_it_is() -> None:
    made = scenario()
    split = replace(made, sites=(replace(made.sites[0], gap_share=0.5), made.sites[1]))
    for n in (1, 4, 12):
        one, other = build(made, n), build(split, n)
        for a, b in zip(one.stations, other.stations, strict=True):
            assert a.service.tolist() == b.service.tolist()


def test_keys_in_a_file() -> None:
    made = returning()
    made = replace(made, sites=(replace(made.sites[0], gap_share=0.25), made.sites[1]))
    text = dumps(made)
    assert 'lines_when = "changed"' in text
    assert "gap_share = 0.25" in text
    assert loads(text) == made
    assert "gap_share" not in dumps(scenario())
    with pytest.raises(ScenarioError, match=r"lines_when = 'never' must be one of always, changed"):
        loads(text.replace('"changed"', '"never"'))


def test_shares_of_the_think_time_add_up() -> None:
    made = scenario()
    first, second = (replace(site, gap_share=0.6) for site in made.sites)
    with pytest.raises(ScenarioError, match=r"gap_share.*add up to 1.2"):
        replace(made, sites=(first, second))
    with pytest.raises(ScenarioError, match=r"gap_share = 1.5 must be at most 1"):
        Site(lock="a", name="s", acquires=1, gap_share=1.5)
    with pytest.raises(ScenarioError, match="gap_share"):
        Site(lock="a", name="s", acquires=1, gap_share=-0.1)
    assert replace(made, sites=(first,)).first_gap == pytest.approx(0.4)
