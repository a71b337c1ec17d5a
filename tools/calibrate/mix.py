"""Three kinds of iteration on one machine: execs, compilers, and a server that only maps."""

from __future__ import annotations

from common import LIBC
from msgspec.structs import replace

from lockmodel.model.classes import IterationClass
from lockmodel.model.scenario import NOT_COUNTED, Provenance, Scenario

COMPILE_S = 20e-3
"""CPU time of compiling a small file (assumed; 5 to 500 ms)."""

REQUEST_S = 50e-6
"""CPU time of a request that maps a file and unmaps it again (assumed; 10 us to 1 ms)."""

SHARES = (0.5, 0.25, 0.25)
"""Of the processes (assumed): half exec, a quarter compiles, a quarter serves."""

NAME = "mix-xeon8369b"


def mix_xeon8369b(execl: Scenario, fork: Scenario) -> Scenario:
    """Return the execl scenario beside compilers and a server.

    Parameters
    ----------
    execl : Scenario
        Of the machine, calibrated.
    fork : Scenario
        Fork + exec + exit on the same kernel: what a compiler driver does per file.
    """
    shared = {lock.name for lock in execl.locks} - {"executable", NOT_COUNTED}
    compiles = tuple(site for site in fork.sites if site.lock in shared)
    maps = tuple(
        replace(site, phase="request", acquires=1.0)
        for site in execl.sites_of(LIBC)
        if site.label in ("exec.map_link", "exec.map_unlink")
    )
    classes = (
        IterationClass(
            name="execl",
            share=SHARES[0],
            think=execl.think,
            think_remote=execl.think_remote,
            sites=execl.sites,
        ),
        IterationClass(name="compiler", share=SHARES[1], think=COMPILE_S, sites=compiles),
        IterationClass(name="server", share=SHARES[2], think=REQUEST_S, sites=maps),
    )
    notes = (
        Provenance(
            value="machine, locks, class execl",
            origin="fitted",
            note=f"those of {execl.name}, whose file says where each is from",
        ),
        Provenance(
            value="class compiler: sites",
            origin="traced",
            note=f"one fork + exec + exit per file: the sites of {fork.name} (counts of Linux "
            f"6.12.107) at the locks that execs take, too; its own executable and launcher are "
            f"other files, whose locks it shares with compilers only, and are left out",
        ),
        Provenance(
            value="class compiler: think",
            origin="assumed",
            note="20 ms of CPU for a small file; 5 to 500 ms",
        ),
        Provenance(
            value="class server: sites",
            origin="traced",
            note="a request maps libc.so.6 once and unmaps it: exec.map_link and exec.map_unlink "
            "of the execl loop (data/traced/acquires_traced.csv, lines_held.csv), once each",
        ),
        Provenance(
            value="class server: think", origin="assumed", note="50 us a request; 10 us to 1 ms"
        ),
        Provenance(
            value="shares",
            origin="assumed",
            note="half of the processes exec, a quarter compiles, a quarter serves",
        ),
    )
    return replace(
        execl,
        name=NAME,
        title="execl beside compilers and a server that maps, 2 x Xeon Platinum 8369B",
        iteration="one execl, one file compiled, or one request, by class",
        think=0.0,
        think_remote=0.0,
        sites=(),
        classes=classes,
        calibrated=None,
        provenance=notes,
        fit=None,
    )
