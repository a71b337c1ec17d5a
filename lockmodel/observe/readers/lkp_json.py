"""lkp's stats.json (key: number) and matrix.json (key: one number per run or per sample)."""

from __future__ import annotations

import re

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import lkp, structured
from lockmodel.observe.text import Text

TITLE = "lkp statistics"
READS = (
    "a result of the kernel test robot: will-it-scale rates, idle share, lock_stat, profile "
    "shares of lock functions"
)
GIVES = lkp.GIVES
REMEDY = lkp.REMEDY
SNIFFED = 20_000
KEY = re.compile(r'"(?!\d)[\w-]+\.[^"\s]{1,200}"\s*:\s*(?:\[|-?\d)')
OTHER = re.compile(r'"(?:type|results|schema|params|counter-value|configuration|start)"')
"""Keys at the start of other JSON files."""

SAMPLES = re.compile(r"(?:perf-stat|mpstat|iostat|vmstat|meminfo|proc-vmstat|turbostat)\..*")
"""Keys with one value per sample of a run, not per run."""


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object whose keys are monitor.metric."""
    begins = text.whole[:SNIFFED].lstrip()
    if not begins.startswith("{") or OTHER.search(begins[:200]) or '"throughput"' in begins:
        return False
    return KEY.search(begins) is not None or '"stats_source"' in begins


def read(text: Text, options: Options) -> Reading:
    """Return the observations of lkp's statistics (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    value = structured.parse(collector, text.whole)
    if not isinstance(value, dict):
        raise collector.error(None, f"an object of monitor.metric was expected, not {shown(value)}")
    chosen = lkp.counted(value)
    for key, content in value.items():
        if lkp.PROFILE.fullmatch(key) and key not in chosen:
            shares = content if isinstance(content, list) else [content]
            for share in shares:
                collector.fact(key, structured.number(collector, None, key, share), "%", None)
            collector.warn(lkp.OVERLAP)
        elif key == "stats_source":
            runs = content if isinstance(content, list) else [content]
            collector.note("results", ", ".join(str(run)[:200] for run in runs[:8]))
        elif isinstance(content, list):
            numbers = [structured.number(collector, None, key, item) for item in content]
            _runs(collector, key, numbers)
        else:
            _one(collector, key, structured.number(collector, None, key, content), None)
    return collector.reading(empty="there is no number")


def _runs(collector: Collector, key: str, numbers: list[float]) -> None:
    """Add one number per run, or the mean of the samples of a run."""
    if not numbers:
        collector.warn(f"{key} has no values")
    elif SAMPLES.fullmatch(key):
        collector.checked(None, "single samples")
        if not key.endswith(".time"):
            _one(collector, key, sum(numbers) / len(numbers), None)
            collector.warn("keys with a value per sample are given as the mean of the samples")
    else:
        for i, number in enumerate(numbers, start=1):
            _one(collector, key, number, i if len(numbers) > 1 else None)


def _one(collector: Collector, key: str, value: float, repeat: int | None) -> None:
    meaning = lkp.meaning(key)
    if meaning is None:
        collector.fact(key, value, "", None)
        return
    if meaning.kind == "throughput" and value == 0:
        collector.warn(
            f"{key} is 0 in run {repeat or 1}: missing values are filled with 0; left out"
        )
        return
    if value < 0:
        raise collector.error(None, f"{key} = {value:g} must be >= 0")
    if meaning.warning:
        collector.warn(meaning.warning)
    collector.observe(
        meaning.kind,
        value / meaning.divisor,
        meaning.unit,
        None,
        repeat=repeat,
        **meaning.more,
    )
