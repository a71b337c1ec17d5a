"""UnixBench's CSV (6.0.0, UB_OUTPUT_CSV=true): one row per number of copies."""

from __future__ import annotations

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import unixbench
from lockmodel.observe.readers.tidy import is_contract
from lockmodel.observe.readers.tidy_csv import cells, separator
from lockmodel.observe.text import Text

TITLE = "UnixBench CSV"
READS = "rates per number of copies"
GIVES = ("throughput",)
REMEDY = unixbench.REMEDY


def sniff(text: Text) -> bool:
    """Return whether the first line begins with the column Concurrency."""
    first = text.filled[0].text.strip()
    names = cells(first, separator(first))
    known = any(unixbench.unit_of(name.strip()) for name in names[1:])
    return names[0].strip() == "Concurrency" and (known or not is_contract(names))


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a UnixBench CSV (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    header, *rows = text.filled
    sep = separator(header.text)
    tests = [cell.strip() for cell in cells(header.text, sep)][1:]
    if not tests or not all(tests) or len(set(tests)) < len(tests):
        raise collector.error(header, "'Concurrency,<test>,...' was expected, each test once")
    units = {test: unixbench.unit_of(test) for test in tests}
    seen: set[int] = set()
    for line in rows:
        parts = cells(line.text, sep)
        if len(parts) != len(tests) + 1:
            raise collector.error(line, f"{len(parts)} cells for {len(tests) + 1} columns")
        copies = collector.whole(line, "Concurrency", parts[0], least=1)
        if copies in seen:
            raise collector.error(line, f"{copies} copies are given twice")
        seen.add(copies)
        for test, part in zip(tests, parts[1:], strict=True):
            unit = units[test]
            if not part.strip():
                collector.skip(line, f"no result of {test}")
            elif unit is None:
                collector.fact(test, collector.number(line, test, part), "", line, copies)
                collector.warn(f"the unit of {test!r} is not known: kept as a fact")
            else:
                unixbench.add(
                    collector, line, test, collector.number(line, test, part), unit, copies
                )
    if collector.observations:
        collector.warn(unixbench.AGGREGATED)
        collector.warn("units are those of the test: lps for exec and spawn, lpm for shell scripts")
    return collector.reading(empty="there is a header but no row")
