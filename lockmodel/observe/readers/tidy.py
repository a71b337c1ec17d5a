"""Rows of our own contract, from CSV or JSON lines: names of columns, and row -> observations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lockmodel.observe import gates, rates
from lockmodel.observe.collector import Collector
from lockmodel.observe.headers import UNIT
from lockmodel.observe.numbers import abbreviated, in_groups
from lockmodel.observe.readers import heads, wide
from lockmodel.observe.readers.columns import MEASURED, OWN, TIME, TIMES
from lockmodel.observe.readers.heads import FULL, Head
from lockmodel.observe.readers.settings import PLACES, is_number, label, settings
from lockmodel.observe.text import Line

ROUNDED = 0.02
"""Relative change up to which a population with a fraction is rounded."""

DURATION = re.compile(
    r"(?:duration|elapsed|runtime|run_time|seconds|secs|time)(?:_(?:s|sec|ms|us))?"
)
COUNTS = ("count", "samples", "iterations", "operations", "events", "total_ops", "ops_total")
"""Columns that say how much was measured: of nothing comes no rate."""

ZERO = re.compile(r"0+(?:[.,]0+)?(?:\s?[a-z]+)?$")

CONTRACT = "tasks,throughput[,sd][,repeat][,variant][,kernel]"


def canonical(name: str) -> str:
    """Return our name of a column, or the name itself in lower case."""
    return heads.understood(name).own


def is_contract(names: Iterable[str]) -> bool:
    """Return whether a head has a population and a throughput, or what gives one."""
    written = list(names)
    own = {canonical(name) for name in written}
    if "tasks" not in own:
        return False
    return bool(own & {"throughput", "latency"}) or bool(wide.columns(written))


class Rows:
    """Turns rows into observations.

    Parameters
    ----------
    collector : Collector
        Where they go; its metadata `unit` is the unit of throughput.
    names : sequence of Head
        What the columns are.
    pointed : bool
        Whether a decimal comma is not to be expected: commas are between the cells, too.
    curves : sequence of str
        Names of the columns that are a throughput each, of a wide table.
    """

    def __init__(
        self,
        collector: Collector,
        names: Sequence[Head],
        pointed: bool = False,
        curves: Sequence[str] = (),
    ) -> None:
        self._pointed = pointed
        self.collector = collector
        self.heads = {head.own: head for head in names}
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._written: list[tuple[Line, dict[str, str]]] = []
        self._rows: list[tuple[Line, dict[str, str], int, float]] = []
        self._settings: tuple[str, ...] = ()
        self._grouped: set[str] = set()
        self.unit = "1/s"
        self.factor = 1.0
        self._settle_unit(", ".join(curves)[:200])

    def _settle_unit(self, curves: str) -> None:
        head = self.heads.get("throughput")
        stated = head.unit if head and head.unit else self.collector.metadata.get(UNIT)
        if curves:
            self.collector.warn(wide.SAID.format(names=curves))
        if curves and not stated:
            self.unit = "relative"
            self.collector.warn(wide.RELATIVE.format(names=curves))
        if stated is None or head is None:
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
            if stated == heads.PER_MINUTE:
                self.collector.warn("lpm counts per minute; divided by 60")
            elif factor != 1:
                self.collector.warn(
                    f"throughput converted to per second: {stated[:80]!r} x {factor:g}"
                )

    def add(self, line: Line, cells: dict[str, str]) -> None:
        """Take a row; keys are our names, values as written. `finish` makes observations of it."""
        self._written.append((line, {k: v.strip() for k, v in cells.items() if v.strip()}))

    @property
    def begun(self) -> bool:
        """Whether there is a row."""
        return bool(self._written)

    def _take(self, line: Line, cells: dict[str, str]) -> None:
        """Read population and throughput of a row."""
        collector = self.collector
        rate = "throughput" if "throughput" in self.heads else "latency"
        for need in ("tasks", rate):
            if need not in cells:
                raise collector.error(line, f"{need} is empty; leave the row out if the run failed")
        for name, text in cells.items():
            if (DURATION.fullmatch(name) or name in COUNTS) and ZERO.match(text):
                collector.skip(line, f"{name} is 0: nothing was measured")
                return
        n = self._population(line, cells["tasks"])
        if rate == "latency":
            seconds = self._latency(line, cells["latency"])
            collector.checked(line, "latency")
            self._rows.append((line, cells | {"throughput": f"{n / seconds!r}"}, n, n / seconds))
            return
        value = self._number(line, "throughput", cells["throughput"])
        value = self._per_second(line, cells, value)
        if value <= 0:
            raise collector.error(
                line, f"throughput {value:g} must be > 0; leave the row out if the run failed"
            )
        self._rows.append((line, cells, n, value * self.factor))

    def _per_second(self, line: Line, cells: dict[str, str], value: float) -> float:
        """Return a rate: a column "ops" beside a time is a count of that time, and said."""
        if self.heads["throughput"].rank != heads.WEAKLY:
            return value
        name = next((key for key in cells if DURATION.fullmatch(key)), None)
        if name is None:
            self.collector.warn("column 'ops' is taken as operations per second")
            return value
        ending = name.rpartition("_")[2]
        unit = ending if ending in ("ms", "us") else "s"
        self.collector.warn(f"throughput is ops / {name}, in {unit}")
        return value / self.collector.time(line, name, cells[name], unit).value

    def _number(self, line: Line, name: str, text: str) -> float:
        """Return a number of a column: 1,234 where its commas group, 10K, 1200 ops/s."""
        plain = re.sub(r"\s+[A-Za-z]+/\w+$", "", text)
        value = self.collector.parse(abbreviated, line, name, plain, grouped=name in self._grouped)
        if re.search(r"\d\s?[kKMGT]", plain):
            self.collector.warn("K, M and G behind a number are thousands, millions, billions")
        return value

    def _latency(self, line: Line, text: str) -> float:
        """Return a mean time per operation, s; the throughput is that of a closed loop."""
        own = re.fullmatch(r"([\d.,eE+-]+)\s?([a-z\u00b5]+)", text)
        unit = FULL.get(own[2], own[2]) if own else self.heads["latency"].time
        if not unit:
            raise self.collector.error(
                line, "a latency needs its unit: call the column latency_us (_ns _ms _s)"
            )
        seconds = self.collector.time(line, "latency", own[1] if own else text, unit).value
        if seconds <= 0:
            raise self.collector.error(line, f"a latency of {seconds:g} s cannot be")
        self.collector.warn(
            "throughput is tasks / latency: right where every task waits for its operation "
            "and begins the next at once"
        )
        return seconds

    def finish(self) -> None:
        """Add the observations of all rows, once it is known which columns tell curves apart."""
        for name in dict.fromkeys(key for _, cells in self._written for key in cells):
            column = [cells[name] for _, cells in self._written if name in cells]
            if in_groups(column, self._pointed):
                self._grouped.add(name)
                shown = next(cell for cell in column if "," in cell)
                self.collector.warn(
                    f"commas of {name} group digits: {shown} is {shown.replace(',', '')}"
                )
        for line, cells in self._written:
            self._take(line, cells)
        if not self._rows:
            return
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
        if "." not in text and re.search(r"[kK]$", text):
            return round(self._number(line, "tasks", text))
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
        sd = self._number(line, "sd", text)
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
        if not is_number(text) and not is_number(re.sub(r"\s?[kKMG%]$", "", text)):
            collector.warn(
                f"column {name!r} is left out: it says the same everywhere, or another thing in "
                f"every row"
            )
            return
        collector.warn(f"column {name!r} is not known and kept as a fact, not as an observation")
        n = more["n"]
        percent = text.endswith("%")
        value = self._number(line, name, text.rstrip("%"))
        unit = "%" if percent else ""
        collector.fact(name, value, unit, line, n if isinstance(n, int) else None)
