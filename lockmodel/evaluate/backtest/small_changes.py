"""Small changes of which no record tells the size: false sharing, and two neighbour locks.

How often false sharing steals a line, or what a shorter section of another lock saves, nobody
measured: these are undecidable, with a number for a stated assumption where there is one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from lockmodel.evaluate.backtest import ratio
from lockmodel.evaluate.backtest.case import Case, Limits, Predicted
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.evaluate.backtest.splitting import CURVE

SILVER, SHELL = "jonas_false_sharing", "lipeng_false_sharing"
TASKLIST, PIDMAP = "guzik_tasklist_exit", "guzik_pidmap_once"

OLD_ACQUIRES = 19
"""Acquires of libc.so.6 per execl before batching (traced, 6.1)."""


def _line_transfers(context: Context, name: str) -> np.ndarray:
    """Return the time of a line transfer in s: same node to other node, two-socket Xeons."""
    times = [
        float(row["value_ns"]) * 1e-9
        for row in context.evidence.rows("latency.csv")
        if row["machine"].startswith("2x Intel Xeon")
        and row["distance"] in ("same_node", "other_node")
        and row["value_ns"]
    ]
    return context.draws.log_uniform(f"line transfer: {name}", min(times), max(times))


def _one_line_less(context: Context, name: str) -> Predicted:
    """Predict a saturated lock whose every acquire is one line transfer shorter."""
    if name == SILVER:
        rates = [float(row["throughput"]) for row in context.evidence.rows(CURVE)]
        top = max(rates)
        demand = context.draws.log_uniform(f"demand: {name}", 1.0 / top, 1.0 / rates[-1])
        acquires = OLD_ACQUIRES
    else:
        before = context.evidence.facts("lkp_spr_224")["before"]
        demand = np.full(context.draws.count, 1.0 / before)
        acquires = ratio.ACQUIRES_BEFORE
    saved = acquires * _line_transfers(context, name)
    return Predicted(saved / (demand - saved), np.ones(demand.size))


def _false_sharing(name: str, population: int | None, scenario: str, unknown: str) -> Case:
    return Case(
        id=name,
        group="change",
        scenario=scenario,
        lever="shorten_hold:all=F",
        kind="shorten_hold",
        population=population,
        parameters="one line transfer of 32 to 141 ns (two-socket Xeons, latency.csv) less per "
        "acquire, of the demand of a saturated lock on another machine before any patch",
        reasoning="polling waiters pull the line with the tree's root away from the holder",
        undecidable=f"{unknown} how often per acquire a line is stolen; the number assumes once",
        predict=partial(_one_line_less, name=name),
    )


def _pidmap(context: Context) -> Limits:
    """Return what 2 to 1 acquires can buy: nothing, or all that hand-offs cost."""
    facts = context.evidence.facts(PIDMAP)
    return Limits(0.0, facts["acquires_before"] / facts["acquires_after"] - 1.0)


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _false_sharing(
            SILVER,
            None,
            "execl-xeon8369b, saturated",
            "neither CPUs nor copies of the machine are stated, nor is it known",
        ),
        _false_sharing(
            SHELL,
            224,
            "sysexec-spr224-v6.12, saturated, for shell scripts",
            "shell scripts were not traced, nor is it known",
        ),
        Case(
            id=TASKLIST,
            group="change",
            scenario="none: threadspawn was not traced",
            lever="shorten_hold:tasklist_lock=F",
            kind="shorten_hold",
            population=24,
            parameters="none",
            reasoning="work moved out of the section that holds tasklist_lock",
            undecidable="neither its hold nor what the patch takes out of it was measured",
            predict=lambda context: Limits(0.0, None),
        ),
        Case(
            id=PIDMAP,
            group="change",
            scenario="none: threads were not traced",
            lever="batch:pidmap_lock=1",
            kind="batch",
            population=None,
            parameters="acquires 2 to 1 per alloc_pid, as the record has it",
            reasoning="one acquire less per thread",
            undecidable="machine, threads and held work are not stated: 2 to 1 acquires buy "
            "nothing if held work is everything, +100 % if hand-off is",
            predict=_pidmap,
        ),
    )
