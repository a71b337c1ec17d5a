"""Throughput and the time of a walk against shards: what the text reads off simulations."""

from lockmodel.figures import registry
from lockmodel.figures.shards import ShardLine
from lockmodel.model.shipped import find_scenario, read_table, shipped_dir
from lockmodel.solvers.error_map import WALKED_DATA
from paper.tools.out import Out

WITHIN = 0.1


def make(out: Out) -> None:
    """Name rates, shards and times."""
    data = registry.make("shards")
    free = next(line for line in data.lines if line.walks_per_s == 0)
    walked = [line for line in data.lines if line.walks_per_s > 0]
    slow, fast = walked[0], walked[-1]
    out.number("walks_slow", slow.walks_per_s, f"{slow.walks_per_s:,.0f}")
    out.number("walks_fast", fast.walks_per_s, f"{fast.walks_per_s:,.0f}")
    out.si("walk_read", data.read_s, "s")
    lock = find_scenario(registry.MODEL).locks[0]
    out.si("handoff_timeout", lock.handoff_timeout, "s")
    out.si("wake_time", lock.wake_time, "s")
    out.share("within", WITHIN)
    enough = _enough(free)
    out.count("shards_enough", enough)
    out.count("shards_walked_enough", _enough(slow))
    losses = {
        k: 1 - x / free.throughput_per_s[free.shards.index(k)]
        for k, x in zip(slow.shards, slow.throughput_per_s, strict=True)
    }
    worst = max(losses, key=losses.__getitem__)
    out.share("walks_worst_loss", losses[worst])
    out.count("walks_worst_shards", worst)
    out.share("walks_one_loss", losses[1])
    out.share("walks_enough_loss", losses[2 * enough])
    out.count("shards_doubled", 2 * enough)
    out.si("walk_one", slow.walk_s[0], "s")
    out.si("walk_worst", slow.walk_s[slow.shards.index(worst)], "s")
    out.si("walk_doubled", slow.walk_s[slow.shards.index(2 * enough)], "s")
    fast_free = free.throughput_per_s[free.shards.index(2 * enough)]
    out.share(
        "walks_fast_loss", 1 - fast.throughput_per_s[fast.shards.index(2 * enough)] / fast_free
    )
    every = read_table(shipped_dir("data") / WALKED_DATA.removeprefix("data/"))
    rows = [row for row in every if row["by"] == "cpu" and row["give_up"] == "0"]
    out.share("walkers_off", max(abs(float(row["error"])) for row in rows))
    out.count("walkers_cases", len(rows))


def _enough(line: ShardLine) -> int:
    """Return the fewest shards within `WITHIN` of the best throughput."""
    best = max(line.throughput_per_s)
    pairs = zip(line.shards, line.throughput_per_s, strict=True)
    return next(k for k, x in pairs if x > (1 - WITHIN) * best)
