"""`lockmodel trace`, `trace read` and `trace lab` as people type them."""

from __future__ import annotations

import gzip
import json
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elf_files
import kernel_images as made
import pytest
import traces

from lockmodel.cli.trace import _mappers
from lockmodel.errors import ArgumentError
from lockmodel.measure.trace.lab import experiment

Command = Callable[..., Any]
LD, LIBC = "ld-linux-x86-64.so.2", "libc.so.6"


@pytest.fixture(autouse=True)
def _no_library_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[str], str]:
    def write(name: str) -> str:
        packed = (traces.SAMPLES / f"{name}.txt.gz").read_bytes()
        (tmp_path / "trace.txt").write_bytes(gzip.decompress(packed))
        return "trace.txt"

    return write


Recorded = Callable[[str], str]


@pytest.mark.parametrize("line", ["trace", "trace read", "trace lab"])
def test_help_fits_and_explains(command: Command, line: str) -> None:
    ran = command(*line.split(), "--help")
    assert ran.returncode == 0
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert "---" not in ran.stdout
    assert "Example" in ran.stdout
    assert re.search(rf"lockmodel {line} ", ran.stdout)


def test_every_printed_column_is_explained(command: Command) -> None:
    read = command("trace", "read", "--help").stdout
    lab = command("trace", "lab", "--help").stdout
    for word in ("acquires", "ops", "like", "5/15"):
        assert word in read
        assert word in lab
    for word in ("held M", "growth", "~", "median"):
        assert word in lab


def test_without_arguments_it_is_the_help(command: Command) -> None:
    assert command("trace").stdout == command("trace", "--help").stdout


TABLE_OF_VFORK = """\
libc.so.6: 15 acquires and 32 operations per iteration, the most.
trace.txt: 3 iterations (all equal) of a vfork loop on Linux
6.12.107+deb12-cloud-amd64

file                  like  acquires  ops
libc.so.6             A           15   32
ld-linux-x86-64.so.2  B            8   16
true                  B            8   16
all files                         31   64

site                     A     B
exec.map_link          3/3   4/4
exec.map_split        5/15   1/3
exec.map_unlink        4/4   1/1
exec.map_expand        1/2     -
exec.mprotect_split    1/3   1/3
exit.teardown          1/5   1/5
acquires/ops         15/32  8/16
"""


def test_the_table(command: Command, recorded: Recorded) -> None:
    """The numbers are those of data/traced/acquires_traced.csv."""
    ran = command("trace", "read", recorded("trace_vfork_6.12"))
    assert ran.fine
    assert ran.stdout == TABLE_OF_VFORK
    expected = traces.table("6.12.107", "vfork", "dyntrue")
    assert sum(a for a, _ in expected.values()) == 31
    assert sum(o for _, o in expected.values()) == 64


@pytest.mark.parametrize(
    ("name", "kernel", "loop", "binary"),
    [
        ("trace_fork_6.1", "6.1.187", "fork", "dyntrue"),
        ("trace_vfork_6.12", "6.12.107", "vfork", "dyntrue"),
        ("trace_execl_6.12", "6.12.107", "execl", "dynloop"),
    ],
)
def test_the_json(
    command: Command, recorded: Recorded, name: str, kernel: str, loop: str, binary: str
) -> None:
    ran = command("trace", "read", recorded(name), "--json")
    assert ran.fine
    data = json.loads(ran.stdout)
    assert list(data) == ["schema", "kernel", "loop", "iterations", "agreeing", "files"]
    assert (data["schema"], data["loop"]) == ("lockmodel.acquires/1", loop)
    assert (data["iterations"], data["agreeing"]) == (3, 3)
    assert data["kernel"].startswith(kernel[:4].rstrip("."))
    expected = traces.table(kernel, loop, binary)
    assert traces.of_json(data) == expected
    for file, content in data["files"].items():
        assert list(content) == ["acquires", "operations", "sites"]
        both = [b for (name, _), b in expected.items() if name == file]
        assert (content["acquires"], content["operations"]) == tuple(
            map(sum, zip(*both, strict=True))
        )


def test_the_json_has_the_keys_of_acquires(command: Command, recorded: Recorded) -> None:
    """So one reader reads both."""
    root = elf_files.system(Path.cwd() / "root")
    derived = command(
        "acquires", "/usr/bin/true", "--kernel", "6.12", "--json", "--sysroot", str(root)
    )
    traced = command("trace", "read", recorded("trace_vfork_6.12"), "--json")
    ours, theirs = json.loads(traced.stdout), json.loads(derived.stdout)
    assert ours["schema"] == theirs["schema"]
    assert set(theirs) <= set(ours)
    assert set(ours["files"][LIBC]) == set(theirs["files"][LIBC])


BASH = "13 /usr/bin/bash\n14 /lib64/ld-linux-x86-64.so.2\n15 /lib/libtinfo.so.6\n"


def test_names_of_a_file(command: Command, recorded: Recorded, tmp_path: Path) -> None:
    """The names of --inodes are added to those in the trace."""
    file = recorded("trace_bpftrace_6.12")
    ran = command("trace", "read", file, "--explain")
    assert "3 files without a name: stat -L -c '%i %n'" in " ".join(ran.stdout.split())
    assert "inode 13" in ran.stdout
    (tmp_path / "inodes.txt").write_text(BASH)
    ran = command("trace", "read", file, "--inodes", "inodes.txt", "--json")
    assert ran.fine
    files = json.loads(ran.stdout)["files"]
    assert set(files) == {"bash", LD, "libtinfo.so.6", LIBC, "true"}
    assert files[LIBC]["acquires"] == 21
    assert "without a name" not in command("trace", "read", file, "--inodes", "inodes.txt").stdout


def test_control_characters_of_names_do_not_get_to_the_terminal(
    command: Command, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "inodes.txt").write_text("14 /bin/\x1b[31mred\x07\n16 /lib/[bold]libc\n")
    ran = command("trace", "read", recorded("trace_vfork_6.12"), "--inodes", "inodes.txt")
    assert ran.fine
    assert "\x1b" not in ran.stdout
    assert "\x07" not in ran.stdout
    assert "[bold]libc" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_long_names_fit(command: Command, recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "inodes.txt").write_text(f"14 /bin/{'long' * 60}\n16 /lib/libc.so.6\n")
    ran = command("trace", "read", recorded("trace_vfork_6.12"), "--inodes", "inodes.txt")
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_an_iteration_that_differs_is_told(
    command: Command, recorded: Recorded, tmp_path: Path
) -> None:
    file = tmp_path / recorded("trace_vfork_6.12")
    lines = file.read_text().splitlines()
    root = next(re.search("root=0x([0-9a-f]+) ino=16", line) for line in lines if "ino=16" in line)
    assert root is not None
    libc = f"sem=0x{int(root[1], 16) + 0x48:x}"
    taken = [i for i, line in enumerate(lines) if line.endswith(libc)]
    at = taken[len(taken) // 2]
    file.write_text("\n".join(lines[:at] + lines[at + 1 :]))
    ran = command("trace", "read", "trace.txt")
    assert ran.fine
    assert "3 iterations (2 of them equal)" in ran.stdout
    assert "libc.so.6             A           15   32" in ran.stdout


def test_output_files_are_kept_unless_forced(
    command: Command, recorded: Recorded, tmp_path: Path
) -> None:
    file = recorded("trace_vfork_6.12")
    (tmp_path / "out.json").write_text("mine")
    ran = command("trace", "read", file, "-o", "out.json")
    assert ran.returncode == 4
    assert "--force" in ran.stderr
    assert (tmp_path / "out.json").read_text() == "mine"
    ran = command("trace", "read", file, "-o", "out.json", "--force")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert traces.of_json(json.loads((tmp_path / "out.json").read_text())) == traces.table(
        "6.12.107", "vfork", "dyntrue"
    )
    command("trace", "read", file, "-o", "out.txt")
    assert (tmp_path / "out.txt").read_text() == TABLE_OF_VFORK


def test_a_trace_that_cannot_be_read_leaves_no_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("nothing\n")
    ran = command("trace", "read", "t.txt", "-o", "out.json")
    assert ran.returncode == 2
    assert not (tmp_path / "out.json").exists()


BAD = {
    "trace read none.txt": (4, ["none.txt", "cannot be read"]),
    "trace read junk": (2, ["junk", "--print-probes"]),
    "trace read good --inodes none.txt": (4, ["none.txt"]),
    "trace read good --inodes junk": (2, ["junk", "line 1", "INODE PATH"]),
    "trace read": (3, ["FILE"]),
    "trace raed x": (3, ["raed"]),
    "trace --print-probes --kernel 6.2": (3, ["--kernel '6.2'", "6.1, 6.12, 7.2", "--btf"]),
    "trace --print-probes --kernel six": (3, ["--kernel 'six'", "--kernel-deb"]),
    "trace --print-probes --kernel 6.12 --as perf": (3, ["--as", "bpftrace"]),
    "trace --print-probes --btf none": (4, ["--btf none", "cannot be read"]),
    "trace --print-probes --btf junk": (2, ["BTF", "/sys/kernel/btf/vmlinux"]),
    "trace --print-probes --btf good.btf --kernel x;y": (3, ["--kernel 'x;y'", "uname -r"]),
    "trace --print-probes --kernel-deb none": (4, ["--kernel-deb none"]),
    "trace --print-probes --kernel-deb junk": (2, ["junk", "bzImage"]),
    "trace --print-probes --kernel-deb k.deb --kernel 6.1": (3, ["leave --btf and --kernel out"]),
    "trace --kernel 6.12 read good": (3, ["trace read", "go behind its name"]),
    "trace lab": (3, ["--kernel-deb"]),
    "trace lab --kernel-deb none": (4, ["none"]),
    "trace lab --kernel-deb junk": (2, ["junk", "bzImage"]),
    "trace lab --kernel-deb k.deb --loop posix_spawn": (3, ["--loop", "vfork"]),
    "trace lab --kernel-deb k.deb --loop execl --binary /bin/true": (3, ["leave --binary out"]),
    "trace lab --kernel-deb k.deb --mappers many": (3, ["--mappers 'many'", "0,100"]),
    "trace lab --kernel-deb k.deb --mappers 0,9000": (3, ["--mappers 9000", "8000"]),
    "trace lab --kernel-deb k.deb --time-limit 0": (3, ["--time-limit 0"]),
    "trace lab --kernel-deb k.deb --time-limit nan": (3, ["--time-limit nan"]),
    "trace lab --kernel-deb k.deb --time-limit inf": (3, ["--time-limit inf"]),
    "trace lab --kernel-deb k.deb --binary /no/such": (4, ["/no/such"]),
    "trace lab --kernel-deb k.deb --sysroot none": (4, ["--sysroot none"]),
    "trace lab --kernel-deb k.deb --keep good": (4, ["good", "--force"]),
}
"""Command line -> exit code and what the message must say."""


@pytest.mark.parametrize("line", BAD)
def test_errors_say_what_to_do(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "junk").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "good").write_text(traces.sample("trace_vfork_6.12"))
    (tmp_path / "good.btf").write_bytes(made.kernel_btf(72, 144, 64))
    (tmp_path / "k.deb").write_bytes(made.PACKAGE)
    monkeypatch.setattr(experiment, "build", lambda folder: (folder / "init", Path("/bin/true")))
    code, words = BAD[line]
    ran = command(*line.split())
    assert (ran.returncode, ran.stdout) == (code, "")
    for word in words:
        assert word in " ".join(ran.stderr.split())


@pytest.mark.parametrize("missing", ["compiler", "qemu"])
def test_what_the_lab_needs_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / "k.deb").write_bytes(made.PACKAGE)
    root = elf_files.system(tmp_path / "root")
    if missing == "qemu":
        program = root / "usr" / "bin" / "dynloop"
        monkeypatch.setattr(experiment, "build", lambda folder: (program, program))
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    ran = command(
        *("trace", "lab", "--kernel-deb", "k.deb", "--sysroot", str(root)),
        *("--binary", "/usr/bin/true"),
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    for word in {"compiler": ("C compiler", "gcc"), "qemu": ("qemu-system-x86",)}[missing]:
        assert word in ran.stderr


@pytest.mark.parametrize(
    ("text", "numbers"), [("0", [0]), ("100,0,100", [0, 100]), (" 5 , 8000", [5, 8000])]
)
def test_mappers(text: str, numbers: list[int]) -> None:
    assert _mappers(text) == numbers


@pytest.mark.parametrize("text", ["", ",", "1,,2", "-1", "1.5", "²", "٣", "1e3", "9" * 5000])
def test_mappers_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"--mappers .{0,70}: write whole numbers"):
        _mappers(text)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(("kernel", "offset"), [("6.1", 72), ("6.12", 72), ("7.2", 64)])
def test_the_printed_probes(command: Command, kernel: str, offset: int) -> None:
    ran = command("trace", "--print-probes", "--kernel", kernel)
    assert ran.fine
    expected = f"p:ins vma_interval_tree_insert root=%si:x64 ino=+64(-{offset}(%si)):u64"
    assert expected in lines(ran.stdout)
    script = command("trace", "--print-probes", "--kernel", kernel, "--as", "script").stdout
    assert script.startswith("#!/bin/sh\n")
    assert expected in script
    bpftrace = command("trace", "--print-probes", "--kernel", kernel, "--as", "bpftrace").stdout
    assert f"arg1 - {offset}" in bpftrace


def test_the_kernel_may_have_a_v(command: Command) -> None:
    script = command("trace", "--print-probes", "--kernel", "v6.12", "--as", "script").stdout
    assert "6.12|6.12.*|6.12-*|6.12+*) ;;" in script


def test_offsets_of_a_btf_file_and_of_a_package(command: Command, tmp_path: Path) -> None:
    (tmp_path / "evil\nreboot").write_bytes(made.kernel_btf(80, 160, 72))
    ran = command("trace", "--print-probes", "--btf", "evil\nreboot", "--kernel", "9.9")
    assert ran.fine
    assert "ino=+72(-80(%si)):u64" in ran.stdout
    assert not re.search("^reboot", ran.stdout, re.MULTILINE)
    (tmp_path / "k.deb").write_bytes(made.PACKAGE)
    ran = command("trace", "--print-probes", "--kernel-deb", "k.deb")
    assert ran.fine
    assert ran.stdout.startswith(
        f"# kernel {made.RELEASE}\n# offsets from the BTF of {made.RELEASE}: i_mmap 72"
    )


def test_this_kernel_is_read_from_its_own_btf_where_there_is_one(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vmlinux").write_bytes(made.kernel_btf(88, 168, 96))
    monkeypatch.setattr("lockmodel.cli.trace.RUNNING_BTF", tmp_path / "vmlinux")
    monkeypatch.setattr(platform, "release", lambda: "9.9.9")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    ran = command("trace", "--print-probes")
    assert ran.fine
    assert ran.stdout.startswith("# kernel 9.9.9\n# offsets from the BTF of this kernel: i_mmap 88")
    monkeypatch.setattr("lockmodel.cli.trace.RUNNING_BTF", tmp_path / "none")
    ran = command("trace", "--print-probes")
    assert ran.returncode == 3
    assert "'9.9.9'" in ran.stderr
