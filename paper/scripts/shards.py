"""Throughput and the time of a walk against shards, simulated: what the text reads off them."""

from lockmodel.figures import registry
from lockmodel.figures.shards import ShardLine
from lockmodel.model.shipped import find_scenario
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
    out.si("handoff_timeout", find_scenario(registry.MODEL).locks[0].handoff_timeout, "s")
    out.share("within", WITHIN)
    enough = _enough(free)
    out.count("shards_enough", enough)
    at = fast.shards.index(enough)
    loss = 1 - fast.throughput_per_s[at] / free.throughput_per_s[free.shards.index(enough)]
    out.share("walkers_cost", loss)
    out.si("walk_one", fast.walk_s[0], "s")
    worst = max(range(len(fast.walk_s)), key=lambda i: fast.walk_s[i])
    out.si("walk_worst", fast.walk_s[worst], "s")
    out.count("walk_worst_shards", fast.shards[worst])
    out.si("walk_many", fast.walk_s[-1], "s")
    out.count("many_shards", fast.shards[-1])
    out.count("shards_walked_enough", _enough(fast))


def _enough(line: ShardLine) -> int:
    """Return the fewest shards within `WITHIN` of the best throughput."""
    best = max(line.throughput_per_s)
    pairs = zip(line.shards, line.throughput_per_s, strict=True)
    return next(k for k, x in pairs if x > (1 - WITHIN) * best)
