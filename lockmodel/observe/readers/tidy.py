"""Rows of our own contract, from CSV or JSON lines: names of columns, and row -> observations."""

from __future__ import annotations

from collections import Counter

from lockmodel.observe import gates, rates
from lockmodel.observe.collector import Collector
from lockmodel.observe.headers import UNIT
from lockmodel.observe.readers.columns import MEASURED, OWN, TIME, TIMES
from lockmodel.observe.readers.settings import PLACES, is_number, label, settings
from lockmodel.observe.text import Line

ROUNDED = 0.02
"""Relative change up to which a population with a fraction is rounded."""

CONTRACT = "tasks,throughput[,sd][,repeat][,variant][,kernel]"


def canonical(name: str) -> str:
    """Return our name of a column, or the name itself in lower case."""
    low = name.strip().lower()
    return OWN.get(low, low)


def columns(collector: Collector, line: Line, names: list[str]) -> list[str]:
    """Return our names of a header's columns.

    Raises
    ------
    ScenarioError
        Population or throughput is missing, a name comes twice, or a time has no unit.
    """
    made = [canonical(name) for name in names]
    for own, times in Counter(made).items():
        if times > 1:
            raise collector.error(line, f"column {own!r} is given {times} times; keep one")
    for need in ("tasks", "throughput"):
        if need not in made:
            raise collector.error(
                line,
                f"no column {need} (there are {', '.join(made)[:200]})",
            )
    for own in made:
        time = TIME.fullmatch(own)
        if time and time[2] is None:
            raise collector.error(
                line, f"a time needs its unit: call the column {own}_ns (_us _ms _s)"
            )
    if "lpm" in [name.strip().lower() for name in names]:
        collector.warn("lpm counts per minute; divided by 60")
        collector.note("factor", repr(1 / 60))
    return made


class Rows:
    """Turns rows into observations.

    Parameters
    ----------
    collector : Collector
        Where they go; its metadata `unit` is the unit of throughput.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._rows: list[tuple[Line, dict[str, str], int, float]] = []
        self._settings: tuple[str, ...] = ()
        self.unit = "1/s"
        self.factor = 1.0
        self._settle_unit()

    def _settle_unit(self) -> None:
        stated = self.collector.metadata.get(UNIT)
        if "factor" in self.collector.metadata:
            self.factor = float(self.collector.metadata.pop("factor"))
            return
        if stated is None:
            return
        factor = rates.factor(stated)
        if factor is None:
            self.unit = "relative"
            self.collector.warn(
                f"unit {stated[:120]!r} is not understood as a rate of the whole machine per time: "
                f"throughput is relative, only ratios count"
            )
        else:
            self.factor = factor
            if factor != 1:
                self.collector.warn(
                    f"throughput converted to per second: {stated[:80]!r} x {factor:g}"
                )

    def add(self, line: Line, cells: dict[str, str]) -> None:
        """Take a row; keys are our names, values as written. `finish` makes observations of it."""
        collector = self.collector
        cells = {key: value.strip() for key, value in cells.items() if value.strip()}
        for need in ("tasks", "throughput"):
            if need not in cells:
                raise collector.error(line, f"{need} is empty; leave the row out if the run failed")
        n = self._population(line, cells["tasks"])
        value = collector.number(line, "throughput", cells["throughput"])
        if value <= 0:
            raise collector.error(
                line, f"throughput {value:g} must be > 0; leave the row out if the run failed"
            )
        self._rows.append((line, cells, n, value * self.factor))

    def finish(self) -> None:
        """Add the observations of all rows, once it is known which columns tell curves apart."""
        rows = [cells for _, cells, _, _ in self._rows]
        named = {key for cells in rows for key in cells}
        times = [key for key in named if TIME.fullmatch(key)]
        self._settings = settings(rows, (*MEASURED, *times))
        if self._settings:
            self.collector.warn(f"rows with another {', '.join(self._settings)} are other runs")
        runs = [self._run(line, cells, n) for line, cells, n, _ in self._rows]
        often = Counter(run for run, _ in runs)
        said: set[tuple[str, ...]] = set()
        for (line, cells, _, rate), (run, repeat) in zip(self._rows, runs, strict=True):
            n, variant, kernel, what, *_ = run
            more: dict[str, object] = {"n": int(n), "variant": variant}
            more |= {"kernel": kernel, "what": what}
            if "repeat" in cells or often[run] > 1:
                more["repeat"] = repeat
            sd = self._sd(line, cells.get("sd"))
            once = (n, variant, kernel, what, str(repeat))
            if once not in said:  # a row for each lock of one run has its throughput again
                said.add(once)
                self.collector.observe(
                    "throughput",
                    rate,
                    self.unit,
                    line,
                    sd=sd,
                    uncertainty="none" if sd is None else "given",
                    **more,
                )
            where = {key: cells.get(key, "") for key in PLACES}
            self._rest(line, cells, more | where, rate)

    def _run(self, line: Line, cells: dict[str, str], n: int) -> tuple[tuple[str, ...], int]:
        """Return what a row is of and its repeat: its own, or one more; refuse one given twice."""
        further = (cells.get(key, "") for key in ("kernel", "what", *PLACES))
        names = (str(n), label(cells, self._settings), *further)
        if "repeat" in cells:
            repeat = self.collector.whole(line, "repeat", cells["repeat"])
            key = (*names, str(repeat))
            self._seen[key] += 1
            if self._seen[key] > 1:
                raise self.collector.error(
                    line, f"repeat {repeat} of this population is given twice; number them"
                )
            return names, repeat
        self._seen[names] += 1
        return names, self._seen[names]

    def _population(self, line: Line, text: str) -> int:
        """Return a population. 18.667 is a mean over unequal groups here, never 18,667 processes:
        it is rounded, with a warning, if that changes next to nothing, and refused otherwise.
        """
        if "." not in text:
            return self.collector.whole(line, "tasks", text, least=1)
        value = self.collector.number(line, "tasks", text)
        n = round(value)
        if n < 1 or abs(n - value) > ROUNDED * value:
            raise self.collector.error(line, f"tasks {text!r} is not a whole number of processes")
        if n != value:
            self.collector.warn("tasks with a fraction are rounded to whole processes")
        return n

    def _sd(self, line: Line, text: str | None) -> float | None:
        if text is None:
            return None
        sd = self.collector.number(line, "sd", text)
        if sd < 0:
            raise self.collector.error(line, f"sd {sd:g} must be >= 0")
        if sd == 0:
            self.collector.warn("sd 0 is taken as not given: no measurement is exact")
            return None
        return sd * self.factor

    def _rest(
        self, line: Line, cells: dict[str, str], more: dict[str, object], rate: float
    ) -> None:
        """Read what a row has beside its throughput."""
        collector = self.collector
        acquires = hold = None
        shards = collector.number(line, "shards", cells.get("shards", "1"))
        for name, text in cells.items():
            time = TIME.fullmatch(name)
            if name in self._settings:
                continue
            if name == "acquires":
                acquires = collector.number(line, name, text)
                collector.observe(name, acquires, "per iteration", line, **more)
            elif name == "idle_percent":
                share = collector.number(line, name, text) / 100
                collector.observe("idle_share", share, "1", line, **more)
            elif time:
                seconds = collector.time(line, name, text, time[2]).value
                kind = TIMES[time[1]]
                collector.observe(kind, seconds, "s", line, per="acquire", **more)
                hold = seconds if kind == "hold_time" else hold
            elif name not in OWN.values():
                self._unknown(line, name, text, more)
        if acquires is not None and hold is not None and self.unit == "1/s":
            gates.utilisation(str(collector.source(line)), acquires, hold, rate, shards)

    def _unknown(self, line: Line, name: str, text: str, more: dict[str, object]) -> None:
        collector = self.collector
        if not is_number(text):
            collector.warn(
                f"column {name!r} is left out: it says the same everywhere, or another thing in "
                f"every row"
            )
            return
        collector.warn(f"column {name!r} is not known and kept as a fact, not as an observation")
        n = more["n"]
        collector.fact(
            name, collector.number(line, name, text), "", line, n if isinstance(n, int) else None
        )
