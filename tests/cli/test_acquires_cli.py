"""`lockmodel acquires`: the table, the JSON, the scenario and the messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elf_files
import pytest

pytestmark = pytest.mark.usefixtures("hardly_drawn")

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(elf_files.system(tmp_path_factory.mktemp("root")))


TRUE_ON_612 = """\
/usr/bin/true on Linux 6.12, fork loop, started by a program that needs only
libc

file                  like  maps  acquires  ops   held  lines
libc.so.6             A        5        21   42  9,703    592
ld-linux-x86-64.so.2  B        5        14   26  3,574    330
true                  C        5         8   16  3,238    277
launcher              D        5         6   10    614     53
all files                               49   94

site                     A      B     C     D
fork.dup               5/5    5/5     -   5/5
exec.teardown          1/5    1/5     -   1/5
exec.map_link          3/3    4/4   4/4     -
exec.map_split        5/15    1/3   1/3     -
exec.map_unlink        4/4    1/1   1/1     -
exec.map_expand        1/2      -     -     -
exec.mprotect_split    1/3    1/3   1/3     -
exit.teardown          1/5    1/5   1/5     -
acquires/ops         21/42  14/26  8/16  6/10

its acquires: 29 on 6.1.187, 21 on 6.12.107, 21 on 7.2.13; 42 operations on each

assumed:
"""


def test_the_table(command: Command, root: str) -> None:
    asked = ("acquires", "/usr/bin/true", "--kernel", "6.12", "--sysroot", root)
    ran = command(*asked)
    assert ran.returncode == 0
    answer, _, table = ran.stdout.partition("\n")
    assert answer == ("libc.so.6: 21 acquires and 42 operations per iteration, most lines.")
    assert table.rstrip().endswith("2 assumptions: --explain")
    assert "dlopen" not in ran.stdout
    explained = command(*asked, "--explain").stdout
    assert explained.partition("\n")[2].lstrip("\n").startswith(TRUE_ON_612)
    assert "dlopen" in explained
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.parametrize("binary", ["git", "cxxtrue", "sttrue"])
@pytest.mark.parametrize("loop", ["fork", "vfork", "execl"])
def test_eighty_columns(command: Command, root: str, binary: str, loop: str) -> None:
    ran = command(
        *("acquires", f"/usr/bin/{binary}", "--kernel", "6.1", "--loop", loop, "--sysroot", root),
        *("--launcher", "/usr/bin/dynloop"),
    )
    assert ran.returncode == 0
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert f"/usr/bin/{binary} on Linux 6.1, {loop} loop" in ran.stdout


def test_the_json(command: Command, root: str) -> None:
    ran = command(
        *("acquires", "/usr/bin/sttrue", "--kernel", "6.12.107", "--sysroot", root),
        *("--launcher", "/usr/bin/dynloop", "--json"),
    )
    both = {
        "fork.dup": {"acquires": 5, "operations": 5},
        "exec.teardown": {"acquires": 1, "operations": 5},
    }
    launcher = {"acquires": 6, "operations": 10, "sites": both}
    assert json.loads(ran.stdout) == {
        "schema": "lockmodel.acquires/1",
        "kernel": "6.12.107",
        "loop": "fork",
        "files": {
            "sttrue": {
                "acquires": 6,
                "operations": 12,
                "sites": {
                    "exec.map_link": {"acquires": 4, "operations": 4},
                    "exec.mprotect_split": {"acquires": 1, "operations": 3},
                    "exit.teardown": {"acquires": 1, "operations": 5},
                },
            },
            "dynloop": launcher,
            "ld-linux-x86-64.so.2": launcher,
            "libc.so.6": launcher,
        },
    }


def test_the_scenario_is_ready_for_predict_and_levers(command: Command, root: str) -> None:
    ran = command(
        *("acquires", "/usr/bin/git", "--kernel", "6.12", "--sysroot", root),
        *("--toml", "git.toml", "--machine", "2x32x2"),
    )
    assert (ran.returncode, ran.stderr) == (0, "written: git.toml\n")
    predicted = command("predict", "./git.toml", "-n", "1,64", "--json")
    points = json.loads(predicted.stdout)["points"]
    assert [point["n"] for point in points] == [1, 64]
    assert all(low < high for low, high in (p["interval_per_s"] for p in points))
    whatif = command("whatif", "./git.toml", "-n", "64", "--lever", "shard:libc.so.6=8")
    assert whatif.returncode == 0
    assert "then lib" in whatif.stdout  # libpcre2-8 and libz come next, then what nobody names
    shown = command("show", "./git.toml").stdout
    assert [name for name in ("lru_lock", "pcpu_lock", "not_counted") if name in shown] != []
    again = command(
        "acquires", "/usr/bin/git", "--kernel", "6.12", "--sysroot", root, "--toml", "git.toml"
    )
    assert again.returncode == 4
    assert "--force" in again.stderr


def test_a_count_and_two_points_measured_on_two_cpus_say_that_no_lock_matters(
    command: Command, root: str
) -> None:
    """README's four commands, with the numbers of a machine of two CPUs."""
    Path("curve.csv").write_text("tasks,throughput\n1,1020\n2,1960\n")
    ran = command(
        *("acquires", "/usr/bin/true", "--kernel", "6.12", "--sysroot", root),
        *("--toml", "here.toml", "--machine", "1x2x1"),
    )
    assert ran.returncode == 0
    fitted = command("fit", "curve.csv", "--model", "here.toml", "-o", "fitted.toml")
    assert fitted.returncode == 0
    assert "Warning" not in fitted.stderr
    assert "NOT DETERMINED: line_overlap, all.handoff_lines" in fitted.stdout
    ranked = json.loads(command("levers", "fitted.toml", "--json").stdout)
    gains = {row["lever"]: row["gain_interval"] for row in ranked["levers"]}
    low, high = gains["exclude:libc.so.6"]
    assert 0.0 < low < high < 0.02


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["/usr/bin/none"], 4, "/usr/bin/none: no such file"),
        (["/usr/bin/true", "--kernel", "4.4"], 3, "known: 5.0 to 7.2"),
        (["/usr/bin/true", "--kernel", "nonsense"], 3, "is not a version like 6.12"),
        (["/usr/bin/true", "--loop", "clone"], 3, "'fork', 'vfork', 'execl'"),
        (["/usr/bin/true", "--launcher", "/nix"], 4, "/nix: no such file"),
        (["/usr/bin/true", "--sysroot", "/nowhere"], 4, "--sysroot /nowhere: is no folder"),
        (["/usr/lib/x86_64-linux-gnu/libc.so.6", "--loop", "vfork"], 0, ""),
        (["/usr/lib/x86_64-linux-gnu/libm.so.6"], 3, "is a shared library"),
    ],
)
def test_messages(command: Command, root: str, arguments: list[str], code: int, text: str) -> None:
    if "--sysroot" not in arguments:
        arguments = [*arguments, "--sysroot", root]
    if "--kernel" not in arguments:
        arguments = [*arguments, "--kernel", "6.12"]
    ran = command("acquires", *arguments)
    assert ran.returncode == code, ran.stderr
    assert text in ran.stderr


def test_scripts_name_their_interpreter(command: Command, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    ran = command("acquires", "./script", "--kernel", "6.12")
    assert ran.returncode == 2
    assert "is a script for '/bin/sh'" in ran.stderr


def test_a_program_of_this_machine(command: Command) -> None:
    """The example of the help; every x86-64 Linux with glibc has these three files."""
    ran = command("acquires", "/bin/true", "--kernel", "6.12", "--loop", "fork", "--json")
    assert ran.returncode == 0
    assert {"true", "libc.so.6", "ld-linux-x86-64.so.2"} <= set(json.loads(ran.stdout)["files"])


def test_many_kinds_of_files_continue_in_a_second_table(command: Command, tmp_path: Path) -> None:
    names = [f"lib{i}.so" for i in range(8)]
    for i, name in enumerate(names):
        headers = [
            ["PT_LOAD", 0x1000 * j, 0x1000 * j, 0x1000, 0x1000, 4 + j % 2, 0x1000]
            for j in range(i + 1)
        ]
        elf_files.write(tmp_path / "lib64" / name, program_headers=headers)
    elf_files.write(tmp_path / "lib64/ld-linux-x86-64.so.2")
    elf_files.write(tmp_path / "prog", interpreter=elf_files.LOADER, needed=names)
    line = ["acquires", "/prog", "--kernel", "6.12", "--sysroot", ".", "--loop", "vfork"]
    few = command(*line).stdout.splitlines()
    assert len(few) <= 25
    assert "6 more files: --all" in few
    assert [row.split()[0] for row in few[4:9]] == [
        "lib7.so",
        "lib6.so",
        "lib5.so",
        "lib4.so",
        "all",
    ]
    ran = command(*line, "--all")
    assert ran.returncode == 0, ran.stderr
    heads = [line.split() for line in ran.stdout.splitlines() if line.startswith("site")]
    assert heads == [["site", *"ABCDEFG"], ["site", "H", "I"]]


def test_a_launcher_that_changes_nothing_is_said_so(cli):
    ran = cli(
        "acquires",
        "/bin/true",
        "--kernel",
        "6.12",
        "--loop",
        "vfork",
        "--launcher",
        "/bin/sh",
        "--explain",
    )
    assert "--launcher changes nothing: only fork copies mappings, not vfork" in ran.stdout
