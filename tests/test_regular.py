"""What is read is a regular file, or a pipe that is open already: nothing else ends for sure."""

import os
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from lockmodel.errors import FileError
from lockmodel.model.shipped import shipped_dir
from lockmodel.regular import is_open_pipe, reading

PATIENCE_S = 60
CURVE = "tasks,throughput\n1,100\n2,190\n4,350\n8,600\n16,800\n32,900\n64,900\n"


def content(path):
    with reading(path) as stream:
        return stream.read()


def test_a_regular_file_and_a_link_to_one(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert content(tmp_path / "file") == content(str(tmp_path / "link")) == b"content"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("folder", "it is a directory; give a regular file"),
        ("pipe", "it is a named pipe, which may never end; give a regular file"),
        ("socket", "it is a socket, which may never end; give a regular file"),
        ("/dev/zero", "it is a device, which may never end; give a regular file"),
        ("missing", "No such file or directory"),
        ("n" * 300, "File name too long"),
        ("nul\0", "embedded null byte"),
    ],
)
def test_what_is_refused(kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(FileError) as refused:
            content(kind)
    assert str(refused.value) == f"{kind}: cannot be read: {words}"


def test_an_open_pipe_is_read_to_its_end_and_no_other(tmp_path):
    back, front = os.pipe()
    os.write(front, b"content")
    os.close(front)
    os.mkfifo(tmp_path / "named")
    try:
        assert is_open_pipe(f"/dev/fd/{back}")
        assert is_open_pipe(f"/proc/self/fd/{back}")
        assert not is_open_pipe(tmp_path / "named")
        assert content(f"/dev/fd/{back}") == b"content"
    finally:
        os.close(back)


@pytest.mark.parametrize(
    "args",
    [
        ("predict", "./pipe"),
        ("import", "pipe"),
        ("fit", "pipe"),
        ("design", "execl-xeon8369b", "--data", "pipe", "-n", "8"),
        ("acquires", "pipe"),
        ("acquires", "--from-shares", "pipe"),
        ("trace", "read", "pipe"),
        ("trace", "--print-probes", "--kernel-deb", "pipe"),
        ("trace", "--print-probes", "--kernel", "6.12", "--btf", "pipe"),
        ("accuracy", "folder"),
    ],
)
def test_a_named_pipe_never_blocks_a_command(args, cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "curve.csv")
    ran = cli(*args)
    assert ran.returncode in (3, 4)
    assert ran.stderr.count("\n") == 1


def bash(line, folder):
    line = line.replace("lockmodel", f"{sys.executable} -m lockmodel")
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S
    )


@cache
def plainly(command):
    """Return what a command makes of the curve as a file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "curve.csv").write_text(CURVE)
        return bash(f"lockmodel {command} curve.csv --json", folder)


@pytest.mark.parametrize(
    ("command", "given"),
    [
        *(("import", given) for given in ("<(cat curve.csv)", "/dev/stdin", "-", "/dev/fd/0")),
        ("fit", "<(cat curve.csv)"),  # it needs the bytes as well: a pipe has them once
        ("fit", "-"),
    ],
)
def test_what_the_shell_pipes_in_is_read(command, given, tmp_path):
    (tmp_path / "curve.csv").write_text(CURVE)
    plain = plainly(command)
    piped = bash(f"cat curve.csv | lockmodel {command} {given} --json", tmp_path)
    assert (piped.returncode, piped.stderr) == (plain.returncode, plain.stderr)
    assert piped.stdout.count("900") == plain.stdout.count("900") > 0


def test_a_scenario_may_be_piped_in_as_well(tmp_path):
    path = shipped_dir("models") / "doexec-20.toml"
    shown = bash(f"lockmodel show <(cat {path}) --json", tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert '"doexec-20"' in shown.stdout
