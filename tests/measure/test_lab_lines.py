"""Settings, records and counts of cache lines, without a guest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.acquires.count import FileCount, SiteCount
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.measure.bench.program import compiler
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.guest import Guest
from lockmodel.measure.trace.lab.lines import experiment, settings
from lockmodel.measure.trace.lab.lines.counts import Counts, counts
from lockmodel.measure.trace.lab.lines.experiment import Measured
from lockmodel.measure.trace.lab.lines.records import Functions, Phase, read
from lockmodel.measure.trace.lab.lines.settings import Setting
from lockmodel.measure.trace.lab.plugin import build

LAB = Path(qemu.__file__).parent
LIBC, LD = "/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"
GUEST = Guest(b"", b"", {LIBC: b"", LD: b""}, "", "/lab/loop")

FUNCTIONS = Functions(
    [
        "ffffffff81000000 ffffffff81000100 __split_vma",
        "ffffffff81000100 ffffffff81000180 mprotect_fixup",
        "ffffffff81000200 ffffffff81000300 copy_process.cold",
    ]
)
SPLIT, PROTECT, OTHER = "ffffffff81000010", "ffffffff81000100", "ffffffff81000190"


# ---- what is measured ----


def test_one_loop_goes_first_and_each_lock_is_saturated_in_its_own_run() -> None:
    made = settings.settings([4, 8], [0, 100], ["/x", LIBC])
    assert [(s.loops, s.mappers, s.saturated) for s in made[:5]] == [
        (1, 0, None),
        (4, 0, "/x"),
        (4, 0, LIBC),
        (8, 0, "/x"),
        (8, 0, LIBC),
    ]
    assert [(s.loops, s.mappers) for s in made[5:]] == [
        (1, 100),
        (4, 100),
        (4, 100),
        (8, 100),
        (8, 100),
    ]
    assert settings.settings([1], [0], ["/x"]) == (Setting(1, 0, None),)


def test_the_plan() -> None:
    every = settings.settings([4], [0, 100], [LIBC])
    made = settings.plan(GUEST, "execl", every).splitlines()
    assert made[:2] == ["pin\t4", "mark\t2\t0"]  # the CPU that no loop runs on
    assert made[2:8] == [
        "mark\t5\t0",
        "map\t/lab/loop",
        "mark\t5\t1",
        f"map\t{LIBC}",
        "mark\t5\t2",
        f"map\t{LD}",
    ]
    assert made[8:12] == [
        "mark\t6\t1",
        "parallel\t1\t/lab/loop\texecl\tXXXXXX",
        "mark\t6\t0",
        "say\tend 1",
    ]
    # Setting 2, and libc.so.6 is file 1: 2 + 256 x (1 + 1).
    assert made[12:14] == ["mark\t6\t514", "parallel\t4\t/lab/loop\texecl\t" + 11 * "X"]
    assert made[16] == "sleepers\t100\t/lab/sleeper"
    assert sum(line.startswith("sleepers") for line in made) == 1


def test_the_plan_of_a_binary_with_libraries_of_its_own() -> None:
    guest = replace(GUEST, libraries="/opt/x", started="/bin/true")
    made = settings.plan(guest, "fork", [Setting(1, 0, None)]).splitlines()
    assert made[0] == "libraries\tLD_LIBRARY_PATH=/opt/x"
    assert "parallel\t1\t/lab/loop\tfork\t6\t/bin/true" in made


def test_the_plan_speaks_as_init_and_the_plugin_do() -> None:
    init, marks = (LAB / "init.c").read_text(), (LAB / "plugin" / "marks.h").read_text()
    for line in settings.plan(GUEST, "execl", settings.settings([4], [0, 5], [LIBC])).splitlines():
        assert f'!strcmp(what, "{line.split(chr(9))[0]}")' in init
    names = re.findall(r"^\t(MARK_\w+),", marks, re.MULTILINE)
    codes = {name.removeprefix("MARK_"): code for code, name in enumerate(names)}
    assert (codes["ARM"], codes["FILE"], codes["PHASE"]) == (
        settings.ARM,
        settings.FILE,
        settings.PHASE,
    )


# ---- what the plugin wrote ----


def section(cpu: int, iteration: int, *numbers: int, file: int = 0, call: str = SPLIT) -> str:
    """A section with OPERATIONS, HELD, HAPPENED, TOUCHED, WRITTEN, FETCHED, TAKEN and BEFORE."""
    operations, held, happened, touched, written, fetched, taken, *before = numbers
    entered = f"{(before or [50])[0]} 20"
    return (
        f"section {cpu} {file} {iteration} {operations} {entered} {held} {happened} {touched} "
        f"{written} 0 {fetched} {taken} 1 1 1 {OTHER} {call}\n"
    )


PLAIN = (3, 100, 0, 10, 5, 2, 1)


def loops(cpus: int, iterations: int, sections: Sequence[tuple[int, ...]] = (PLAIN,)) -> list[str]:
    """A phase in which the CPUs go in step; each iteration has these sections on each of them."""
    lines = ["file 0\n", "phase 1 1\n"]
    for number in range(1, iterations + 1):
        lines += [f"iteration {cpu} {number} {number * 1000}\n" for cpu in range(cpus)]
        lines += [section(cpu, number, *each) for each in sections for cpu in range(cpus)]
    lines += [f"over {cpu} {iterations} {(iterations + 1) * 1000}\n" for cpu in range(cpus)]
    return [*lines, "done 1 7 2\n"]


def phase(lines: Sequence[str]) -> Phase:
    (only,) = read(lines, FUNCTIONS)[1]
    return only


def test_a_section_is_read() -> None:
    files, (read_phase,) = read(["file 3\n", *loops(1, 1)], FUNCTIONS)
    (found,) = read_phase.sections
    assert files == {0, 3}
    assert (read_phase.number, read_phase.waits, read_phase.late) == (1, 7, 2)
    assert (found.cpu, found.file, found.iteration, found.site) == (0, 0, 1, "exec.map_split")
    assert (found.operations, found.before, found.locking, found.held) == (3, 50, 20, 100)
    assert (found.touched, found.written, found.transferred, found.lock_moved) == (10, 5, 3, 1)


@pytest.mark.parametrize(
    ("calls", "site"),
    [
        (SPLIT, "exec.map_split"),
        (f"{SPLIT} {PROTECT}", "exec.mprotect_split"),
        ("ffffffff810002ff", "fork.dup"),
        ("ffffffff81000300", "exec.map_link"),  # where the last function ends
        ("ffffffff80ffffff", "exec.map_link"),
        (OTHER, "exec.map_link"),
    ],
)
def test_callers_are_named_by_the_functions_they_lie_in(calls: str, site: str) -> None:
    assert FUNCTIONS.site(calls.split()) == site


def test_a_phase_that_was_cut_short_is_left_out() -> None:
    whole = loops(2, 5)
    second = [line.replace("phase 1", "phase 2") for line in whole[1:-1]]
    _, phases = read([*whole, *second, "section 0 0 2 1 5"], FUNCTIONS)
    assert [each.number for each in phases] == [1]


@pytest.mark.parametrize("line", ["section 0 0 1\n", "nonsense\n", "iteration 1 2\n", "done x\n"])
def test_what_the_plugin_does_not_write_is_refused(line: str) -> None:
    with pytest.raises(NotTrustworthyError, match=r"in line 3, which is no record"):
        read([*loops(1, 3)[:2], line], FUNCTIONS)


# ---- what it means ----


def test_counts_per_iteration_and_means_per_acquire() -> None:
    """Two sections of 3 and 1 operations; the window is iterations 3 and 4 of 5."""
    made = counts(phase(loops(2, 5, [PLAIN, (1, 300, 0, 20, 7, 4, 3)])), 0)
    (site,) = made.sites
    assert (site.acquires, site.operations) == (2, 4)
    assert (site.held, site.touched, site.written, site.transferred) == (200, 15, 6, 5)
    assert (site.before, site.locking, site.fetched, site.lock_transferred) == (50, 20, 3, 1)
    assert (made.iterations, made.agreeing) == (4, 4)
    assert site.left_out == 0
    assert made.executed == 1000
    assert made.outside == 1000 - 2 * 20 - 100 - 300
    assert made.others_served == 1


def test_sections_before_and_after_the_window_are_no_samples() -> None:
    """From the third iteration of the last CPU to the start of the first one's last iteration."""
    lines = loops(2, 5)
    first = lines.index("iteration 1 3 3000\n")
    end = lines.index("iteration 0 5 5000\n")
    outside = (3, 100, 0, 99, 5, 50, 50)
    for at, line in enumerate(lines):
        if line.startswith("section") and not first < at < end:
            cpu, iteration = (int(line.split()[i]) for i in (1, 3))
            lines[at] = section(cpu, iteration, *outside)
    (site,) = counts(phase(lines), 0).sites
    assert (site.samples, site.touched, site.transferred) == (4, 10, 3)


def test_disturbed_sections_are_counted_but_no_samples() -> None:
    lines = loops(2, 6)
    at = [i for i, line in enumerate(lines) if line.startswith("section 0 0 4")]
    lines[at[0]] = section(0, 4, 3, 900, 1, 500, 5, 2, 1, 110)
    (site,) = counts(phase(lines), 0).sites
    assert (site.acquires, site.samples, site.left_out) == (1, 5, 1)
    assert (site.held, site.touched) == (100, 10)
    assert site.before == 60  # of all six sections: nothing of what disturbs is counted in it


def test_where_every_section_is_disturbed_they_are_all_there_is() -> None:
    (site,) = counts(phase(loops(2, 5, [(3, 900, 1, 500, 5, 2, 1)])), 0).sites
    assert (site.touched, site.left_out) == (500, 0)


def test_an_iteration_that_differs_is_not_most() -> None:
    lines = loops(2, 6)
    lines.insert(lines.index("iteration 1 4 4000\n") + 1, section(1, 4, *PLAIN))
    made = counts(phase(lines), 0)
    assert (made.iterations, made.agreeing, made.sites[0].acquires) == (6, 5, 1)


def test_iterations_that_all_differ_are_refused() -> None:
    lines = loops(1, 6)
    for number in (3, 4, 5):
        at = lines.index(f"iteration 0 {number} {number}000\n")
        lines[at + 1 : at + 1] = number * [section(0, number, *PLAIN)]
    with pytest.raises(NotTrustworthyError, match="of 3 iterations under the plugin at most 1"):
        counts(phase(lines), None)


def test_loops_that_are_not_at_the_same_time_are_refused() -> None:
    one = [line for line in loops(2, 6) if not re.match(r"(iteration|section|over) 1 ", line)]
    other = [re.sub(r"^(iteration|section|over) 0 ", r"\1 1 ", line) for line in one]
    lines = [*one[:-1], *other[2:]]  # CPU 0, then CPU 1
    with pytest.raises(NotTrustworthyError, match="did not run at the same time"):
        counts(phase(lines), 0)
    with pytest.raises(NotTrustworthyError, match="fewer than 4 iterations"):
        counts(phase(loops(2, 3)), 0)


# ---- against the kprobes ----


def compared(acquires: int, operations: int) -> None:
    expected = FileCount("libc.so.6", "libc", 0, {"exec.map_split": SiteCount(2, 4)})
    made = counts(phase(loops(1, 6, [PLAIN, (1, 300, 0, 20, 7, 4, 3)])), None)
    site = replace(made.sites[0], acquires=acquires, operations=operations)
    measured = Measured(Setting(1, 0, None), replace(made, sites=(site,)))
    experiment._compare(measured, [expected], ["libc.so.6"])


def test_the_plugin_must_see_what_the_kprobes_see() -> None:
    compared(2, 4)
    with pytest.raises(
        NotTrustworthyError,
        match=r"libc\.so\.6 at exec\.map_split: 3 acquires for 4 operations per iteration under "
        r"the plugin \(1 loop\), 2 for 4 with kprobes",
    ):
        compared(3, 4)
    with pytest.raises(NotTrustworthyError, match="2 acquires for 5 operations"):
        compared(2, 5)


def test_a_site_that_one_of_them_lacks_is_a_difference() -> None:
    expected = FileCount("libc.so.6", "libc", 0, {"fork.dup": SiteCount(5, 5)})
    measured = Measured(Setting(1, 0, None), Counts((), 3, 3, 1.0, 1.0, None))
    with pytest.raises(NotTrustworthyError, match=r"0 acquires for 0 .*, 5 for 5 with kprobes"):
        experiment._compare(measured, [expected], ["libc.so.6"])


# ---- the boots ----


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list of what QEMU does, boot by boot: an error, or text that the plugin writes."""
    outcomes: list[object] = []

    def boot(kernel: Path, *others: object) -> bytes:
        outcome = outcomes.pop(0)
        if isinstance(outcome, str):
            (kernel.parent / "out").write_text(outcome)
            outcome = outcomes.pop(0)
        else:
            (kernel.parent / "out").write_text("")
        if isinstance(outcome, BaseException):
            raise outcome
        return b""

    monkeypatch.setattr(qemu, "boot", boot)
    return outcomes


def booted(tmp_path: Path) -> str:
    every = [Setting(4, 0, LIBC)]
    return experiment._boot(tmp_path, tmp_path / "x.so", every, 9.0, lambda name: None)


def test_a_guest_that_panics_early_is_booted_again(tmp_path: Path, boots: list[object]) -> None:
    boots += [qemu.PanicError("int3"), qemu.PanicError("int3"), None]
    assert booted(tmp_path) == ""
    assert boots == []


def test_a_guest_that_always_panics_is_not(tmp_path: Path, boots: list[object]) -> None:
    boots += [*(qemu.PanicError(str(number)) for number in range(experiment.BOOTS)), None]
    assert booted(tmp_path) == "4"
    assert boots == [None]


def test_a_guest_that_panics_later_is_not(tmp_path: Path, boots: list[object]) -> None:
    """What was finished is kept."""
    boots += ["phase 1 0\ndone 1 0 0\n", qemu.PanicError("late"), None]
    assert booted(tmp_path) == "late"
    assert boots == [None]


def test_what_fails_otherwise_is_not_tried_again(tmp_path: Path, boots: list[object]) -> None:
    boots += [NotTrustworthyError("did not end in time"), None]
    assert booted(tmp_path) == "did not end in time"
    boots[:] = [KeyboardInterrupt(), None]
    assert booted(tmp_path) == "interrupted"


@pytest.mark.parametrize(
    ("loops", "libraries", "message"),
    [
        (range(1, 49), 1, "--lines: 95 settings and 3 files"),
        (range(1, 49), 63, "--lines: 95 settings and 65 files; at most 255 and 64 are possible"),
        (range(1, 44), 1, "the console lacks"),
    ],
)
def test_more_than_the_plugin_can_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loops: range, libraries: int, message: str
) -> None:
    files = {f"/lib/lib{number}.so": b"" for number in range(libraries)} | {LIBC: b""}
    guest = replace(GUEST, files=files)
    monkeypatch.setattr(experiment, "contents", lambda *_: guest)
    monkeypatch.setattr(experiment, "MOST_SETTINGS", 90 if libraries == 1 else 255)

    def traced(*arguments: object) -> None:
        raise NotTrustworthyError("the console lacks a part")

    monkeypatch.setattr(experiment.experiment, "run", traced)
    kernel, nowhere = KernelImage("6.12.107", b""), (tmp_path, tmp_path)
    with pytest.raises((ArgumentError, NotTrustworthyError), match=message):
        experiment.run(
            *(kernel, "execl", None, nowhere, tmp_path, Resolver(Sysroot(tmp_path))),
            *(loops, [0], 1.0, lambda name: None),
        )


# ---- the plugin ----


def test_the_plugin_is_built_and_loaded_by_this_qemu(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"  # a comma ends a value, unless there are two
    folder.mkdir()
    made = build.build(experiment.SOURCE, folder)
    assert made.suffix == ".so"
    assert made.parent == folder


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def small(tmp_path: Path) -> Path:
    """Return a C file that compiles in no time: a made-up QEMU does not look into it."""
    source = tmp_path / experiment.SOURCE.name
    source.write_text("int version = PLUGIN_API;\n")
    return source


def test_newer_interfaces_are_tried_in_an_order_that_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A QEMU that takes version 3 takes 2 as well, but calls it by the rules of 3."""
    refuses = 'case "$*" in *lines-1.so*) echo too old >&2; exit 1;; esac'
    fake(tmp_path, monkeypatch, refuses)
    assert build.build(small(tmp_path), tmp_path).name == "lines-3.so"
    refuses = 'case "$*" in *lines-[13].so*) echo not that >&2; exit 1;; esac'
    fake(tmp_path, monkeypatch, refuses)
    assert build.build(small(tmp_path), tmp_path).name == "lines-2.so"


def test_without_plugins_or_a_compiler_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, "echo '-plugin: invalid option' >&2; exit 1")
    with pytest.raises(ArgumentError, match=r"-plugin: invalid option; install a QEMU that is"):
        build.build(small(tmp_path), tmp_path)
    fake(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(ArgumentError, match=r"does not load the lab's plugin: exit code 3"):
        build.build(small(tmp_path), tmp_path)
    broken = tmp_path / "broken.c"
    broken.write_text("nonsense\n")
    with pytest.raises(ArgumentError, match=r"broken\.c cannot be built by"):
        build.build(broken, tmp_path)
    monkeypatch.setattr(build, "compiler", lambda: None)
    with pytest.raises(ArgumentError, match=r"needs a C compiler .*install gcc"):
        build.build(small(tmp_path), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(ArgumentError, match="qemu-system-x86_64 is not found"):
        build.build(small(tmp_path), tmp_path)


def test_what_qemu_is_told_under_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiler() is not None
    fake(tmp_path, monkeypatch, 'echo "$@"; echo LAB done')
    plugged = qemu.Plugged(17, Path("/x/lines.so"), {"functions": "/f", "out": "/a,b"})
    said = qemu.boot(
        tmp_path / "k", tmp_path / "i", 1000, False, 20.0, lambda line: None, plugged
    ).decode()
    assert "-accel tcg,thread=multi,tb-size=2000 -smp 17 -cpu max,la57=off" in said
    assert "-plugin /x/lines.so,functions=/f,out=/a,,b" in said
    assert "-m 5050 " in said  # 1000 + 1.5 x 1000 + 150 x 17
    assert "norandmaps" in said
    assert "no5lvl" in said
