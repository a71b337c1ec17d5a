"""Measured curves of a machine with eight CPUs, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lockmodel.measure.bench import sources
from lockmodel.measure.bench.activity import Activity
from lockmodel.measure.bench.checks import reasons
from lockmodel.measure.bench.curve import MeasuredCurve
from lockmodel.measure.bench.machine import Host
from lockmodel.measure.bench.program import LoopProgram
from lockmodel.measure.bench.runner import Run

LSCPU_TABLE = """# The following is the parsable format, which can be fed to other
# CPU,Core,Socket,Node
0,0,0,0
1,1,0,0
2,2,1,1
3,3,1,1
4,0,0,0
5,1,0,0
6,2,1,1
7,3,1,1
"""


def big(**more) -> Host:
    """Return two sockets of two cores with two threads each, quiet and well set up."""
    facts = {
        "model": "CPU X",
        "kernel": "6.12.1",
        "command_line": "quiet",
        "architecture": "x86_64",
        "cpus": sources.lscpu_table(LSCPU_TABLE),
        "allowed": tuple(range(8)),
        "governors": ("performance",),
        "turbo": False,
        "clock": "tsc",
    }
    return Host(**(facts | more))


def run(n, repeat, counts, busy=None, steal=0.0, throttled=None) -> Run:
    return Run(n, repeat, 0.5, tuple(counts), Activity(busy, steal, throttled or {}))


def curve(*runs, **more) -> MeasuredCurve:
    program = LoopProgram(("loop",), "fork", "/bin/true", "loop.c, cc -O2")
    facts = {
        "machine": big(),
        "program": program,
        "runs": runs,
        "seconds": 0.5,
        "warmup": 0.125,
        "seed": 1,
        "planned": len(runs),
        "started": "2026-01-01T00:00:00Z",
        "reasons": tuple(reasons(big(), 0.0, 0.0, "")),
        "load": (0.1, 0.9),
    }
    return MeasuredCurve(**(facts | more))


def process(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Return `lockmodel bench` as a process of its own, its temporary files in a folder."""
    code = (  # a shell's '&' has SIGINT ignored, and that is inherited
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from lockmodel import cli; cli.main(['bench', *sys.argv[1:]])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
