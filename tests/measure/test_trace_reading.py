"""Trace text -> events: what is read, what is refused, and that hostile text takes no time."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import traces

from lockmodel.errors import FileError, ScenarioError
from lockmodel.measure.trace import reading
from lockmodel.measure.trace.events import Trace


def parse(text: str) -> Trace:
    return reading.parse(text.splitlines(), "t.txt")


FTRACE = """\
# kernel 6.12.107+deb13-cloud-amd64
inode 11 /lib/x86_64-linux-gnu/libc.so.6
# tracer: nop
# entries-in-buffer/entries-written: 4/4   #P:1
            init-1       [000] .....     1.683458: frk: (copy_process+0x4/0x27f0)
            init-1       [000] .....     1.683461: <stack trace>
 => copy_process
 => kernel_clone
     my prog-71      [003] d..2.    12.000001: dw: (down_write+0x4/0x60) sem=0xff1100000404aca8
     my prog-71      [003] d..2.    12.000002: <stack trace>
 => down_write
 => dup_mm.constprop.0
 => ffffffff81234567
     my prog-71      (     70) [003] ..... 13: ins: (f+0x0/0xd0) root=0xff1100000404ac60 ino=11
"""


def test_what_ftrace_prints() -> None:
    trace = parse(FTRACE)
    assert trace.kernel == "6.12.107+deb13-cloud-amd64"
    assert trace.names == {11: "/lib/x86_64-linux-gnu/libc.so.6"}
    frk, dw, ins = trace.events
    assert (frk.kind, frk.pid, frk.comm, frk.time, frk.line) == ("frk", 1, "init", 1.683458, 5)
    assert frk.stack == ("copy_process", "kernel_clone")
    assert (dw.kind, dw.pid, dw.comm, dw.time) == ("dw", 71, "my prog", 12.000001)
    assert (dw.address, dw.inode) == (0xFF1100000404ACA8, 0)
    assert dw.stack[:2] == ("down_write", "dup_mm.constprop.0")
    assert (ins.kind, ins.address, ins.inode, ins.time) == ("ins", 0xFF1100000404AC60, 11, 13.0)
    assert ins.stack == ()


BPFTRACE = """\
Attaching 8 probes...
# kernel 6.12.107
dw: pid=153 sem=0xff11000004049128 comm=a comm=b

        down_write+5
        ext4_file_mmap+12 [ext4]
        exit_mmap+273
        0xffffffff81234567

ext: pid=153 comm=sleep
rem: pid=153 root=0xff11000004049100 ino=0x1f comm=sleep
"""


def test_what_bpftrace_prints() -> None:
    dw, ext, rem = parse(BPFTRACE).events
    assert (dw.kind, dw.pid, dw.address) == ("dw", 153, 0xFF11000004049128)
    assert dw.stack == ("down_write", "ext4_file_mmap", "exit_mmap", "0xffffffff81234567")
    assert (ext.kind, ext.comm, ext.stack, ext.address) == ("ext", "sleep", (), 0)
    assert (rem.inode, rem.address) == (31, 0xFF11000004049100)


def test_numbers_with_leading_zeros_are_decimal() -> None:
    assert parse("rem: pid=007 root=0x10 ino=0012 comm=a").events[0].inode == 12


def line(pid: int, cpu: int, what: str) -> str:
    return f"  p-{pid}  [{cpu:03}] .....  1.000001: {what}"


def test_stacks_of_two_processors_are_not_mixed_up() -> None:
    """Between an event and its stack another processor's may be printed."""
    text = [
        line(5, 0, "dw: (d+0x0/0x1) sem=0x10"),
        line(6, 1, "dw: (d+0x0/0x1) sem=0x20"),
        line(5, 0, "<stack trace>"),
        " => own_of_5",
        line(6, 1, "<stack trace>"),
        " => own_of_6",
    ]
    assert [e.stack for e in parse("\n".join(text)).events] == [("own_of_5",), ("own_of_6",)]


def test_the_stack_of_another_event_is_nobodys() -> None:
    text = [
        line(5, 0, "dw: (d+0x0/0x1) sem=0x10"),
        line(5, 0, "sched_switch: prev_comm=p"),
        line(5, 0, "<stack trace>"),
        " => schedule",
    ]
    assert [e.stack for e in parse("\n".join(text)).events] == [()]


def test_a_program_called_lost_is_read() -> None:
    """Its events were once taken for the message that some are lost, and left out."""
    text = "dw: pid=5 sem=0x10 comm=LOST\n  Lost-6  [000] ..... 1.0: dw: (d+0x0/0x1) sem=0x20\n"
    assert [event.pid for event in parse(text).events] == [5, 6]


EVENT = "ext: pid=1 comm=a\n"


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("CPU:0 [LOST 5 EVENTS]", "line 2: 5 events were lost"),
        ("CPU:12 [LOST EVENTS]", "some events were lost"),
        ("Lost 17 events", "17 events were lost"),
        ("# entries-in-buffer/entries-written: 1200/1576   #P:1", "376 events were lost"),
        (f"# entries-in-buffer/entries-written: 0/{'9' * 20}", "9 events were lost"),
    ],
)
def test_lost_events_are_refused(text: str, lost: str) -> None:
    with pytest.raises(ScenarioError, match=lost) as refused:
        parse(f"{EVENT}{text}\n{EVENT}")
    assert "raise buffer_size_kb" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "# entries-in-buffer/entries-written: 1576/1576   #P:1",
        "Lost 0 events",
        f"# entries-in-buffer/entries-written: {'1' * 5000}/{'2' * 5000}",
    ],
)
def test_nothing_lost_is_no_reason_to_refuse(text: str) -> None:
    assert len(parse(f"{EVENT}{text}\n{EVENT}").events) == 2


def test_a_recorded_trace_whose_buffer_was_too_small_is_refused() -> None:
    text = traces.sample("trace_vfork_6.12").replace("1576/1576", "1500/1576")
    with pytest.raises(ScenarioError, match="76 events were lost"):
        parse(text)


@pytest.mark.parametrize(
    "release", ["\x1b[31m6.12", "6.12;x", "6.12 107", "6.12$(date)", "x" * 81, ""]
)
def test_a_kernel_that_is_no_release_is_not_shown(release: str) -> None:
    assert parse(f"{EVENT}# kernel {release}\n").kernel is None


@pytest.mark.parametrize("content", [b"", b"\n\n", b"hello\n", b"# tracer: nop\n#\n"])
def test_no_event_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(ScenarioError, match=r"no event of the probes.*--print-probes"):
        reading.read(str(tmp_path / "t.txt"))


@pytest.mark.parametrize("seed", range(4))
def test_binary_junk_is_refused(tmp_path: Path, seed: int) -> None:
    (tmp_path / "t.txt").write_bytes(random.Random(seed).randbytes(200_000))
    with pytest.raises(ScenarioError, match="no event of the probes"):
        reading.read(str(tmp_path / "t.txt"))


def test_junk_between_the_lines_changes_nothing(tmp_path: Path) -> None:
    lines = traces.sample("trace_vfork_6.12").splitlines()
    right = parse("\n".join(lines))
    junk = random.Random(7).randbytes(300).replace(b"\n", b"").replace(b"\r", b"")
    events = [i for i, text in enumerate(lines) if ": dw:" in text]
    for at in events[::20][::-1]:
        lines.insert(at, junk.decode("latin-1"))
    trace = parse("\n".join(lines).replace("\x85", "").replace("\x1c", ""))
    assert [(e.kind, e.pid, e.stack) for e in trace.events] == [
        (e.kind, e.pid, e.stack) for e in right.events
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            reading.read(str(path))
        with pytest.raises(FileError, match="cannot be read"):
            reading.names(str(path))


def test_of_a_huge_line_the_start_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    tail = f" {'x' * 100_000} ext: pid=2 comm=b"
    path.write_text(f"# kernel 6.12\n{EVENT.strip()}{tail}\n{EVENT}")
    trace = reading.read(str(path))
    assert [(event.pid, event.line) for event in trace.events] == [(1, 3)]


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.txt"
    path.write_text("x" * 100_000)  # a single line
    monkeypatch.setattr(reading, "LARGEST", 50_000)
    with pytest.raises(ScenarioError, match="trace a few iterations"):
        reading.read(str(path))


def test_no_line_is_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line ends is refused at its limit, not when it is in memory."""
    path = tmp_path / "t.txt"
    with path.open("wb") as stream:
        stream.truncate(1 << 34)
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    start = time.perf_counter()
    with pytest.raises(ScenarioError, match="is larger than"):
        reading.read(str(path))
    assert time.perf_counter() - start < 1


LONG = 100_000
HOSTILE = {
    "spaces": " " * LONG,
    "tabs": "\t" * LONG,
    "bpftrace_spaces": "dw: pid=1" + " " * LONG,
    "bpftrace_words": "dw: pid=1 " + "comm= " * (LONG // 6) + "\n",
    "bpftrace_no_name": "dw: pid=1 " + " comm=" + "x" * LONG,
    "ftrace_spaces": "a-1" + " " * LONG + "x",
    "ftrace_numbers": "  " + "1-1 " * (LONG // 4),
    "ftrace_pid": "a-" + "1" * LONG,
    "ftrace_group": "a-1 (" + " " * LONG + ")",
    "ftrace_flags": "a-1 [000] " + "." * LONG,
    "ftrace_time": "a-1 [000] ..... " + "9" * LONG + ": dw: x",
    "ftrace_what": "a-1 [000] ..... 1.0: " + "w " * (LONG // 2),
    "ftrace_rest": "a-1 [000] ..... 1.0: dw: " + "sem= " * (LONG // 5),
    "frame_spaces": " => f" + " " * LONG + "x",
    "frame_name": " => " + "f" * LONG,
    "frame_hex": " " + "a" * LONG,
    "frame_offset": " f+0x" + "1" * LONG + "!",
    "frame_arrows": " =>" * (LONG // 3),
    "named": "inode 1 " + " " * LONG,
    "named_digits": "inode " + "1" * LONG,
    "lost": "LOST " * (LONG // 5),
    "entries": "# entries-in-buffer/entries-written: " + "1" * LONG,
    "entries_spaces": "#" + " " * LONG,
    "kernel": "# kernel" + " " * LONG,
}
"""What takes a careless regular expression hours."""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_line_takes_long(name: str) -> None:
    """Nor does it within a stack, where other expressions come first."""
    start = time.perf_counter()
    text = [EVENT.strip(), HOSTILE[name], "dw: pid=1 sem=0x1 comm=a", HOSTILE[name]]
    trace = reading.parse([*text, HOSTILE[name]], "t.txt")
    assert time.perf_counter() - start < 1
    assert trace.events[0].pid == 1


def test_names(tmp_path: Path) -> None:
    path = tmp_path / "inodes.txt"
    path.write_text("# made by stat\n\n11 /lib/libc.so.6\ninode 12 /opt/my prog\n  13  /x \n")
    assert reading.names(str(path)) == {11: "/lib/libc.so.6", 12: "/opt/my prog", 13: "/x"}


@pytest.mark.parametrize("text", ["libc.so.6", "11", "0x11 /lib/libc.so.6", "-1 /x", "٣ /x"])
def test_a_name_without_a_number_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "inodes.txt"
    path.write_text(f"11 /lib/libc.so.6\n{text}\n")
    with pytest.raises(ScenarioError, match=r"line 2: .*is not INODE PATH.*stat -L -c '%i %n'"):
        reading.names(str(path))


def test_names_are_read_in_either_order(tmp_path):
    file = tmp_path / "inodes.txt"
    file.write_text("# of the guest\n11 /lib/libc.so.6\n/bin/a b 12\n13 /opt/x 9\n")
    assert reading.names(str(file)) == {11: "/lib/libc.so.6", 12: "/bin/a b", 13: "/opt/x 9"}
