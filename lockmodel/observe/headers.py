"""What is understood of a file's comments, `# key: value`: one record each.

Every such comment of a CSV is kept and shown; these are read. The docs list them from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """A key of a comment.

    Attributes
    ----------
    key : str
    meaning : str
        What may stand there, and what is done with it.
    passing : bool
        Whether repeats of one curve may differ in it: files that do are joined all the same.
    compared : bool
        Whether `gate` says where two curves differ in it: the change may be of that, too.
    """

    key: str
    meaning: str
    passing: bool = False
    compared: bool = False


UNIT, MACHINE, LSCPU, CAVEAT = "unit", "machine", "lscpu", "caveat"
HOLD_NS, THINK_NS = "hold_ns", "think_ns"

HEADERS = (
    Header(
        UNIT,
        "unit of throughput: ops/s, kops/s, million ops/s, ops/us, execs per second, loops per "
        "minute ...; converted to per second. What is no rate of the whole machine (per thread, "
        "per run) leaves only ratios. Without it: per second",
    ),
    Header(
        MACHINE,
        "the machine in words: 2 sockets x 48 cores x 2 threads; 4-socket 56-core 112-thread; "
        "80-CPU Xeon (2 x 20 cores x 2 SMT); 16 vCPUs. Gives `fit` and `accuracy` the edges where "
        "curves break, and the number of CPUs beyond which populations are left out",
        compared=True,
    ),
    Header(CAVEAT, "what to know of the data; may come often, and with the word NOT it is printed"),
    Header(HOLD_NS, "hold time in ns that the benchmark was set to: `accuracy --lever`"),
    Header(THINK_NS, "think time in ns that it was set to: `accuracy --lever`"),
    Header("loop", "what one iteration is", compared=True),
    Header("binary", "the program that is executed", compared=True),
    Header("window_s", "length of a run", compared=True),
    Header("governor", "frequency governor", compared=True),
    Header("date", "when it was measured", passing=True),
    Header("when", "the same", passing=True),
    Header("who", "who measured it", passing=True),
    Header("source", "where the numbers are from", passing=True),
    Header("note", "a remark", passing=True),
    Header("file", "name of another file", passing=True),
    Header("command", "what was run", passing=True),
    Header("host", "name of the machine", passing=True),
    Header("run", "number of the session", passing=True),
    Header("repeat", "the same", passing=True),
)

PASSING = tuple(header.key for header in HEADERS if header.passing)
"""Headers that may differ between repeats."""

COMPARED = tuple(header.key for header in HEADERS if header.compared)
"""What a header says that a change may be of, other than the kernel."""
