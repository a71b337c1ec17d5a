"""Line owners and call stacks of the lab's plugins, fed with accesses whose owners are known."""

from __future__ import annotations

import pytest
from plugins import fed

LINE = 0x10000
"""Address of line 0; the second region, at 0x80000, begins with line 0x1000 / 64 = 64."""

CASES = {
    "own: nobody else comes near": [
        ("0 store 10000", "0 unwritten"),
        ("0 load 10008", "0"),
        ("0 store 10038", "0"),
    ],
    "false sharing: two words of a line, each written by its own CPU": [
        ("0 store 10000", "0 unwritten"),
        ("1 store 10020", "0 taken foreign"),
        ("0 store 10000", "0 taken foreign"),
        ("1 store 10020", "0 taken foreign"),
        ("1 store 10020", "0"),
    ],
    "read-shared, then written: readers get it once, the writer takes it from all": [
        ("0 store 10000", "0 unwritten"),
        ("1 load 10000", "0 fetched foreign"),
        ("2 load 10000", "0 fetched foreign"),
        ("1 load 10000", "0 foreign"),
        ("0 load 10000", "0"),
        ("0 store 10000", "0 taken"),
        ("1 load 10000", "0 fetched foreign"),
        ("2 load 10000", "0 fetched foreign"),
    ],
    "migrating: each reads, then writes": [
        ("0 load 10000", "0 unwritten"),
        ("0 store 10000", "0 unwritten"),
        ("1 load 10000", "0 fetched foreign"),
        ("1 store 10000", "0 taken foreign"),
        ("0 load 10000", "0 fetched foreign"),
        ("0 store 10000", "0 taken foreign"),
    ],
    "only read: nobody has written it, so it comes from memory": [
        ("0 load 10000", "0 unwritten"),
        ("1 load 10000", "0 unwritten"),
        ("1 store 10000", "0 taken unwritten"),
    ],
    "neighbours: the next line is another one": [
        ("0 store 1003f", "0 unwritten"),
        ("1 store 10040", "1 unwritten"),
        ("0 store 10000", "0"),
    ],
    "regions: their ends, what is outside, and the second": [
        ("0 store ffff", "-1"),
        ("0 store 10fff", "63 unwritten"),
        ("0 store 11000", "-1"),
        ("0 store 80000", "64 unwritten"),
        ("1 load 80000", "64 fetched foreign"),
        ("0 store 800ff", "67 unwritten"),
        ("0 store 80100", "-1"),
    ],
    "the last CPU": [
        ("54 store 10000", "0 unwritten"),
        ("53 load 10000", "0 fetched foreign"),
        ("54 store 10000", "0 taken"),
        ("0 load 10000", "0 fetched foreign"),
        ("54 load 10000", "0"),
    ],
}
"""Name -> accesses, each with what it means."""


@pytest.mark.parametrize("name", CASES)
def test_who_has_a_line(name: str) -> None:
    accesses, meanings = zip(*CASES[name], strict=True)
    assert fed("accesses", "\n".join(accesses)) == list(meanings)


def test_calls_and_returns() -> None:
    stack, other = 0xFFFFC90000004000, 0xFFFFC90000008000
    a, b, c = stack + 0x3FF0, stack + 0x3F80, stack + 0x3F00
    text = f"""
        call {a:x} 11  call {b:x} 22  chain
        call {c:x} 33  chain
        return {c:x}   chain
        call {other + 8:x} 44  chain
        call {b:x} 55  chain
        return {a:x}   chain
    """
    assert fed("calls", text) == [
        f"{stack:x} {b:x}: 22 11",
        f"{stack:x} {c:x}: 33 22 11",
        f"{stack:x} {b:x}: 22 11",
        f"{other:x} {other + 8:x}: 44",
        f"{stack:x} {b:x}: 55 11",  # what was called from there before is gone
        f"{stack:x} 0:",
    ]


def test_a_long_chain_is_cut_at_its_outer_end() -> None:
    calls = " ".join(f"call {0x5000 - 16 * i:x} {i:x}" for i in range(1, 7))
    assert fed("calls", calls + " chain") == ["4000 4fa0: 6 5 4 3"]
