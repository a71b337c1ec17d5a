"""The guest whose stations are ranked: its disk, its linker cache, its plan, its files' roles."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lockmodel.errors import ArgumentError, FileError
from lockmodel.measure.trace.lab.guest import Guest
from lockmodel.measure.trace.lab.stations import experiment, root

LIBRARIES = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/x86_64-linux-gnu/libfoo.so.10",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/libfoo.so.9",
    "/bin/true",
]


def test_the_linker_cache_is_read_by_ldconfig(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_bytes(root.linker_cache(LIBRARIES))
    done = subprocess.run(
        ["/sbin/ldconfig", "-p", "-C", str(cache)], capture_output=True, text=True, check=True
    )
    rows = re.findall(r"\t(\S+) \(libc6,x86-64\) => (\S+)", done.stdout)
    # in the order in which ld.so searches: downwards, numbers by their value
    assert rows == [
        ("libfoo.so.10", "/lib/x86_64-linux-gnu/libfoo.so.10"),
        ("libfoo.so.9", "/lib/x86_64-linux-gnu/libfoo.so.9"),
        ("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
        ("ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"),
    ]


def test_the_root_is_an_ext4_image_with_merged_usr(tmp_path: Path) -> None:
    content = b"\x7fELF" + bytes(range(256)) * 40
    made = root.image({"/lib/x86_64-linux-gnu/libc.so.6": content, "/lab/loop": b"x"}, tmp_path)

    def shown(request: str) -> bytes:
        command = ["/sbin/debugfs", "-R", request, str(made)]
        return subprocess.run(command, capture_output=True, check=True).stdout

    assert shown("cat /usr/lib/x86_64-linux-gnu/libc.so.6") == content
    assert b'Fast link dest: "usr/lib"' in shown("stat /lib")
    assert shown("cat /etc/ld.so.cache").startswith(b"glibc-ld.so.cache1.1")
    assert b"Mode:  0755" in shown("stat /lab/loop")
    assert b"has_journal" not in shown("features")
    assert b"directory" in shown("stat /sys/fs/cgroup")


def test_without_mke2fs_it_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(root, "FOLDERS", ())
    with pytest.raises(ArgumentError, match=r"mke2fs is not found; install .*e2fsprogs"):
        root.program()


def test_an_mke2fs_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "mke2fs"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mke2fs: invalid option -d >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/bin")
    folder = tmp_path / "root"
    folder.mkdir()
    with pytest.raises(FileError, match="invalid option -d; it needs `mke2fs -d`"):
        root.image({"/a": b""}, folder)


GUEST = Guest(
    b"init", b"loop", {"/lib/libc.so.6": b"c", "/bin/true": b"t"}, "/opt/lib", "/bin/true"
)


def test_the_plan_of_the_guest() -> None:
    paths = ["/bin/true", "/lab/loop", "/etc/ld.so.cache"]
    text = experiment._plan(GUEST, "fork", 8, paths, [1, 2], module=True)
    assert text.endswith("\n")
    steps = [line.split("\t") for line in text.splitlines()]
    names = [step[0] for step in steps]
    assert steps[:3] == [
        ["libraries", "LD_LIBRARY_PATH=/opt/lib"],
        ["pin", "8"],
        ["module", "/loop.ko"],
    ]
    assert names.index("disk") < names.index("enter") < names.index("mount")
    groups = [step[1] for step in steps if step[0] == "folder"]
    assert groups == [
        "/sys/fs/cgroup/user.slice",
        "/sys/fs/cgroup/user.slice/user-0.slice",
        "/sys/fs/cgroup/user.slice/user-0.slice/session.scope",
    ]
    assert ["put", f"{groups[-1]}/cgroup.procs", "1"] in steps
    assert [step[1] for step in steps if step[0] == "map"] == paths
    loops = [step for step in steps if step[0] == "parallel"]
    total = str(experiment.WARM + experiment.COUNTED + experiment.SPARE)
    assert loops == [["parallel", "8", "/lab/loop", "fork", total, "/bin/true"]] * 2
    assert [step for step in steps if step[:2] == ["mark", "6"]] == [
        ["mark", "6", number] for number in ("1", "0", "2", "0")
    ]
    assert "module" not in experiment._plan(GUEST, "execl", 8, paths, [1], module=False)


def test_files_are_called_by_their_role() -> None:
    assert experiment._called("/bin/true", GUEST) == "the child's executable"
    assert experiment._called("/lab/loop", GUEST) == "the parent's executable"
    assert experiment._called("/lib/libc.so.6", GUEST) == "libc.so.6"
    execl = replace(GUEST, started="/lab/loop")
    assert experiment._called("/lab/loop", execl) == "the executable"


@pytest.mark.parametrize("loops", [0, 1, 49])
def test_one_loop_shares_nothing_and_too_many_cannot_be_followed(loops: int) -> None:
    with pytest.raises(ArgumentError, match=f"--loops {loops}: stations are counted with 2 to 48"):
        experiment.check_loops(loops)
