"""Processes that share work, and that end with it whatever happens."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

COLLECTED_S = 10.0
"""Longest wait for the pool's own thread after its processes were killed."""


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
        What each runs first.

    Notes
    -----
    On an error or ^C the processes are killed: what they work at is lost anyway, and a polite
    shutdown may wait for a chunk that nobody wants, or for a process that never answers.
    """
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    made = ProcessPoolExecutor(count, context, initializer=initializer, initargs=initargs)
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
