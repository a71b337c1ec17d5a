"""What Criterion's estimates and its printed times share: an iteration is what the closure does."""

from __future__ import annotations

from lockmodel.observe import names
from lockmodel.observe.collector import Collector
from lockmodel.observe.readers.rated import Rates, spread
from lockmodel.observe.text import Line

REMEDY = (
    "run `cargo bench > bench.txt` with names that say the population "
    '(BenchmarkId::new("lock", format!("threads={n}"))), or give estimates.json with --at'
)

WHOLE = (
    "one iteration of Criterion's closure counts as one; if it makes K (all tasks together), give "
    "--iterations K"
)


def add(
    collector: Collector,
    rates: Rates,
    line: Line | None,
    name: str,
    seconds: float,
    relative_sd: float | None = None,
) -> None:
    """Add the throughput of a benchmark of which one iteration took so long."""
    n, what = names.in_path(name)
    if seconds <= 0:
        collector.skip(line or Line(0, name), "a time of 0: nothing was measured")
        return
    if collector.options.iterations is None:
        collector.warn(WHOLE)
    rate = (collector.options.iterations or 1.0) / seconds
    rates.add(line, rate, n, what, aggregated=True, **spread(rate, relative_sd))
