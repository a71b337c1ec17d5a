"""The columns of throughput files, one record each: what the reader takes and the docs list.

They are those of a CSV and the keys of JSON lines. A column that has no record here tells curves
apart, or is kept as a fact: see `settings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column that is understood.

    Attributes
    ----------
    name : str
        What it is called in the code and in messages.
    meaning : str
        For people, with its unit.
    also : tuple of str
        Further names that it may have, in any case.
    tells : bool
        Whether rows that differ in it are of different curves; else it is the population, a repeat
        or a measurement.
    observed : str
        For a time: the kind of observation. Its name ends in the unit.
    weak : tuple of str
        Names that mean it only where no other column does.
    instead : str
        Name of the column that it gives where that is missing; a fact otherwise.
    """

    name: str
    meaning: str
    also: tuple[str, ...] = ()
    tells: bool = False
    observed: str = ""
    weak: tuple[str, ...] = ()
    instead: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All its names."""
        return (self.name, *self.also, *self.weak)


TIME_UNITS = ("ns", "us", "ms", "s")

COLUMNS = (
    Column(
        "tasks",
        "processes, threads or copies that ran at once: a whole number from 1 on; needed",
        (
            *("n", "copies", "threads", "processes", "procs", "population", "concurrency"),
            *("num_threads", "nthreads", "nr_threads", "n_threads", "thread_count", "thread"),
            *("nr_tasks", "num_tasks", "nr_task", "nprocs", "num_procs", "num_processes"),
            *("clients", "num_clients", "nr_clients"),
        ),
        weak=("cores", "cpus", "ncpus", "num_cpus", "connections", "workers", "users", "jobs"),
    ),
    Column(
        "throughput",
        "iterations per second of the whole machine, above 0, or what `# unit:` or the head says: "
        "Mops, kops/s, forks per ms, throughput (ops/us); lpm is per minute; 10K, 1.2M and 1,234 "
        "are understood; needed, or a latency",
        (
            *("ops_per_s", "ops/s", "iterations_per_s", "execs_per_s", "rate", "lps", "lpm", "x"),
            *(
                "tps",
                "qps",
                "rps",
                "ops_per_sec",
                "ops/sec",
                "ops_per_second",
                "ops_s",
                "opspersec",
            ),
            *("req/s", "requests/s", "requests_per_sec", "kops", "mops", "gops", "tput", "thrpt"),
        ),
        weak=("ops", "iops"),
    ),
    Column(
        "latency",
        "mean time of an operation, from asking to done, with its unit: latency_us, avg latency "
        "(ms), ns/op. Where there is no throughput that is tasks / latency, which is said",
        ("lat", "avg_latency", "mean_latency", "latency_avg", "latency_mean", "avg_lat", "lat_avg"),
        instead="throughput",
    ),
    Column(
        "sd",
        "standard deviation of the throughput, in its unit; 0 counts as not given",
        ("stddev", "std", "stdev", "std_dev"),
    ),
    Column(
        "repeat",
        "number of the repeat, from 0 on; rows without it that are equal otherwise are numbered",
        ("run", "rep", "trial"),
    ),
    Column("variant", "what was changed: stock, patched", tells=True),
    Column("kernel", "which kernel ran", tells=True),
    Column("what", "the test or loop", ("benchmark", "test", "metric"), tells=True),
    Column(
        "lock",
        "the lock that the row's times are of; where throughput differs with it, what was run",
        tells=True,
    ),
    Column("site", "the place that takes the lock; as lock", tells=True),
    Column("shards", "shards of the lock: a number", tells=True),
    Column("acquires", "acquires of the lock per iteration"),
    Column("idle_percent", "share of all CPUs' time spent idle, in per cent"),
    Column(
        "hold",
        "mean time from acquired to released, per acquire",
        ("hold_time",),
        False,
        "hold_time",
    ),
    Column(
        "wait",
        "mean time from asking for the lock to having it, per acquire",
        ("mean_wait", "wait_time"),
        False,
        "mean_wait",
    ),
)

OWN = {name: column.name for column in COLUMNS if not column.observed for name in column.names}
"""What a column may be called -> our name of it; times apart."""

WEAK = frozenset(name for column in COLUMNS for name in column.weak)
"""Names that mean ours only where no other column does."""

POPULATION = next(column.names for column in COLUMNS if column.name == "tasks")

TIMES = {name: column.observed for column in COLUMNS if column.observed for name in column.names}
"""Name of a time, without its unit -> kind of observation."""

TIME = re.compile(rf"({'|'.join(TIMES)})(?:_({'|'.join(TIME_UNITS)}))?")

MEASURED = tuple(column.name for column in COLUMNS if not column.tells and not column.observed)
"""Columns that are the population, a repeat or a measurement; and times."""
