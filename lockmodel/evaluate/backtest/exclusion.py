"""Files left out of the reverse map: their locks are not taken at all, in two readings."""

from __future__ import annotations

import json

import numpy as np

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import Lever, text_of
from lockmodel.evaluate.backtest import ratio
from lockmodel.evaluate.backtest.case import Case, Predicted
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.evaluate.backtest.ratio import ROBOTS
from lockmodel.evaluate.backtest.templates import template

ID = "yibin_rmap_exclude"
PROFILE = "yibin_execl_emr_c220"
POPULATION = 220
"""Copies of the profile; the copies of the score are not stated."""

LIBRARIES = (lever("exclude", "libc.so.6"), lever("exclude", "ld-linux-x86-64.so.2"))
EVERYTHING = (*LIBRARIES, lever("exclude", "executable"))


def _predict(levers: tuple[Lever, ...], context: Context) -> Predicted:
    """Predict execl on Emerald Rapids from the waits of its own profile before the change."""
    text = (context.evidence.folder / "profiles.json").read_text()
    profile = next(p for p in json.loads(text)["profiles"] if p["id"] == PROFILE)
    wait = np.full(context.draws.count, profile["total_osq_lock_pct"] / 100.0)
    made = ratio.surface(template("execl-emr112"), POPULATION, levers)
    gains, _ = made.at_wait(ratio.carried(context, ID), wait)
    return Predicted(gains, ratio.weights(context, ROBOTS))


def _case(
    reading: str, levers: tuple[Lever, ...], kind: str, reasoning: str, if_outside: str
) -> Case:
    return Case(
        id=ID,
        reading=reading,
        group="change",
        scenario="execl-emr112",
        lever=text_of(levers),
        kind=kind,
        population=POPULATION,
        parameters_from=ROBOTS,
        parameters="hand-off : held work from the three robot pairs; think time from 91.53 % of "
        "cycles in osq_lock before the change; counts traced",
        reasoning=reasoning,
        if_outside=if_outside,
        predict=lambda context: _predict(levers, context),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _case(
            "libc, ld",
            LIBRARIES,
            "exclude",
            "a later mail speaks of libc and ld; the executable's lock is then next, with 8 "
            "acquires for libc's 15",
            "left open. No ratio reaches 80 %: hand-off alone gives +88 %, held work more. "
            "Either another lock was left, or the score (machines, copies, shell scripts mixed "
            "in) was not taken where the lock is everything",
        ),
        _case(
            "libc, ld, executable",
            EVERYTHING,
            "exclude",
            "the cover letter names the executable, too; then no modelled lock is left and the "
            "CPUs bind",
            "expected: the model ends at the CPUs because it has no other lock; the locks named as "
            "next (dentry, lruvec, percpu) bind before. It is a limit, not a prediction",
        ),
    )
