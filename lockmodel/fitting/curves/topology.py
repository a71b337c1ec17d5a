"""Sockets, cores and hardware threads: what a file's header states, and how far apart N run."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lockmodel.model.machine import Machine

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


@dataclass(frozen=True)
class Sockets:
    """How the CPUs of a machine are grouped.

    Parameters
    ----------
    sockets : int
        Sockets (or nodes).
    cores : int
        Cores per socket.
    smt : int
        Hardware threads per core.
    """

    sockets: int
    cores: int
    smt: int

    @property
    def cpus(self) -> int:
        """Hardware threads of the machine."""
        return self.sockets * self.cores * self.smt

    def remote(self, populations: np.ndarray) -> np.ndarray:
        """Return the probability that a hand-off leaves the socket, shape of `populations`.

        The next holder is any other running process alike. One hardware thread of every core is
        filled before the second of any, socket after socket (the order of CPU numbers on Linux);
        processes beyond the CPUs change nothing.
        """
        n = np.minimum(np.asarray(populations, float), self.cpus)
        cores = self.sockets * self.cores
        full = np.floor(n / cores)
        rest = n - full * cores
        socket = np.arange(self.sockets)[:, None]
        here = full * self.cores + np.clip(rest - socket * self.cores, 0, self.cores)
        pairs = (here * (here - 1)).sum(axis=0)
        return np.where(n > 1, 1.0 - pairs / np.maximum(n * (n - 1.0), 1.0), 0.0)


def of_machine(machine: Machine) -> Sockets:
    """Return how the CPUs of a machine are grouped: by node, which is what a line leaves."""
    return Sockets(machine.nodes, machine.cores // machine.nodes, machine.cpus // machine.cores)


def sockets_of(text: str) -> Sockets | None:
    """Return what the words of a header state about the machine, or None.

    Parameters
    ----------
    text : str
        For example "2 sockets x 48 cores x 2 HT = 192 threads", "4-socket 56-core 112-thread".

    Returns
    -------
    Sockets or None
        None unless sockets and cores are both stated and, with the number of CPUs if that is
        stated too, agree; and None for guests and runs on a part of the machine.
    """
    found = next((match for way in SOCKETS if (match := way.search(text))), None)
    each = EACH.search(text)
    whole = ALL_CORES.search(text)
    if found is None or SHARED.search(text) or not (each or whole):
        return None
    sockets = WORDS.get(found[1].lower()) or int(found[1])
    cpus = max((int(m["cpus"]) for m in ALL_CPUS.finditer(text)), default=None)
    threads = int(each["smt"]) if each and each["smt"] else None
    totals = [int(whole["cores"])] if whole else []
    if each:
        totals += [int(each["cores"]) * sockets, int(each["cores"])]
    for cores in totals:  # of the machine
        smt = threads or (cpus // cores if cpus and cores else 1)
        if cores and sockets and cores % sockets == 0 and cpus in (None, cores * smt):
            return Sockets(sockets, cores // sockets, smt)
    return None
