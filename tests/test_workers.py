"""Processes that share work end with it, also when one of them never answers."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from lockmodel.workers import ordered, pool


def _square(x: int) -> int:
    return x * x


def test_work_is_shared_and_comes_back_in_order():
    with pool(2) as shared:
        assert list(shared.map(_square, range(20))) == [x * x for x in range(20)]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_results_are_in_the_order_of_the_items_for_any_number_of_processes(count: int) -> None:
    with ordered(_square, range(9), count, together=2) as results:
        assert list(results) == [0, 1, 4, 9, 16, 25, 36, 49, 64]
    assert not multiprocessing.active_children()


def _interrupted() -> None:
    with pool(2) as shared:
        for _ in range(4):
            shared.submit(time.sleep, 300)
        time.sleep(0.5)
        raise KeyboardInterrupt


def test_an_interrupt_ends_workers_that_would_sleep_for_minutes():
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interrupted()
    assert time.monotonic() - begun < 60
    # The pool's own thread collects them as well; while it does, they still count as active.
    while multiprocessing.active_children() and time.monotonic() - begun < 60:
        time.sleep(0.01)
    assert not multiprocessing.active_children()
