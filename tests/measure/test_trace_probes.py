"""The probes, against those of the first measurement; scripts against a shell; offsets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lockmodel.errors import ArgumentError
from lockmodel.measure.trace import probes
from lockmodel.measure.trace.offsets import STATED, Offsets, stated

RECIPE = """\
p:dw   down_write sem=%di:x64
p:ins  vma_interval_tree_insert        root=%si:x64 ino=+64(-OFF(%si)):u64
p:rem  vma_interval_tree_remove        root=%si:x64 ino=+64(-OFF(%si)):u64
p:insa vma_interval_tree_insert_after  root=%dx:x64 ino=+64(-OFF(%dx)):u64
p:exe begin_new_exec
p:frk copy_process
p:ext do_exit
"""
"""The probes, against those of the first measurement; scripts against a shell; offsets."""

RECIPE_HELD = """\
p:dw   down_write sem=%di:x64 ino=+64(-OFF2(%di)):u64
r:dwr  down_write
p:up   up_write sem=%di:x64
"""

OFFSETS = {"6.1.187": (72, 88, 0x10), "6.12.107": (72, 144, 0x48), "7.2.13": (64, 120, 0x38)}
"""Kernel -> OFF, OFF2 and the distance of tree and lock, as they were for that measurement."""

RELEASES = {
    "6.1.187": ["6.1", "6.1.0-53-cloud-amd64", "v6.1.187"],
    "6.12.107": ["6.12", "6.12.107+deb13-cloud-amd64", "6.12-rc1"],
    "7.2.13": ["7.2", "7.2.13+deb14-cloud-amd64", "7.2.13"],
}


def recipe(text: str, release: str) -> list[str]:
    tree, lock, _ = OFFSETS[release]
    filled = text.replace("OFF2", str(lock)).replace("OFF", str(tree))
    return sorted(" ".join(line.split()) for line in filled.splitlines())


@pytest.mark.parametrize("release", OFFSETS)
def test_the_stated_offsets_are_those_of_the_recipe(release: str) -> None:
    for text in (release, *RELEASES[release]):
        offsets = stated(text)
        tree, lock, _ = OFFSETS[release]
        assert (offsets.tree, offsets.lock, offsets.inode) == (tree, lock, 64)
        assert release.rpartition(".")[0] in offsets.source


@pytest.mark.parametrize("release", OFFSETS)
def test_the_probes_are_those_of_the_recipe(release: str) -> None:
    assert sorted(probes.kprobes(stated(release))) == recipe(RECIPE, release)


@pytest.mark.parametrize("release", OFFSETS)
def test_the_probes_of_held_instructions_begin_with_those_of_the_recipe(release: str) -> None:
    made = probes.held_probes(stated(release))
    assert set(recipe(RECIPE_HELD, release)) < set(made)
    others = set(made) - set(recipe(RECIPE_HELD, release))
    assert others == {
        "p:dwk down_write_killable sem=%di:x64",
        "r:dwkr down_write_killable",
        "p:frk copy_process",
        "p:exe begin_new_exec",
        "p:ext do_exit",
    }


@pytest.mark.parametrize(
    "release",
    ["6.2", "6.18.44", "5.10.0-30-amd64", "6", "6.", "6.1x", "6.12 ", "", "six", "6.12\n", "٦.12"],
)
def test_an_unknown_kernel_is_refused_with_the_remedy(release: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        stated(release)
    for word in ("--kernel", "6.1, 6.12, 7.2", "/sys/kernel/btf/vmlinux", "--btf", "--kernel-deb"):
        assert word in str(refused.value)


OWN = Offsets(tree=1000, lock=2000, inode=3000, source="a test")


def test_every_offset_gets_into_the_probes() -> None:
    lines = probes.kprobes(OWN)
    assert lines[1] == "p:ins vma_interval_tree_insert root=%si:x64 ino=+3000(-1000(%si)):u64"
    assert probes.held_probes(OWN)[0].endswith("ino=+3000(-2000(%di)):u64")
    script = probes.bpftrace_script(OWN, "6.12")
    assert script.count("- 1000)") == 3
    assert script.count("+ 3000)") == 3
    for argument in ("arg1 - 1000", "arg2 - 1000", 'sem=0x%llx comm=%s\\n%s\\n", tid, arg0'):
        assert argument in script


def test_the_header_of_the_lines_says_where_the_offsets_are_from() -> None:
    text = probes.lines_text(OWN, "6.12.107")
    assert text.startswith("# kernel 6.12.107\n# offsets from a test: i_mmap 1000, i_mmap_rwsem 20")
    assert "--as script" in text  # the option once had another name here
    plain = [line for line in text.splitlines() if not line.startswith("#")]
    assert plain == list(probes.kprobes(OWN))


@pytest.mark.parametrize("release", [*STATED, "6.12.107+deb13-cloud-amd64", "6.1.0-53-cloud"])
def test_a_shell_accepts_the_script(release: str) -> None:
    script = probes.shell_script(stated(release), release)
    done = subprocess.run(
        ["sh", "-n"], input=script, capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in probes.kprobes(stated(release)):
        assert f"echo '{line}' >> kprobe_events\n" in script


def test_the_script_undoes_what_it_sets() -> None:
    script = probes.shell_script(OWN, "6.12")
    undo = script[script.index("undo() {") : script.index("trap undo EXIT")]
    changed = set(re.findall(r"> (options/[\w-]+|events/\S+|kprobe_events|buffer_size_kb)", script))
    assert changed >= {"options/stacktrace", "options/event-fork", "events/kprobes/enable"}
    for each in changed:
        assert f"> {each}" in undo
    assert "set_event_pid" in undo


def ran(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-s", *arguments],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_the_script_without_a_command_says_how_to_use_it() -> None:
    done = ran(probes.shell_script(OWN, "6.12"))
    assert done.returncode == 2
    assert "COMMAND [ARGUMENT]... > trace.txt" in done.stderr


def test_the_script_refuses_another_kernel() -> None:
    done = ran(probes.shell_script(OWN, "0.1"), "true")
    assert done.returncode == 1
    assert "made for Linux 0.1, this is " in done.stderr


PATTERNS = {
    "6.12": (
        ["6.12", "6.12.0", "6.12.107+deb13-cloud-amd64", "6.12-rc1", "6.12+"],
        ["6.1", "6.120.1", "6.1.2", "16.12.1", "6x12.3", "6.13.12"],
    ),
    "6.12.107": (
        ["6.12.107", "6.12.107+deb13-cloud-amd64", "6.12.107-1-amd64"],
        ["6.12.10", "6.12.1070", "6.12.107.1", "6.12", "6.12.108"],
    ),
    "6.1.0-53-cloud-amd64": (
        ["6.1.0-53-cloud-amd64"],
        ["6.1.0-54-cloud-amd64", "6.1.0-53-cloud-amd64-x", "6.1.0", "6.1"],
    ),
    "6.12.107.1+x": (["6.12.107.1+x"], ["6.12.107.1"]),
    "7": (["7"], ["7.2"]),
}
"""Release -> what uname -r may say, and what not."""


@pytest.mark.parametrize("release", PATTERNS)
def test_the_pattern_of_the_kernels_that_the_script_takes(release: str) -> None:
    """The script is run up to the check, by a shell."""
    script = probes.shell_script(OWN, release)
    check = script[script.index('case "$(uname -r)"') : script.index("for tracing")]
    for names, code in zip(PATTERNS[release], (0, 1), strict=True):
        for name in names:
            done = ran(f"uname() {{ echo '{name}'; }}\n{check}")
            assert done.returncode == code, (release, name)


@pytest.mark.parametrize("release", [*STATED, "6.12.107+deb13-cloud-amd64"])
def test_the_bpftrace_script_is_whole(release: str) -> None:
    text = probes.bpftrace_script(stated(release), release)
    for opening, closing in ("{}", "()"):
        assert text.count(opening) == text.count(closing)
    assert text.count('"') % 2 == 0
    functions = set(re.findall(r"^kprobe:(\w+) ", text, re.MULTILINE))
    assert functions == {line.split()[1] for line in probes.kprobes(stated(release))}
    for line in probes.kprobes(stated(release)):
        assert f'printf("{line.split()[0][2:]}: pid=%d' in text


FILES = (
    "kprobe_events",
    "trace",
    "tracing_on",
    "buffer_size_kb",
    "set_event_pid",
    "options/stacktrace",
    "options/event-fork",
    "events/kprobes/enable",
)


@pytest.fixture
def tracing(tmp_path: Path) -> Path:
    """Return a folder with the files that the kernel would have."""
    folder = tmp_path / "tracing"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "buffer_size_kb").write_text("7 (expanded: 1408)\n")
    return folder


@pytest.mark.parametrize("fails", [False, True])
def test_the_script_traces_a_command_and_tidies_up(tracing: Path, fails: bool) -> None:
    """In a folder in place of tracefs; the command looks at what is set and writes a trace."""
    home = tracing.parent / "home"
    home.mkdir()
    program = home / "prog"
    program.write_text(
        f"#!/bin/sh\ncp -r {tracing} {home}/seen\npwd\necho traced >> {tracing}/trace\n"
        f"exit {int(fails)}\n"
    )
    program.chmod(0o755)
    script = probes.shell_script(stated("6.12"), "6.12").replace(
        "/sys/kernel/tracing", str(tracing)
    )
    done = subprocess.run(
        ["sh", "-s", "./prog", "-x"],
        input=f"uname() {{ echo 6.12.107; }}\n{script}",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    assert ("the command failed" in done.stderr) == fails
    assert str(home) in done.stderr.splitlines()  # it runs where it was started
    inode = program.stat().st_ino
    assert done.stdout.splitlines()[:2] == ["# kernel 6.12.107", f"inode {inode} ./prog"]
    assert done.stdout.endswith("traced\n")

    def content(folder: Path, name: str) -> str:
        return (folder / name).read_text().strip()

    seen = home / "seen"
    assert content(seen, "kprobe_events").splitlines() == list(probes.kprobes(stated("6.12")))
    for name in ("tracing_on", "options/stacktrace", "options/event-fork", "events/kprobes/enable"):
        assert content(seen, name) == "1"
    assert content(seen, "buffer_size_kb") == "40000"
    assert content(seen, "set_event_pid").isdigit()
    for name in ("options/stacktrace", "options/event-fork", "events/kprobes/enable"):
        assert content(tracing, name) == "0"
    for name in ("kprobe_events", "set_event_pid", "trace"):
        assert content(tracing, name) == ""
    assert content(tracing, "buffer_size_kb") == "7"
    assert content(tracing, "tracing_on") == "1"


def test_the_script_leaves_probes_of_others_alone(tracing: Path) -> None:
    (tracing / "kprobe_events").write_text("p:theirs do_exit\n")
    script = probes.shell_script(stated("6.12"), "6.12").replace(
        "/sys/kernel/tracing", str(tracing)
    )
    done = ran(f"uname() {{ echo 6.12.107; }}\n{script}", "true")
    assert done.returncode == 1
    assert "there are kprobes already" in done.stderr
    assert (tracing / "kprobe_events").read_text() == "p:theirs do_exit\n"
    assert (tracing / "buffer_size_kb").read_text() == "7 (expanded: 1408)\n"


def test_the_script_without_tracefs_says_what_is_missing(tmp_path: Path) -> None:
    script = probes.shell_script(stated("6.12"), "6.12").replace("/sys/kernel", str(tmp_path))
    done = ran(f"uname() {{ echo 6.12.107; }}\n{script}", "true")
    assert done.returncode == 1
    for word in ("run as root", "CONFIG_KPROBE_EVENTS", "mount -t tracefs"):
        assert word in done.stderr
