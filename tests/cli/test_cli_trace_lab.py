"""`lockmodel trace lab` with a recorded console in place of QEMU."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elf_files
import kernel_images as made
import pytest
import traces

from lockmodel.measure.trace.lab import experiment

Command = Callable[..., Any]
LIBC = "libc.so.6"


@pytest.fixture(autouse=True)
def _no_library_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.fixture
def lab(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return `trace lab` where QEMU is a script that prints what a guest once did."""
    root = elf_files.system(tmp_path / "root")
    (root / "bin").symlink_to("usr/bin")
    loop = root / "usr" / "bin" / "loop"
    elf_files.reference(loop, "dynloop")
    monkeypatch.setattr(experiment, "build", lambda folder: (loop, loop))
    console = tmp_path / "console"
    console.write_text(traces.sample("lab_console_vfork_6.12"))
    folder = tmp_path / "path"
    folder.mkdir()
    qemu = folder / "qemu-system-x86_64"
    qemu.write_text(f"#!/bin/sh\nexec cat {console}\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    (tmp_path / "k.deb").write_bytes(made.PACKAGE)

    def run(*options: str, binary: str = "/bin/true") -> Any:
        return command(
            *("trace", "lab", "--kernel-deb", "k.deb", "--loop", "vfork", "--sysroot", str(root)),
            *("--binary", binary, "--mappers", "0", *options),
        )

    return run


def test_the_lab_agrees_with_the_rules(lab: Callable[..., Any]) -> None:
    """What a real 6.12 guest printed, and the rules on the program headers of the same files."""
    ran = lab("--explain")
    assert ran.fine
    assert max(map(len, ran.stdout.splitlines())) <= 80
    text = " ".join(ran.stdout.split())
    assert (
        f"Linux {made.RELEASE} in QEMU: 3 iterations (all equal) of a vfork loop with /bin/true"
        in text
    )
    assert f"offsets from the BTF of {made.RELEASE}" in text
    assert "`lockmodel acquires` say the same: 16 of 16 files and sites" in text
    assert ran.stdout.startswith(
        "libc.so.6: 15 acquires and 32 operations per iteration, the most."
    )
    held = re.search(r"libc\.so\.6 +exec\.map_split +([\d,]+) +-$", ran.stdout, re.MULTILINE)
    assert held is not None
    assert abs(int(held[1].replace(",", "")) - 1167) <= 0.03 * 1167  # the traced table
    assert re.search(r"libc\.so\.6 +exec\.mprotect_split +~[\d,]+ ", ran.stdout)


def test_the_lab_answers_in_25_lines_and_has_all_on_request(lab: Callable[..., Any]) -> None:
    """16 sites in the guest: 8 rows of held instructions, those of the first file first."""
    lines = lab().stdout.splitlines()
    assert len(lines) <= 25
    assert "8 more sites: --all" in lines
    heads = [line.split() for line in lines if line.startswith("file")]
    assert heads == [["file", "like", "acquires", "ops"], ["file", "site", "held", "0", "growth"]]
    rows = lines[lines.index(next(x for x in lines if "held 0" in x)) + 1 :][:8]
    assert [row.split()[0] for row in rows[:6]] == ["libc.so.6"] * 6
    assert not any(line.startswith("offsets") for line in lines)
    full = lab("--all").stdout
    assert "more sites" not in full
    assert full.count("exec.map_split") == 4  # one in the table of sites, three files held it


def test_the_json_of_the_lab(lab: Callable[..., Any]) -> None:
    ran = lab("--json")
    assert ran.fine
    data = json.loads(ran.stdout)
    assert data["schema"] == "lockmodel.acquires/1"
    assert (data["kernel"], data["loop"]) == (made.RELEASE, "vfork")
    assert traces.of_json(data) == traces.table("6.12.107", "vfork", "dyntrue")
    assert data["rules"] == {"compared": 16, "differences": []}
    held = {(each["file"], each["site"]): each for each in data["held"]}
    assert len(held) == 16
    split = held[LIBC, "exec.map_split"]
    assert (split["mappers"], split["samples"], split["nested"]) == (0, 30, False)
    assert split["low"] <= split["instructions"] <= split["high"]
    assert held["true", "exec.mprotect_split"]["nested"]


def test_rules_that_differ_are_shown(lab: Callable[..., Any]) -> None:
    """The static binary of the same loop: the guest's counts are of a dynamic one."""
    ran = lab("--no-held", binary="/usr/bin/sttrue")
    assert ran.returncode == 0
    said = " ".join(ran.stdout.split())
    assert "! THE ELF RULES DIFFER at 19 of 19 files and sites" in said
    assert "unless the program does more once it runs): --explain" in said
    ran = lab("--no-held", "--explain", binary="/usr/bin/sttrue")
    assert re.search(r"libc\.so\.6 +exec\.map_split +5/15 +-$", ran.stdout, re.MULTILINE)
    assert "held 0" not in ran.stdout


def test_the_trace_that_is_kept_can_be_read(lab: Callable[..., Any], command: Command) -> None:
    assert lab("--keep", "kept.txt", "-o", "out.txt").returncode == 0
    ran = command("trace", "read", "kept.txt", "--json")
    assert ran.fine
    data = json.loads(ran.stdout)
    assert data["kernel"] == made.RELEASE
    assert traces.of_json(data) == traces.table("6.12.107", "vfork", "dyntrue")


def test_a_guest_that_fails_exits_1_and_leaves_no_file(
    lab: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "console").write_text("LAB started\nLAB failed: open /t/kprobe_events: no\n")
    ran = lab("--keep", "kept.txt", "-o", "out.json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "failed: open /t/kprobe_events" in ran.stderr
    assert not (tmp_path / "kept.txt").exists()
    assert not (tmp_path / "out.json").exists()
