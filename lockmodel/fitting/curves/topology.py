"""Sockets, cores and hardware threads: what a file's header states of its machine."""

from __future__ import annotations

import re

from lockmodel.model.machine import MAX_CPUS, Machine

WORDS = {"single": 1, "one": 1, "dual": 2, "two": 2, "quad": 4, "four": 4}

SOCKETS = (
    re.compile(r"\b(\d+) NUMA nodes\b", re.I),
    re.compile(r"\b(\d+|single|one|dual|two|quad|four)[- ]sockets?\b", re.I),
    re.compile(r"\b(\d+) ?x (?:Intel|AMD|ARM|IBM|Xeon|EPYC|Opteron|POWER)\b", re.I),
)
"""Ways to state the groups of CPUs; the finest first."""

EACH = re.compile(
    r"\b(?P<cores>\d+) cores?(?: x (?P<smt>\d+) ?(?:HT|threads?|hardware threads)\b)?", re.I
)
ALL_CORES = re.compile(r"\b(?P<cores>\d+)-core\b", re.I)
ALL_CPUS = re.compile(
    r"\b(?P<cpus>\d+)(?:-thread\b| (?:hardware |hw |logical )?(?:threads|CPUs)\b)", re.I
)
SHARED = re.compile(r"\b(?:guest|vCPUs?|VM|virtual|host|pinned|bound|cpuset|container)\b", re.I)
"""A guest or a run on part of the machine does not see the sockets that the header names."""


def machine_of(text: str) -> Machine | None:
    """Return what the words of a header state about the machine, or None.

    Parameters
    ----------
    text : str
        For example "2 sockets x 48 cores x 2 HT = 192 threads", "4-socket 56-core 112-thread".

    Returns
    -------
    Machine or None
        Each socket is a node, and a core does the work of all its threads: the curve says nothing
        of what these share. None unless sockets and cores are both stated and, with the number of
        CPUs if that is stated too, agree; and None for guests and runs on a part of the machine.
    """
    stated = next((match for way in SOCKETS if (match := way.search(text))), None)
    each = EACH.search(text)
    whole = ALL_CORES.search(text)
    if stated is None or SHARED.search(text) or not (each or whole):
        return None
    sockets = WORDS.get(stated[1].lower()) or int(stated[1])
    cpus = max((int(m["cpus"]) for m in ALL_CPUS.finditer(text)), default=None)
    threads = int(each["smt"]) if each and each["smt"] else None
    totals = [int(whole["cores"])] if whole else []
    if each:
        totals += [int(each["cores"]) * sockets, int(each["cores"])]
    for cores in totals:  # of the machine
        smt = threads or (cpus // cores if cpus and cores else 1)
        fits = cores and sockets and cores % sockets == 0 and cores * smt <= MAX_CPUS
        if fits and cpus in (None, cores * smt):
            return Machine(
                name=f"{sockets} x {cores // sockets} x {smt} (sockets x cores x threads)",
                cpus=cores * smt,
                cores=cores,
                sockets=sockets,
                nodes=sockets,
                smt_speedup=float(smt),
            )
    return None
