"""The lab without QEMU: the archive, the plan, the emulator's end, and what the guest said."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elf_files
import pytest
import traces

from lockmodel.errors import ArgumentError, NotTrustworthyError, ScenarioError
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import experiment, guest, initramfs, qemu
from lockmodel.measure.trace.lab.plan import plan
from lockmodel.measure.trace.offsets import stated
from lockmodel.measure.trace.probes import held_probes, kprobes


def unpacked(archive: bytes) -> list[tuple[str, int, bytes, tuple[int, int]]]:
    """Return name, mode, content and device of each entry: buffer-format.rst, "newc"."""
    at, entries = 0, []
    while True:
        assert archive[at : at + 6] == b"070701"
        text = archive[at + 6 : at + 110].decode()
        numbers = [int(text[8 * i : 8 * i + 8], 16) for i in range(13)]
        _, mode, _, _, links, _, size, _, _, major, minor, length, check = numbers
        assert (check, links) == (0, 1)
        name = archive[at + 110 : at + 110 + length]
        assert name.endswith(b"\0")
        at += 110 + length
        at += -at % 4
        content = archive[at : at + size]
        assert len(content) == size
        at += size + -size % 4
        if name == b"TRAILER!!!\0":
            assert at == len(archive)
            return entries
        entries.append((os.fsdecode(name[:-1]), mode, content, (major, minor)))


FILES = {
    "/init": b"\x7fELF" + bytes(range(7)),
    "/plan": b"",
    "/lib/x86_64-linux-gnu/libc.so.6": b"c" * 1001,
    "/opt/a b/\xfc": b"x",
    "/opt/a b/\udcff": b"y",
}


def test_the_archive_is_read_back_by_another_reader() -> None:
    entries = unpacked(initramfs.archive(FILES))
    folders = [name for name, mode, _, _ in entries if mode == 0o040755]
    assert folders == ["dev", "lib", "lib/x86_64-linux-gnu", "opt", "opt/a b"]
    assert ("dev/console", 0o020600, b"", (5, 1)) in entries
    files = {f"/{name}": content for name, mode, content, _ in entries if mode == 0o100755}
    assert files == FILES
    names = [name for name, *_ in entries]
    for name in names:  # the kernel makes no folders of its own
        above = name.rpartition("/")[0]
        assert not above or names.index(above) < names.index(name)
    assert len(names) == len(set(names)) == 5 + 1 + len(FILES)


OFFSETS = stated("6.12")
PATHS = ["/bin/true", "/lab/loop"]


def steps(text: str) -> list[list[str]]:
    assert text.endswith("\n")
    return [line.split("\t") for line in text.splitlines()]


def test_the_plan_of_counting() -> None:
    made = steps(plan(OFFSETS, "vfork", "/bin/true", PATHS, None, ""))
    assert made[:3] == [["mount", "tracefs", "/t"], ["inode", PATHS[0]], ["inode", PATHS[1]]]
    probes = [step[2] for step in made if step[:2] == ["put", "/t/kprobe_events"]]
    assert probes == list(kprobes(OFFSETS))
    assert made[-9:] == [
        ["clear", "/t/trace"],
        ["put", "/t/events/kprobes/enable", "1"],
        ["run", "/lab/loop", "vfork", "3", "/bin/true"],
        ["put", "/t/events/kprobes/enable", "0"],
        ["say", "begin count"],
        ["show", "/t/trace"],
        ["say", "end count"],
        ["put", "/t/options/stacktrace", "0"],
        ["clear", "/t/kprobe_events"],
    ]
    assert made.index(["put", "/t/options/stacktrace", "1"]) < made.index(["clear", "/t/trace"])
    assert not any(step[0] in ("sleepers", "calibrate", "trigger", "libraries") for step in made)


def test_the_plan_of_held_instructions() -> None:
    made = steps(plan(OFFSETS, "fork", "/bin/true", PATHS, [0, 100, 1000], "/opt/lib:/x"))
    assert ["libraries", "LD_LIBRARY_PATH=/opt/lib:/x"] in made
    says = [step[1] for step in made if step[0] == "say" and step[1].startswith("begin")]
    assert says == [
        "begin count",
        "begin calibrate",
        "begin held 0",
        "begin held 100",
        "begin held 1000",
    ]
    assert [step[1] for step in made if step[0] == "sleepers"] == ["100", "1000"]
    # Once without probes, once with them; the first number is the one without.
    first, second = [at for at, step in enumerate(made) if step[0] == "calibrate"]
    set_up = [at for at, step in enumerate(made) if step[-1] in held_probes(OFFSETS)[:5]]
    assert first < min(at for at in set_up if at > first) < max(set_up) < second
    assert ["trigger", "/t/events/kprobes/dw/trigger", "stacktrace"] in made
    assert ["put", "/t/trace_clock", "x86-tsc"] in made
    for number in (100, 1000):
        sleepers = made.index(["sleepers", str(number), "/lab/sleeper"])
        assert sleepers < made.index(["say", f"begin held {number}"])


def test_the_plan_of_execl_gives_one_x_more_than_iterations() -> None:
    """The loop's own start is no iteration: its mappings replace another program's."""
    made = steps(plan(OFFSETS, "execl", "", PATHS, None, ""))
    assert ["run", "/lab/loop", "execl", "XXXX"] in made


def test_every_step_of_the_plan_is_known_to_init() -> None:
    source = (Path(qemu.__file__).parent / "init.c").read_text()
    for step in steps(plan(OFFSETS, "fork", "/bin/true", PATHS, [0, 5], "/x")):
        assert f'!strcmp(what, "{step[0]}")' in source
        assert len(step) <= 16


Watch = Callable[[bytes], None]
Fake = Callable[..., bytes]


def silent(line: bytes) -> None:
    pass


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Return a function that puts a shell script in QEMU's place and boots it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def boot(script: str, limit_s: float = 20.0, watch: Watch = silent, **more: Any) -> bytes:
        program = folder / "qemu-system-x86_64"
        program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{script}\n")
        program.chmod(0o755)
        arguments = {"processes": 0, "counting": False} | more
        kernel, initrd = tmp_path / "vmlinuz", tmp_path / "initrd"
        return qemu.boot(kernel, initrd, limit_s=limit_s, watch=watch, **arguments)

    return boot


def dead(tmp_path: Path) -> bool:
    number = int((tmp_path / "pid").read_text())
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_guest_that_is_done(fake: Fake, tmp_path: Path) -> None:
    lines: list[bytes] = []
    console = fake(
        'echo "$@"; printf "LAB end count\\r\\nLAB do"; printf "ne\\n"', watch=lines.append
    )
    assert console.endswith(b"LAB end count\r\nLAB done\n")
    assert b"LAB end count\r" in lines
    assert lines[-1] == b"LAB done"
    command = console.splitlines()[0].decode()
    for part in ("-accel tcg", "-smp 1", "-m 1000 ", "-no-reboot", "nokaslr mitigations=off"):
        assert part in command
    assert f"-kernel {tmp_path}/vmlinuz -initrd {tmp_path}/initrd" in command
    assert "-icount" not in command
    assert dead(tmp_path)


def test_a_guest_that_counts_instructions(fake: Fake) -> None:
    command = fake('echo "$@"; echo LAB done', processes=4000, counting=True).decode()
    assert "-icount shift=0,sleep=off" in command
    assert "-m 7000 " in command


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo LAB failed: open /t/x: No such file; sleep 0", "lab: failed: open /t/x: No such"),
        ("echo qemu: no such machine >&2; exit 1", "ended early. It said: qemu: no such machine"),
        ("exit 0", "ended early. It said: nothing"),
        ("printf 'LAB failed: \\033[31mred\\n'", r"failed: \[31mred"),
        ("echo Kernel panic - not syncing: VFS; exec sleep 60", "panicked: .*not syncing: VFS"),
        ("printf Kernel; sleep 0.1; echo ' panic - x'; exec sleep 60", "panicked: "),
    ],
)
def test_a_guest_that_fails(fake: Fake, tmp_path: Path, script: str, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(NotTrustworthyError, match=message) as refused:
        fake(script)
    assert str(refused.value).isprintable()
    assert time.perf_counter() - start < 5
    assert dead(tmp_path)


@pytest.mark.parametrize("script", ["echo started; exec sleep 60", "exec sleep 60"])
def test_a_guest_that_is_silent_until_the_limit(fake: Fake, tmp_path: Path, script: str) -> None:
    start = time.perf_counter()
    with pytest.raises(NotTrustworthyError, match=r"--time-limit gives it longer\. It said: "):
        fake(script, limit_s=0.3)
    assert 0.3 <= time.perf_counter() - start < 5
    assert dead(tmp_path)


def test_a_guest_that_prints_until_the_limit(fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(NotTrustworthyError, match="--time-limit"):
        fake("exec yes", limit_s=0.3)
    assert dead(tmp_path)


@pytest.mark.parametrize("script", ["exec yes", "exec tr '\\0' x < /dev/zero"])
def test_a_guest_that_prints_without_end(
    fake: Fake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    """With lines and without."""
    monkeypatch.setattr(qemu, "LARGEST_CONSOLE", 32 << 20)
    start = time.perf_counter()
    with pytest.raises(NotTrustworthyError, match="prints without end"):
        fake(script)
    assert time.perf_counter() - start < 15
    assert dead(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_it_is_killed_when_something_else_fails(fake: Fake, tmp_path: Path, error: type) -> None:
    def watch(line: bytes) -> None:
        raise error

    with pytest.raises(error):
        fake("trap '' TERM; echo line; exec sleep 60", watch=watch)
    assert dead(tmp_path)


def test_a_time_limit_of_years_is_no_error(fake: Fake) -> None:
    assert fake("sleep 0.1; echo LAB done", limit_s=1e12) == b"LAB done\n"


def test_without_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArgumentError, match=r"is not found; install it .*qemu-system-x86"):
        qemu.program()
    broken = tmp_path / "qemu-system-x86_64"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(ArgumentError, match=r"cannot be started: .*; install it again"):
        qemu.boot(tmp_path, tmp_path, 0, False, 5.0, lambda line: None)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([], 0),
        (["inode 1 /x", "ended: /lab/loop exit 1"], 1),
        (["ended: /lab/my loop exit 125", "ended: /lab/loop exit 3"], 125),
    ],
)
def test_exit_codes_of_a_binary_that_ran(said: list[str], code: int) -> None:
    assert experiment._ended(said) == code


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ended: /lab/loop exit 127", "exit code 127: not executed"),
        ("ended: /lab/loop exit 126", "exit code 126: not started"),
        ("ended: /lab/loop exit 139", "it was killed by signal 11"),
        ("ended: /lab/loop signal 11", "the loop program was killed by signal 11"),
        ("ended: /lab/loop signal 127", "the loop program was killed by signal 127"),
    ],
)
def test_a_binary_that_did_not_run_is_refused(line: str, message: str) -> None:
    with pytest.raises(NotTrustworthyError, match=message) as refused:
        experiment._ended([line])
    assert "-1" not in str(refused.value)  # the number of a signal was once negative here
    assert "only its libraries there" in str(refused.value)


def test_the_console_of_a_binary_that_ended_with_1() -> None:
    console = traces.sample("lab_console_vfork_6.12")
    said = console.replace("LAB begin count", "LAB ended: /lab/loop exit 1\nLAB begin count")
    assert experiment._evaluated(said, "6.12.107", OFFSETS, None).ended == 1
    with pytest.raises(NotTrustworthyError, match="signal 6"):
        experiment._evaluated(said.replace("exit 1\n", "exit 134\n"), "6.12.107", OFFSETS, None)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = elf_files.system(tmp_path_factory.mktemp("root"))
    library = folder / "opt" / "app" / "libown.so.1"
    elf_files.write(library, soname="libown.so.1")
    elf_files.write(
        folder / "usr" / "bin" / "own",
        interpreter=elf_files.LOADER,
        needed=["libown.so.1", "libc.so.6"],
        runpath="/opt/app",
        flags_1=elf_files.DF_1_PIE,
    )
    return folder


def files(root: Path, binary: str, loop: str = "/usr/bin/dynloop") -> tuple[dict[str, bytes], str]:
    resolver = Resolver(Sysroot(root))
    return guest._files(resolver.program(binary), resolver.program(loop))


def test_the_guest_has_the_binary_and_all_libraries(root: Path) -> None:
    paths, folders = files(root, "/usr/bin/own")
    names = {path.rpartition("/")[2]: path for path in paths}
    assert set(names) == {"own", "libown.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}
    assert names["own"] == "/usr/bin/own"
    assert names["ld-linux-x86-64.so.2"] == elf_files.LOADER
    assert folders == "/opt/app"  # what ld.so would not search by itself
    for name, path in names.items():
        folder = (
            "opt/app"
            if "own.so" in name
            else "usr/bin"
            if name == "own"
            else "lib/x86_64-linux-gnu"
        )
        assert paths[path] == (root / folder / name).read_bytes()


def test_a_static_binary_needs_what_the_loop_needs(root: Path) -> None:
    paths, folders = files(root, "/usr/bin/sttrue")
    assert {path.rpartition("/")[2] for path in paths} == {
        "sttrue",
        "libc.so.6",
        "ld-linux-x86-64.so.2",
    }
    assert folders == ""


def test_in_execl_the_loop_program_is_no_file_of_its_own(root: Path) -> None:
    paths, _ = files(root, "/usr/bin/dynloop")
    assert "dynloop" not in {path.rpartition("/")[2] for path in paths}


def test_too_large_files_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "LARGEST_FILES", 1000)
    with pytest.raises(ScenarioError, match="own: it and its libraries have more than"):
        files(root, "/usr/bin/own")


def run(root: Path, binary: str) -> None:
    elf_files.reference(root / "loop", "dynloop")
    image = KernelImage("6.12.107", b"")
    resolver = Resolver(Sysroot(root))
    built = (root / "loop", root / "loop")
    experiment.run(image, "fork", binary, built, resolver, None, 1.0, lambda phase: None)


@pytest.mark.parametrize("name", ["init", "plan", "lab/loop", "lab/sleeper", "bin/a\nrun\t/x"])
def test_files_that_would_replace_those_of_the_guest_are_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A container's /init would have been run in place of the lab's; a line end is a plan's."""
    monkeypatch.setattr(experiment, "offsets_of", lambda kernel: OFFSETS)
    elf_files.reference(root / name, "sttrue")
    with pytest.raises(ArgumentError, match="the guest has no place for a file of this name"):
        run(root, f"/{name}")


def test_the_programs_are_built_or_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "compiler", lambda: None)
    with pytest.raises(ArgumentError, match=r"needs a C compiler .*install gcc and libc6-dev"):
        experiment.build(tmp_path)
    for script in ("echo no libc.a >&2; exit 1", "kill -9 $$"):
        path = tmp_path / "cc"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(experiment, "compiler", path.__str__)
        with pytest.raises(ArgumentError, match=r"init\.c cannot be built by .*libc6-dev"):
            experiment.build(tmp_path)


def test_signals_of_the_loop_program_are_those_of_the_system() -> None:
    """loop.c adds 128, as shells do."""
    done = subprocess.run(["sh", "-c", "sh -c 'kill -11 $$'; exit $?"], check=False, timeout=20)
    assert done.returncode == experiment.KILLED + signal.SIGSEGV
