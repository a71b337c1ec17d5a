"""Processes that share work, and that end with it whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

COLLECTED_S = 10.0
"""Longest wait for the pool's own thread after its processes were killed."""


def cpus() -> int:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def ordered(
    function: Callable[[T], R], items: Sequence[T], count: int, together: int = 1
) -> Iterator[Iterator[R]]:
    """Yield the results of a function in the order of the items, made by so many processes.

    Parameters
    ----------
    function : callable
        Of one item; it travels to the processes, as the items do.
    items : sequence
    count : int
        Processes; below 2 this one does the work.
    together : int
        Items that travel at once.
    """
    if count < 2:
        yield map(function, items)
        return
    with pool(count) as shared:
        yield shared.map(function, items, chunksize=together)


@contextmanager
def pool(
    count: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes, forked where that exists.

    Parameters
    ----------
    count : int
        Processes.
    initializer, initargs
        What each runs first; ^C is left to this process.

    Notes
    -----
    On an error or ^C the processes are killed: what they work at is lost anyway, and a polite
    shutdown may wait for a chunk that nobody wants, or for a process that never answers.
    """
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    made = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(initializer, initargs))
    try:
        yield made
    except BaseException:
        workers = list((made._processes or {}).values())
        manager: Any = made._executor_manager_thread
        made.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()
        if manager is not None:  # collects the same processes; until then they count as active
            manager.join(COLLECTED_S)
        raise
    made.shutdown()


def _begin(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if initializer is not None:
        initializer(*initargs)
