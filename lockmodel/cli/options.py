"""Options that several commands share, as annotations of their parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from typer import Argument, Option

from lockmodel.errors import ArgumentError, shown

COUNTS = "64 | 1,2,4 | 1..128 | 1..384:16 (step) | 1..512*2 (factor)"
CLOSED = "bounds: closed-form bounds. product-form: the exact solution with exponential holds."
TIME_LIMIT_S = 300.0

Model = Annotated[
    str,
    Argument(
        metavar="MODEL",
        help="A shipped scenario, the path of a TOML file, or - for standard input.",
        show_default=False,
    ),
]
Populations = Annotated[
    str | None,
    Option(
        "-n",
        metavar="LIST",
        help=f"Populations: {COUNTS}  [default: doublings up to all CPUs].",
        show_default=False,
    ),
]
Population = Annotated[
    str | None,
    Option("-n", metavar="N", help="Population  [default: all CPUs].", show_default=False),
]
ClosedMethod = Annotated[
    Literal["auto", "bounds", "product-form"],
    Option("--method", help=f"{CLOSED} auto: product-form."),
]
AnyMethod = Annotated[
    Literal["auto", "bounds", "product-form", "markov", "simulation"],
    Option(
        "--method",
        help=f"{CLOSED} markov: the exact solution of a chain, for few processes. simulation: "
        "event by event, with intervals. auto: the cheapest that is good enough.",
    ),
]


def seconds(given: float) -> float:
    """Return the value of --time-limit; raises ArgumentError unless it is a number above 0."""
    if not (isinstance(given, int | float) and given > 0):
        what = f"{given:g}" if isinstance(given, int | float) else shown(given)
        raise ArgumentError(f"--time-limit {what} must be a number of seconds above 0")
    return given


TimeLimit = Annotated[
    float,
    Option(
        "--time-limit",
        metavar="S",
        callback=seconds,
        help="Stop simulating after S seconds with what there is (exit 1: not all was reached).",
    ),
]
Walks = Annotated[
    str | None,
    Option(
        "--walks",
        metavar="LOCK=RATE,read_us=T",
        help="Background walkers: RATE walks per s take all shards of LOCK (or of all) and read "
        "for T us; ,give_up: who would have to wait does not walk.",
        show_default=False,
    ),
]
Edits = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value for a key of the model's file, its unit with the value: think=4us, "
        "machine.cpus=64, LOCK.shards=8, LOCK/PHASE.SITE.acquires=1. Repeatable.",
        show_default=False,
    ),
]
Machine = Annotated[
    str | None,
    Option(
        "--machine",
        metavar="SxCxT|NAME|FILE",
        help="Another machine: sockets x cores per socket x threads per core, e.g. 2x20x2, one "
        "that `lockmodel machines` lists, or a file with what lscpu prints.",
        show_default=False,
    ),
]
FromCounts = Annotated[
    bool,
    Option(
        "--from-counts",
        help="Use no throughput of the machine: lines and instructions counted in an emulator, "
        "transfer times of the machine, one factor from other machines.",
    ),
]
Plot = Annotated[bool, Option("--plot", help="Draw it in the terminal as well.")]
PlotFile = Annotated[
    str | None,
    Option(
        "--plot-file",
        metavar="FILE",
        help="Draw it to FILE (.svg, .pdf, .png).",
        show_default=False,
    ),
]
All = Annotated[bool, Option("--all", help="Print every row, however many.")]
Explain = Annotated[
    bool, Option("--explain", help="Print how it was computed, and where it is weak.")
]
Json = Annotated[bool, Option("--json", help="JSON: times in s, rates per s.")]
Output = Annotated[
    str | None,
    Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write to FILE instead of the terminal (.json means --json; .csv where there is a "
        "table).",
        show_default=False,
    ),
]
Force = Annotated[bool, Option("--force", help="Overwrite existing files.")]

Unit = Annotated[
    Literal["s", "ms", "us", "ns"] | None,
    Option("--unit", help="Unit of times that have none (bpftrace).", show_default=False),
]
At = Annotated[
    list[str] | None,
    Option(
        "--at",
        metavar="FILE=N",
        help="Population of one file that does not say it. Repeatable.",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    Option(
        "--columns",
        metavar="OURS=HEAD,...",
        help="What columns are called: threads=foo,throughput=bar.",
        show_default=False,
    ),
]
Quantity = Annotated[
    Literal["hold", "wait"] | None,
    Option(
        "--quantity",
        help="What times without a name are (bpftrace, funclatency).",
        show_default=False,
    ),
]
Variants = Annotated[
    list[str] | None,
    Option(
        "--variant",
        metavar="NAME=LEVERS",
        help="What a variant of the data changes: levers, separated by ';'. Repeatable.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    Option(
        "--only", metavar="NAME", help="Take this variant only. Repeatable.", show_default=False
    ),
]
What = Annotated[
    str | None,
    Option(
        "--what",
        metavar="TEST",
        help="The test to take, where a file holds several.",
        show_default=False,
    ),
]
Priors = Annotated[bool, Option("--priors/--no-priors", help="Whether published ranges take part.")]
SysrootFolder = Annotated[
    str | None,
    Option(
        "--sysroot",
        metavar="DIR",
        help="Unpacked root whose ld.so and libraries count.",
        show_default=False,
    ),
]
LibraryPath = Annotated[
    str | None,
    Option(
        "--library-path",
        metavar="DIRS",
        help="Folders before the usual ones, with ':' [default: LD_LIBRARY_PATH].",
        show_default=False,
    ),
]
