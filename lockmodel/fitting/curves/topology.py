"""Sockets, cores and hardware threads: what a file's header states of its machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lockmodel.errors import ScenarioError
from lockmodel.model import lscpu
from lockmodel.model.machine import MAX_CPUS, Machine
from lockmodel.observe.headers import LSCPU, MACHINE

WORDS = {"single": 1, "one": 1, "dual": 2, "two": 2, "quad": 4, "four": 4}

SOCKETS = (
    re.compile(r"\b(\d+) NUMA nodes\b", re.I),
    re.compile(r"\b(\d+|single|one|dual|two|quad|four)[- ]sockets?\b", re.I),
    re.compile(r"\b(\d+) ?x (?:Intel|AMD|ARM|IBM|Xeon|EPYC|Opteron|POWER)\b", re.I),
)
"""Ways to state the groups of CPUs; the finest first."""

PRODUCT = re.compile(
    r"\b(?P<sockets>\d+) ?x ?(?P<cores>\d+)(?: cores)? ?x ?(?P<smt>\d+) ?(?:SMT|HT|threads?)\b",
    re.I,
)
"""All in one, e.g. "80-CPU Intel Xeon (2 x 20 cores x 2 SMT)"."""

EACH = re.compile(
    r"\b(?P<cores>\d+) cores?(?: x (?P<smt>\d+) ?(?:HT|threads?|hardware threads)\b)?", re.I
)
ALL_CORES = re.compile(r"\b(?P<cores>\d+)-core\b", re.I)
ALL_CPUS = re.compile(
    r"\b(?P<cpus>\d+)(?:-thread\b| (?:hardware |hw |logical )?(?:threads|CPUs)\b|-CPU\b)", re.I
)
SHARED = re.compile(
    r"\b(?:guest|vCPUs?|VM|virtual|host|pinned (?:to|on)|bound|cpuset|container)\b", re.I
)
"""A guest or a run on part of the machine does not see the sockets that the header names."""


PART = re.compile(r"\b(?:pinned (?:to|on)|bound|cpuset|container)\b", re.I)
GUEST = re.compile(r"\b(?P<cpus>\d+) vCPUs?\b", re.I)


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
    product = PRODUCT.search(text)
    if product is not None and not SHARED.search(text):
        text = (
            f"{product['sockets']} sockets x {product['cores']} cores x {product['smt']} threads; "
            f"{' '.join(m[0] for m in ALL_CPUS.finditer(text))}"
        )
    stated = next((match for way in SOCKETS if (match := way.search(text))), None)
    each = EACH.search(text)
    whole = ALL_CORES.search(text)
    if stated is None or SHARED.search(text) or not (each or whole):
        return None
    sockets = WORDS.get(stated[1].lower()) or int(stated[1])
    cpus = max(_totals(text), default=None)
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


def _totals(text: str) -> set[int]:
    """Return the numbers of all CPUs that words state: "x 2 threads" is of each core."""
    return {int(match["cpus"]) for match in ALL_CPUS.finditer(EACH.sub("", text))}


def stated(metadata: Mapping[str, str]) -> Machine | None:
    """Return the machine of a file's metadata: what `lscpu` printed, else what the header says."""
    pasted = metadata.get(LSCPU, "").splitlines()
    try:
        made = lscpu.machine(enumerate(pasted, start=1), "lscpu")
    except ScenarioError:  # its reader has said so
        made = None
    return made or machine_of(metadata.get(MACHINE, ""))


def cpus_of(text: str) -> int | None:
    """Return the number of CPUs that the words of a header state, or None.

    None as well where it states several numbers, or that the run had a part of the machine; a
    guest's own CPUs count.
    """
    if PART.search(text):
        return None
    stated = _totals(text)
    stated |= {int(match["cpus"]) for match in GUEST.finditer(text)}
    (cpus,) = stated if len(stated) == 1 else (0,)
    return cpus if 1 < cpus <= MAX_CPUS else None
