"""What the guest does, as the lines of /plan (see init.c), in phases between `begin` and `end`.

=============  ===================================================================
phase          what it shows
=============  ===================================================================
count          acquires and tree operations of a few iterations
plain          the calibration loop without probes
calibrate      the same loop with the probes that time sections
held M         a few iterations while M other processes map libc.so.6 and ld.so
functions      addresses of the kernel's functions
=============  ===================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

from lockmodel.measure.trace.offsets import Offsets
from lockmodel.measure.trace.probes import BUFFER_KB, held_probes, kprobes

TRACING = "/t"
LOOP = "/lab/loop"
SLEEPER = "/lab/sleeper"
"""The loop program once more as another file, so that its mappings are nobody else's."""

FUNCTIONS = "functions"

ITERATIONS = 3
HELD_ITERATIONS = 5
CALIBRATIONS = 40


def plan(
    offsets: Offsets,
    loop: str,
    binary: str,
    files: Sequence[str],
    mappers: Sequence[int] | None,
    libraries: str,
    functions: Sequence[str] | None = None,
) -> str:
    """Return the plan.

    Parameters
    ----------
    offsets : Offsets
        Of the kernel in the guest.
    loop : {'fork', 'vfork', 'execl'}
    binary : str
        Path in the guest; not used by execl.
    files : sequence of str
        Paths whose inode numbers are wanted.
    mappers : sequence of int or None
        Other mapping processes, increasing; None leaves held instructions out.
    libraries : str
        LD_LIBRARY_PATH, or empty.
    functions : sequence of str or None
        Starts of the names of kernel functions whose addresses are printed; empty for all, None
        for no function.
    """
    lines = [f"mount\ttracefs\t{TRACING}", *(f"inode\t{path}" for path in files)]
    if libraries:
        lines.append(f"libraries\tLD_LIBRARY_PATH={libraries}")
    lines += [_set("buffer_size_kb", str(BUFFER_KB))]
    lines += [_probe(line) for line in kprobes(offsets)]
    lines += [_set("options/stacktrace", "1")]
    lines += _traced("count", _run(loop, binary, ITERATIONS))
    lines += [_set("options/stacktrace", "0"), f"clear\t{TRACING}/kprobe_events"]
    for number in mappers or ():
        lines += _held_probes(offsets) if number == (mappers or (0,))[0] else []
        lines += [f"sleepers\t{number}\t{SLEEPER}"] if number else []
        lines += _traced(f"held {number}", _run(loop, binary, HELD_ITERATIONS))
    if functions is not None:
        said = "\t".join(["functions", *functions])
        lines += ["mount\tproc\t/proc", *_said(FUNCTIONS, said)]
    return "\n".join([*lines, ""])


def _held_probes(offsets: Offsets) -> list[str]:
    """Return the lines that measure the probes' cost and leave them on."""
    return [
        f"calibrate\t{CALIBRATIONS}",
        *(_probe(line) for line in held_probes(offsets)),
        _set("trace_clock", "x86-tsc"),
        f"trigger\t{TRACING}/events/kprobes/dw/trigger\tstacktrace",
        *_traced("calibrate", f"calibrate\t{CALIBRATIONS}"),
    ]


def _traced(name: str, what: str) -> list[str]:
    """Return the lines that trace one command and print the trace."""
    return [
        f"clear\t{TRACING}/trace",
        _set("events/kprobes/enable", "1"),
        what,
        _set("events/kprobes/enable", "0"),
        *_said(name, f"show\t{TRACING}/trace"),
    ]


def _said(name: str, step: str) -> list[str]:
    return [f"say\tbegin {name}", step, f"say\tend {name}"]


def _run(loop: str, binary: str, times: int) -> str:
    if loop == "execl":
        return f"run\t{LOOP}\texecl\t{'X' * (times + 1)}"
    return f"run\t{LOOP}\t{loop}\t{times}\t{binary}"


def _set(file: str, text: str) -> str:
    return f"put\t{TRACING}/{file}\t{text}"


def _probe(line: str) -> str:
    return _set("kprobe_events", line)
