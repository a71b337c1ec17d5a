"""Files left out of the reverse map: their locks are not taken at all, in two readings."""

from __future__ import annotations

from functools import partial

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import Lever, text_of
from lockmodel.evaluate.backtest.case import Case, Predicted
from lockmodel.evaluate.backtest.counts import (
    EXECUTABLE,
    LIBC,
    LOADER,
    MODEL_ERROR,
    PARAMETERS,
    Setting,
    by,
    counted,
    solved,
)
from lockmodel.evaluate.backtest.evidence import RUN_SD, Context

ID, PATCH = "yibin_rmap_exclude", "exclusion"
POPULATION = 220
"""Copies of the posted profile; the copies of the score are not stated."""

LIBRARIES = (lever("exclude", LIBC), lever("exclude", LOADER))
EVERYTHING = (*LIBRARIES, lever("exclude", EXECUTABLE))


def setting(levers: tuple[Lever, ...], context: Context) -> Setting:
    """Return execl on Emerald Rapids with the files' locks, and the lever."""
    return Setting(counted("execl-emr112"), POPULATION, by(levers))


def _predict(levers: tuple[Lever, ...], context: Context) -> Predicted:
    return Predicted(*solved(context, setting(levers, context), ID, RUN_SD), MODEL_ERROR)


def _case(reading: str, levers: tuple[Lever, ...], reasoning: str, aside: str = "") -> Case:
    return Case(
        id=ID,
        patch=PATCH,
        reading=reading,
        group="change",
        scenario="execl-emr112",
        lever=text_of(levers),
        kind="exclude",
        population=POPULATION,
        parameters=f"{PARAMETERS}four other machines; line times of Sapphire Rapids and, between "
        "sockets, Cascade Lake",
        reasoning=reasoning,
        aside=aside,
        if_outside="not explained",
        predict=partial(_predict, levers),
        setting=partial(setting, levers),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _case(
            "libc, ld",
            LIBRARIES,
            "a later mail speaks of libc and ld; the executable's lock is then next, with 8 "
            "acquires for libc's 15 and half its lines, unless a lock that nobody counted is",
        ),
        _case(
            "libc, ld, executable",
            EVERYTHING,
            "the cover letter names the executable, too; then no lock of a file is left but "
            "ld.so.cache's",
            aside="the reading without the executable is the one that is scored: the later mail "
            "gives the aim as marking libraries",
        ),
    )
