"""Small changes of which no record tells the size: false sharing, and two neighbour locks.

How often false sharing steals a line, or what a shorter section of another lock saves, nobody
measured: these are undecidable, with a number for a stated assumption where there is one.
"""

from __future__ import annotations

from functools import partial

import msgspec

from lockmodel.evaluate.backtest.batching import UNBATCHED
from lockmodel.evaluate.backtest.case import Case, Limits, Predicted
from lockmodel.evaluate.backtest.counts import FILES, Setting, by, counted, solved
from lockmodel.evaluate.backtest.evidence import RUN_SD, Context
from lockmodel.evaluate.backtest.moved import BEFORE
from lockmodel.model.scenario import Scenario

SILVER, SHELL = "jonas_false_sharing", "lipeng_false_sharing"
TASKLIST, PIDMAP = "guzik_tasklist_exit", "guzik_pidmap_once"

FEW = 4
"""One draw of so many: nothing is decided."""

SETTINGS = {
    SILVER: ("execl-xeon8369b", 128, BEFORE),
    SHELL: ("sysexec-spr224-v6.12", 224, UNBATCHED),
}
"""Record -> a saturated loop of the same years: model, copies, levers to the state before."""


def one_line_less(now: Scenario) -> Scenario:
    """Return the scenario in which every acquire of a file's lock waits for one line less."""
    sites = tuple(
        msgspec.structs.replace(site, lines=site.lines - 1.0) if site.lock in FILES else site
        for site in now.sites
    )
    return msgspec.structs.replace(now, sites=sites)


def _predict(name: str, context: Context) -> Predicted:
    """Predict a saturated lock whose every acquire is one line shorter; the unit cancels."""
    model, copies, before = SETTINGS[name]
    setting = Setting(counted(model), copies, one_line_less, by(before), every=FEW)
    return Predicted(*solved(context, setting, name, RUN_SD))


def _false_sharing(name: str, patch: str, population: int | None, unknown: str) -> Case:
    return Case(
        id=name,
        patch=patch,
        group="change",
        scenario=f"{SETTINGS[name][0]}, saturated, before batching",
        lever="fewer_lines:all=F",
        kind="fewer_lines",
        population=population,
        parameters="counts, as of another machine and loop; one line less per acquire",
        reasoning="polling waiters pull the line with the tree's root away from the holder",
        undecidable=f"{unknown} how often per acquire a line is stolen; the number assumes once",
        predict=partial(_predict, name),
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
            "lock word moved",
            None,
            "neither CPUs nor copies of the machine are stated, nor is it known",
        ),
        _false_sharing(
            SHELL,
            "padding",
            224,
            "shell scripts were not traced, nor is it known",
        ),
        Case(
            id=TASKLIST,
            patch="tasklist_lock",
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
            patch="pidmap_lock",
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
