"""`lockmodel import`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from lockmodel.cli import data_options, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, ScenarioError, shown

if TYPE_CHECKING:
    from lockmodel.observe.coverage import Coverage
    from lockmodel.observe.observations import Observation, Reading

MOST_ROWS = 24
"""Rows of a file's table before it is cut."""

EVERY = 1 << 30
"""More rows than a file has."""

FEW_ROWS = 12
"""Rows of all files in the short report."""

MOST_FILES = 24
"""Files whose rows the short report shows."""

MOST_FACTS = 8
TINY = 5e-4
"""Share below which a percentage is shown with two digits."""

WIDEST = 24
"""Characters of a lock, site or variant that fit beside the numbers."""

NAMES = {
    "throughput": "throughput",
    "gain": "gain",
    "wait_share": "wait share",
    "mean_wait": "mean wait",
    "hold_time": "hold time",
    "hold_histogram": "hold histogram",
    "acquires": "acquires",
    "contended_fraction": "contended",
    "idle_share": "idle share",
}


def import_(
    names: Annotated[
        list[str],
        Argument(
            metavar="FILE...",
            help="What other tools wrote; - is standard input.",
            show_default=False,
        ),
    ],
    form: Annotated[
        str | None,
        Option(
            "--format",
            metavar="NAME",
            help="Format of all files [default: by content].",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[
        int | None,
        Option(metavar="N", help="Population, where the file does not say it.", show_default=False),
    ] = None,
    cpus: Annotated[
        int | None,
        Option(metavar="N", help="CPUs of the machine, for idle shares.", show_default=False),
    ] = None,
    wall_s: Annotated[
        float | None,
        Option(
            "--wall-s", metavar="S", help="Length of the run, to check totals.", show_default=False
        ),
    ] = None,
    iterations: Annotated[
        float | None,
        Option(
            metavar="K",
            help="Iterations per run of a command (hyperfine, Criterion).",
            show_default=False,
        ),
    ] = None,
    at: options.At = None,
    columns: options.Columns = None,
    unit: options.Unit = None,
    quantity: options.Quantity = None,
    every: options.All = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Read measurements of other tools, and say what they are good for.

    A format is found by content, never by the name of the file. The simplest is a
    CSV with the header tasks,throughput[,sd][,repeat][,variant][,kernel], where
    every other column that is no measurement (lock, shards) tells curves apart; an
    unknown file is refused with the list of all that are known: UnixBench,
    will-it-scale, perf, lock_stat, klockstat, bpftrace, lkp, hyperfine, sysbench,
    pgbench, wrk, memtier, redis-benchmark, fio, stress-ng, hackbench, YCSB,
    db_bench, and the benchmarks of C++, Go, Java and Rust; a CSV with a column for
    each kernel or lock, lines such as `8 threads: 1.2M ops/s`. Files that are a
    point each of one curve are judged as that curve. -o FILE.csv writes the
    observations (as tasks,throughput,... if nothing else was read), -o FILE.json all
    facts and warnings as well; import reads both back.

    \b
    Printed numbers:
      value            mean over the repeats, in base units with a prefix
      +-               standard deviation: given by the file, or that of the
                       repeats (divided by repeats - 1); empty if not known
      of               repeats, or events that a mean is taken over
      wait share       share of all waiting listed, or of CPU time
      contended        share of acquires that had to wait
    Example, with a shipped curve (data/published):
      lockmodel import unixbench_execl_xeon8369b.csv
    With files of your own:
      $ lockmodel import results/host-2026-03-01-01.log -o obs.csv
      $ lockmodel import 1.txt 2.txt 4.txt --at 1.txt=1 --at 2.txt=2 --at 4.txt=4
      $ lockmodel import curve.csv locks.csv lock_stat.txt
      $ lockmodel import holds.txt --unit ns --quantity hold
    """
    from lockmodel.observe.collector import Options
    from lockmodel.observe.readers import read_file

    check(tasks=tasks, cpus=cpus, wall_s=wall_s, iterations=iterations)
    wanted = Options(
        *(unit, quantity, tasks, cpus, wall_s, iterations),
        columns=data_options.columns(columns),
        at=data_options.populations(at, names),
    )
    with files.output(output, as_json, force) as write:
        readings = [read_file(inputs.data(name), wanted, form) for name in names]
        made = report(readings, explain, every)
        write(made)
    if output is not None and output.endswith(".csv") and not as_json:
        files.echo(made.text(False), newline=False)


def report(readings: Sequence[Reading], explain: bool = False, every: bool = False) -> Report:
    """Return what files said, and what it is good for, as it is printed and written."""
    from lockmodel.observe.coverage import coverage
    from lockmodel.observe.joining import joined

    observations = [o for reading in readings for o in reading.observations]
    curves = joined((reading.origin, reading) for reading in readings)
    good_for = coverage([o for one in curves for o in one.reading.observations])
    text = _text if explain else _brief
    return Report(
        lambda: _data(readings, good_for),
        lambda colour: text(readings, good_for, every, colour),
        lambda: _csv(observations),
        rows=lambda: _rows(observations),
    )


def check(**numbers: float | None) -> None:
    """Raise ArgumentError unless every number given is finite and above 0."""
    for name, value in numbers.items():
        if value is None:
            continue
        number = isinstance(value, int | float)
        if not (number and 0 < value < float("inf")):
            what = f"{value:g}" if number else shown(value)
            raise ArgumentError(f"--{name.replace('_', '-')} {what} must be above 0")


def _csv(observations: Sequence[Observation]) -> str:
    from lockmodel.observe.export import to_csv

    if not observations:
        raise ScenarioError(
            "no observation was read, only facts: -o FILE.json keeps them, a CSV cannot"
        )
    return to_csv(observations)


def _rows(observations: Sequence[Observation]) -> list[dict[str, Any]]:
    """Return the observations with the columns of the long CSV, without their bins."""
    from lockmodel.observe.export import COLUMNS

    own = [name for name in COLUMNS if name not in ("bins", "file", "line")]
    return [
        {**{name: getattr(o, name) for name in own}, "file": o.source.file, "line": o.source.line}
        for o in observations
    ]


def _data(readings: Sequence[Reading], good_for: Coverage) -> dict[str, Any]:
    return {
        "schema": "lockmodel.import/1",
        "files": [reading.to_json() for reading in readings],
        "determines": list(good_for.determines),
        "missing": list(good_for.missing),
    }


def _brief(readings: Sequence[Reading], good_for: Coverage, every: bool, colour: bool) -> str:
    """Return what was read, and what it is good for, in a few lines."""
    counted = sum(len(reading.observations) for reading in readings)
    forms = ", ".join(dict.fromkeys(reading.format for reading in readings))
    few = max(1, FEW_ROWS // len(readings))
    parts: list[Any] = [
        f"{tx.count(counted, 'observation')} in {tx.count(len(readings), 'file')} ({forms})."
    ]
    if good_for.determines:
        parts.append(f"They can determine {'; '.join(good_for.determines)}.")
    else:
        parts.append("They determine nothing of the model.")
    shown = readings if every else readings[:MOST_FILES]
    for reading in shown:
        parts += ["", *_table(reading, EVERY if every else few)]
    if len(shown) < len(readings):
        parts += ["", f"and {tx.count(len(readings) - len(shown), 'more file')} (--all)"]
    warned = sum(len(reading.warnings) for reading in readings)
    facts = sum(len(reading.facts) for reading in readings)
    hidden = [
        *([tx.count(len(good_for.missing), "thing") + " missing"] if good_for.missing else []),
        *([tx.count(facts, "fact")] if facts else []),
        *([tx.count(warned, "warning")] if warned else []),
    ]
    return tx.render([*parts, f"{', '.join(hidden)}: --explain"] if hidden else parts, colour)


def _text(readings: Sequence[Reading], good_for: Coverage, every: bool, colour: bool) -> str:
    parts: list[Any] = []
    for reading in readings:
        parts += _file(reading, every)
    parts += tx.bullets("these data can determine:", good_for.determines)
    if not good_for.determines:
        parts.append("these data determine nothing of the model.")
    parts += tx.bullets("missing, and what would give it:", good_for.missing)
    return tx.render(parts, colour)


def _table(reading: Reading, most: int) -> list[Any]:
    """Return the observations of a file as a table, at most so many, and the count of the rest."""
    from lockmodel.observe.summary import summarise

    parts: list[Any] = []
    rows = [_row(o, repeats) for o, repeats in summarise(reading.observations)]
    shown = rows[:most]
    if rows:
        heads = ["what", "n", "lock, site or test", "variant", "value", "+-", "of"]
        used = [i for i in range(len(heads)) if any(row[i] for row in rows)]
        left = [at for at, i in enumerate(used) if i in (0, 2, 3)]
        fold = [at for at, i in enumerate(used) if i in (2, 3)]
        cells = [[row[i] for i in used] for row in shown]
        parts.append(tx.table([heads[i] for i in used], cells, left=left, fold=fold))
    if len(shown) < len(rows):
        parts.append(f"({len(rows)} rows, {len(shown)} shown; --all for all)")
    return parts


def _file(reading: Reading, every: bool) -> list[Any]:
    """Return what one file said."""
    counted = tx.count(len(reading.observations), "observation")
    parts: list[Any] = [
        f"{reading.origin}: {reading.format}; {counted}, {tx.count(len(reading.facts), 'fact')}"
    ]
    parts += _table(reading, EVERY if every else MOST_ROWS)
    facts = [f"{f.name}: {f.value:g} {f.unit}".rstrip() for f in reading.facts]
    more = len(facts) - MOST_FACTS
    if more > 0 and not every:
        facts = [*facts[:MOST_FACTS], f"and {more} more (--all)"]
    parts += tx.bullets("also read, no observations:", facts)
    parts += tx.bullets("to know:", reading.warnings)
    return [*parts, ""]


def _row(o: Observation, repeats: int) -> list[str]:
    """Return the cells of one observation."""
    where = " ".join(filter(None, (o.lock, o.site and f"in {o.site}" if o.lock else o.site)))
    variant = "/".join(filter(None, (o.variant, o.kernel, o.mode)))
    events = repeats if repeats > 1 else o.count
    return [
        NAMES[o.kind],
        "" if o.n is None else str(o.n),
        tx.cut(where or o.what, WIDEST),
        tx.cut(variant, WIDEST),
        _value(o, o.value),
        "" if o.sd is None else _value(o, o.sd),
        "" if events is None else f"{events:,}",
    ]


def _value(o: Observation, value: float) -> str:
    """Return a number of an observation with its unit."""
    if o.unit == "1":
        if o.kind == "gain":
            return tx.gain(value)
        return tx.percent(value) if value == 0 or value >= TINY else f"{100 * value:.2g} %"
    if o.unit in ("1/s", "s"):
        return tx.si(value, o.unit.removeprefix("1"))
    return f"{tx.plain(value)} {'' if o.unit == 'relative' else o.unit}".rstrip()
