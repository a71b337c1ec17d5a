"""lockmodel: what a lock costs a workload, and what each possible fix would buy.

A scenario says what one iteration does; a lever changes it; a solver says what throughput it
reaches:

>>> from lockmodel.answers.predict import predict
>>> from lockmodel.changes.levers import shard
>>> from lockmodel.model.shipped import find_scenario
>>> execl = find_scenario("execl-xeon8369b")
>>> sharded = shard(execl, "libc.so.6", 8)
>>> before, after = (predict(s, [128], "product-form").points[0] for s in (execl, sharded))
>>> f"{before.throughput_per_s:,.0f} -> {after.throughput_per_s:,.0f} per s, then {after.binding}"
'34,745 -> 69,797 per s, then ld-linux-x86-64.so.2'

The rooms, from the ground up: `model`, `changes`, `solvers`, `observe`, `measure`, `fitting`,
`answers`, `evaluate` and `statements`, `figures`, `cli`; each imports from those before it only.
Nothing heavy is imported here: a command imports what it needs.
"""

from __future__ import annotations

__version__ = "0.1.0"
