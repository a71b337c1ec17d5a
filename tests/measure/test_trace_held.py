"""Held instructions: sections of known length, and a recorded console against the table."""

from __future__ import annotations

from statistics import median

import pytest
import traces
from hypothesis import given
from hypothesis import strategies as st
from traces import STACKS

from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.measure.trace import reading
from lockmodel.measure.trace.events import EventKind, TracedEvent
from lockmodel.measure.trace.held import ACCURACY, EMPTY, Costs, costs, held, sections
from lockmodel.measure.trace.lab.experiment import Experiment, _evaluated, _phases
from lockmodel.measure.trace.offsets import stated

LIBC = "libc.so.6"


class Processor:
    """A clock that counts instructions, with probes that cost some before and after their stamp."""

    BEFORE, AFTER = 300, 150
    TAKING = 12
    """Instructions of down_write itself."""
    STACK = 5000
    """More after the stamp of an acquire whose stack is recorded."""

    def __init__(self) -> None:
        self.now = 10_000
        self.events: list[TracedEvent] = []

    def event(
        self, kind: EventKind, sem: int, inode: int = 0, where: str = "", pid: int = 1
    ) -> None:
        self.now += self.BEFORE
        stack = tuple(STACKS[where].split()) if where else ()
        line = len(self.events) + 1
        self.events.append(TracedEvent(kind, pid, "p", sem, inode, float(self.now), stack, line))
        self.now += self.AFTER + (self.STACK if where else 0)

    def take(
        self, sem: int, inode: int = 0, where: str = "", faulting: int = 0, pid: int = 1
    ) -> None:
        """Take a semaphore; reading the inode number of some takes longer."""
        self.event("dw", sem, inode, where, pid)
        self.now += self.TAKING + faulting
        self.event("dwr", 0, pid=pid)

    def leave(self, sem: int, pid: int = 1) -> None:
        self.event("up", sem, pid=pid)

    def calibrate(self, count: int, around: int) -> int:
        """Take a lock again and again; return the instructions that takes without probes."""
        for _ in range(count):
            self.event("dwk", 7)
            self.now += self.TAKING
            self.event("dwkr", 0)
            self.now += EMPTY
            self.leave(7)
            self.now += around
        return count * (self.TAKING + EMPTY + around)


def calibrated(around: int = 300) -> Costs:
    machine = Processor()
    plain = machine.calibrate(40, around)
    return costs(machine.events, 40, plain)


@pytest.mark.parametrize("around", [0, 300, 12_345])
def test_the_cost_of_the_probes(around: int) -> None:
    cost = calibrated(around)
    assert cost.inside == Processor.AFTER + Processor.BEFORE
    assert cost.whole == 3 * (Processor.AFTER + Processor.BEFORE)
    assert cost.entering == Processor.AFTER + Processor.TAKING + Processor.BEFORE


def test_an_interrupt_in_the_calibration_changes_nothing() -> None:
    machine = Processor()
    machine.calibrate(20, 300)
    machine.now += 100_000
    machine.calibrate(20, 300)
    cost = costs(machine.events, 40, 40 * (Processor.TAKING + EMPTY + 300))
    assert cost == calibrated()


@pytest.mark.parametrize("traced", [0, 1, 19])
def test_too_few_calibrations_are_refused_with_the_remedy(traced: int) -> None:
    machine = Processor()
    machine.calibrate(traced, 300)
    with pytest.raises(ScenarioError, match=f"{traced} of 40 calibration sections.*--no-held"):
        costs(machine.events, 40, 1000)


SEM, OTHER = 0x1000, 0x2000
MAP_LINK = (11, "exec.map_link")


@given(st.integers(0, 10**6))
def test_a_section_of_known_length(length: int) -> None:
    machine = Processor()
    machine.take(SEM, *MAP_LINK)
    machine.now += length
    machine.leave(SEM)
    (site,) = held(machine.events, [MAP_LINK], 5, calibrated())
    assert (site.inode, site.site, site.mappers) == (11, "exec.map_link", 5)
    assert (site.samples, site.median, site.low, site.high) == (1, length, length, length)
    assert not site.nested


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3000)), min_size=1, max_size=4))
def test_locks_inside_a_section(inner: list[tuple[int, int]]) -> None:
    """Their own instructions count, their probes do not, nor what reading a number faults."""
    machine = Processor()
    machine.take(SEM, 11, "exec.mprotect_split")
    length = 0
    for i, (body, faulting) in enumerate(inner):
        machine.now += 100
        machine.take(OTHER + i, faulting=faulting)
        machine.now += body
        machine.leave(OTHER + i)
        length += 100 + Processor.TAKING + body
    machine.leave(SEM)
    (site,) = held(machine.events, [(11, "exec.mprotect_split")], 0, calibrated())
    assert site.median == length
    assert site.nested


def test_sections_within_sections_and_of_other_threads() -> None:
    machine = Processor()
    machine.take(SEM, *MAP_LINK)
    machine.take(OTHER, 22, "exec.map_split", pid=2)
    machine.leave(SEM)
    machine.leave(OTHER, pid=2)
    first, second = sections(machine.events)
    assert (first.taken.address, first.nested, first.recorded) == (SEM, 0, False)
    assert (second.taken.address, second.nested, second.recorded) == (OTHER, 0, False)


def test_a_section_with_a_stack_recorded_inside_is_left_out() -> None:
    """Something else that looks like a file: recording its stack takes thousands more."""
    machine = Processor()
    for inner in (0, 11):
        machine.take(SEM, *MAP_LINK)
        machine.now += 70
        if inner:
            machine.take(OTHER, inner, "fork.dup")
            machine.leave(OTHER)
        machine.leave(SEM)
    (site,) = held(machine.events, [MAP_LINK], 0, calibrated())
    assert (site.samples, site.median) == (1, 70)


def test_another_lock_that_seems_to_have_the_number_of_a_file_does_not_count() -> None:
    """In a recorded trace an anon_vma's semaphore had libc's number: 4 instead of 450."""
    machine = Processor()
    for sem, length in ((SEM, 450), (OTHER, 4), (SEM, 460)):
        machine.take(sem, *MAP_LINK)
        machine.now += length
        machine.leave(sem)
    (site,) = held(machine.events, [MAP_LINK], 0, calibrated())
    assert (site.samples, site.low, site.high) == (2, 450, 460)


def test_a_lock_that_was_let_go_of_otherwise_does_not_spoil_the_next_section() -> None:
    """mmap_lock is downgraded, then let go of as a reader's: there is no up_write."""
    machine = Processor()
    machine.take(SEM, *MAP_LINK)
    machine.now += 50_000
    machine.take(SEM, *MAP_LINK)
    machine.now += 70
    machine.leave(SEM)
    (site,) = held(machine.events, [MAP_LINK], 0, calibrated())
    assert (site.samples, site.median) == (1, 70)


def test_what_has_no_beginning_or_no_end_is_left_out() -> None:
    machine = Processor()
    machine.leave(SEM)
    machine.event("dwr", 0)
    machine.take(SEM, *MAP_LINK)
    assert sections(machine.events) == []
    assert held(machine.events, [MAP_LINK], 0, calibrated()) == []


def test_only_what_is_asked_for_and_no_calibration_counts() -> None:
    machine = Processor()
    machine.calibrate(3, 10)
    machine.take(SEM, 22, "exec.map_link")
    machine.leave(SEM)
    machine.take(SEM)
    machine.leave(SEM)
    assert held(machine.events, [MAP_LINK], 0, calibrated()) == []


def console() -> str:
    return traces.sample("lab_console_vfork_6.12")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return _evaluated(console(), "6.12.107", stated("6.12"), [0])


def measured(experiment: Experiment) -> dict[tuple[str, str], tuple[float, int]]:
    """Return median and samples by base name and site."""
    return {
        (experiment.names[h.inode].rpartition("/")[2], h.site): (h.median, h.samples)
        for h in experiment.held
    }


def expected() -> dict[tuple[str, str], float]:
    """Return the medians of the traced table for the same binary, without other mappers."""
    return {
        (traces.RENAMED.get(row["file"], row["file"]), f"{row['phase']}.{row['site']}"): float(
            row["instructions_median"]
        )
        for row in traces.read_table("held_instructions_traced.csv")
        if (row["kernel"], row["loop"], row["other_mappers"]) == ("6.12.107", "fork", "0")
    }


SPLIT = "exec.mprotect_split"


def test_the_recorded_console_agrees_with_the_table(experiment: Experiment) -> None:
    """The table was counted without probes, by a plugin of the emulator: 20 instructions or 3 %."""
    ours, theirs = measured(experiment), expected()
    assert len(ours) == 16
    for key in ours:
        assert ours[key][0] == pytest.approx(theirs[key], abs=ACCURACY, rel=0.03), key


def test_every_acquire_is_a_sample(experiment: Experiment) -> None:
    """Five iterations, and the loop program's own start maps and leaves libc and ld.so as well."""
    counts = traces.table("6.12.107", "vfork", "dyntrue")
    for key, (_, samples) in measured(experiment).items():
        times = 5 if key[0] == "true" else 6
        assert samples == times * counts[key][0], key


def test_mprotect_split_holds_longer_than_map_split(experiment: Experiment) -> None:
    """It does the same and takes the anon_vma's lock inside, whose section is part of its own."""
    ours = measured(experiment)
    for name in (LIBC, "ld-linux-x86-64.so.2", "true"):
        assert ours[name, SPLIT][0] > ours[name, "exec.map_split"][0]
    events = reading.parse(_phases(console().split("\n"))["held 0"], "lab").events
    inner = []
    for each in sections(events):
        if each.nested and "mprotect_fixup" in each.taken.stack:
            start, end = each.taken.line, each.taken.line + 60
            within = [s for s in sections(events) if start < s.taken.line < end and not s.nested]
            inner += [s.ticks for s in within if s.taken.address != each.taken.address][:1]
    calibration = reading.parse(_phases(console().split("\n"))["calibrate"], "lab").events
    cost = costs(calibration, 40, 26529)
    assert len(inner) == 5 * 3 + 3  # three files in each iteration, and in the loop's own start
    length = median(inner) - cost.inside
    assert 1100 < length < 1300
    assert 0 < ours[LIBC, SPLIT][0] - length < 300  # what is left for the outer section


def test_the_recorded_console_counts_acquires_as_well(experiment: Experiment) -> None:
    counts = {
        (experiment.names[inode].rpartition("/")[2], where): both
        for (inode, where), both in experiment.counted.counts.items()
    }
    assert counts == traces.table("6.12.107", "vfork", "dyntrue")
    assert (experiment.counted.windows, experiment.ended) == (3, 0)
    again = reading.parse(experiment.text.splitlines(), "kept")
    assert (again.kernel, again.names) == ("6.12.107", experiment.names)


def test_held_instructions_may_be_left_out() -> None:
    assert _evaluated(console(), "6.12.107", stated("6.12"), None).held == ()


@pytest.mark.parametrize(
    "name",
    ["LAB end", "LAB begin count", "LAB begin calibrate", "LAB begin held 0", "LAB calibrat"],
)
def test_a_console_without_a_part_is_refused(name: str) -> None:
    lines = console().replace(name, "LAB other" if "begin" not in name else "LAB begin other")
    if name == "LAB end":
        lines = console()[: console().index("LAB begin calibrate")]
    with pytest.raises(NotTrustworthyError, match="the console lacks a part"):
        _evaluated(lines, "6.12.107", stated("6.12"), [0])
