"""What lscpu prints, of servers, of some off-line CPUs, of ARM, of hybrids; and of nothing."""

from __future__ import annotations

import os

import pytest

from lockmodel.errors import ArgumentError, FileError, ScenarioError
from lockmodel.model.lscpu import machine
from lockmodel.model.machine import Machine
from lockmodel.model.machines import parse

SERVER = """\
Architecture:                            x86_64
CPU(s):                                  80
On-line CPU(s) list:                     0-79
Model name:                              Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz
Thread(s) per core:                      2
Core(s) per socket:                      20
Socket(s):                               2
CPU(s) scaling MHz:                      40%
L3 cache:                                55 MiB (2 instances)
NUMA node(s):                            2
NUMA node0 CPU(s):                       0-19,40-59
"""

ARM = """\
CPU(s):                  4
  On-line CPU(s) list:   0-3
Vendor ID:               ARM
  Model name:            Cortex-A72
    Thread(s) per core:  1
    Core(s) per cluster: 4
    Socket(s):           -
    Cluster(s):          1
"""


def read(text: str) -> Machine | None:
    return machine(enumerate(text.splitlines(), start=1), "l.txt")


def counts(made: Machine | None) -> tuple[int, int, int, int]:
    assert made is not None
    return made.cpus, made.cores, made.sockets, made.nodes


def test_a_server():
    made = read(SERVER)
    assert counts(made) == (80, 40, 2, 2)
    assert made is not None
    assert made.name.startswith("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz, 2 x 20 x 2 (sockets")
    assert counts(read("".join(f"# {line}\n" for line in SERVER.splitlines()))) == (80, 40, 2, 2)


def test_nodes_within_a_socket_and_none():
    assert counts(read(SERVER.replace("node(s):                            2", "node(s): 4"))) == (
        80,
        40,
        2,
        4,
    )
    rest = "\n".join(line for line in SERVER.splitlines() if "NUMA" not in line)
    assert counts(read(rest)) == (80, 40, 2, 2)


def test_threads_that_are_off_line():
    """SMT switched off: lscpu says one thread per core, and still counts 80 CPUs."""
    off = SERVER.replace("0-79", "0-39").replace("core:                      2", "core: 1")
    assert counts(read(off)) == (40, 40, 2, 2)


def test_clusters_instead_of_sockets():
    assert counts(read(ARM)) == (4, 4, 1, 1)
    two = ARM.replace("Cluster(s):          1", "Cluster(s):          2").replace("0-3", "0-7")
    assert counts(read(two)) == (8, 8, 1, 1)
    assert counts(read(two.replace("Socket(s):           -", "Socket(s): 2"))) == (8, 8, 2, 2)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            SERVER.replace("0-79", "0-76"),
            r"l\.txt:3: 'On-line CPU\(s\) list: 0-76': 77 CPUs are not 40 cores x 2 threads",
        ),
        (
            "CPU(s): 20\nThread(s) per core: 2\nCore(s) per socket: 12\nSocket(s): 1\n",
            r"l\.txt:1: 'CPU\(s\): 20': 20 CPUs are not 12 cores x 2 threads; cores differ",
        ),
        (
            ARM + "  Model name:            Cortex-A53\n    Core(s) per cluster: 2\n",
            r"l\.txt:10: 'Core\(s\) per cluster: 2': l\.txt:6 has 4; cores of several kinds",
        ),
        (
            SERVER.replace("node(s):                            2", "node(s): 3"),
            r"l\.txt:10: 'NUMA node\(s\): 3': 40 cores are not evenly divided",
        ),
        (SERVER.replace("Socket(s):", "Sockets:"), r"l\.txt: no line 'Socket\(s\)' of lscpu"),
        (
            SERVER.replace("socket:                      20", "socket: many"),
            r"l\.txt:6: 'Core\(s\) per socket: many': a whole number from 1 to",
        ),
        (SERVER.replace("0-79", "79-0"), r"l\.txt:3: .*a list of CPUs was expected"),
        (SERVER.replace("0-79", "0-999999"), r"l\.txt:3: .*: 1000000 CPUs; 1 to \d+ were expected"),
    ],
)
def test_what_is_no_even_machine_is_refused_with_its_line(text, error):
    with pytest.raises(ScenarioError, match=error) as raised:
        read(text)
    assert "--machine 2x20x2" in str(raised.value)


def test_other_text_is_none():
    assert read("tasks,throughput\n1,2\n") is None
    assert read("# CPU(s): 80\n") is None


def test_a_file_is_a_machine(tmp_path):
    """Of SMT and near lines lscpu says nothing: they are as of SxCxT."""
    path = tmp_path / "2socket.txt"
    path.write_text(SERVER, encoding="utf-8")
    made, plain = parse(str(path)), parse("2x20x2")
    assert counts(made) == counts(plain)
    assert (made.smt_speedup, made.same_node_cost) == (plain.smt_speedup, plain.same_node_cost)


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("tasks,throughput\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"x\.txt: not what lscpu prints .*LC_ALL=C lscpu"):
        parse(str(path))
    path.write_bytes(b"\0" * (2 << 20))
    with pytest.raises(ScenarioError, match=r"x\.txt: larger than 1 MiB"):
        parse(str(path))
    os.mkfifo(tmp_path / "fifo")
    for name, said in (("fifo", "named pipe"), (".", "directory"), ("none/x", "No such file")):
        with pytest.raises(FileError, match=said):
            parse(str(tmp_path / name))
    with pytest.raises(ArgumentError, match="or name a file with what lscpu prints"):
        parse("lscpu-of-nobody.txt")
