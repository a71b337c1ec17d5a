"""Every sample changed as pasting and other machines change it: no other number, none in silence.

A number of a file is an observation, a fact, or named as left out (`accounting`). A file with
decimal commas, with its columns in another order, or twice in one file gives the numbers that it
gave, or an error; one with another digit gives another reading, or an error.
"""

from __future__ import annotations

import re

import pytest
from accounting import BANNER, account
from readings import SAMPLES, content
from test_reader_robustness import OPTIONS, POOLED, WHAT, numbers, try_to_read

from lockmodel.errors import LockmodelError
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_text, recognise, rows
from lockmodel.observe.text import from_text


def reading(text: str) -> Reading:
    return read_text(from_text(text, "f"), OPTIONS)


@pytest.mark.parametrize("name", WHAT)
def test_no_number_of_a_sample_is_lost_in_silence(name: str) -> None:
    text = from_text(content(name), "f")
    whole = text if text.files else text.unwrapped(rows(recognise(text)))
    made = account(whole, read_text(text, OPTIONS))
    assert made.lost == ()
    assert made.kept + made.named > 0


def test_the_account_counts_all_samples() -> None:
    """What the account is worth: most numbers are kept, and it finds one that is dropped."""
    kept = named = 0
    for name in WHAT:
        text = from_text(content(name), "f")
        made = account(text, read_text(text, OPTIONS))
        kept, named = kept + made.kept, named + made.named
    assert kept > 500
    assert kept > named
    text = from_text("tasks,throughput,fans\n1,10,3\n2,19,4\n", "f")
    read = read_text(text, OPTIONS)
    without = Reading(read.format, read.origin, read.observations)
    assert account(text, without).lost == ((2, "3"), (3, "4"))


TWICE = [n for n in WHAT if n not in (*POOLED, "own_perf_lock_contention_delay.txt")]


@pytest.mark.parametrize("name", TWICE)
def test_a_file_twice_in_one_gives_its_numbers_or_an_error(name: str) -> None:
    whole = numbers(reading(content(name)))
    both = content(name).rstrip("\n") + "\n"
    part = try_to_read(both + both, WHAT[name])
    assert part is None or numbers(part) == whole


POINT = re.compile(r"(?<=\d)\.(?=\d)")


@pytest.mark.parametrize("name", [n for n in WHAT if not re.search(r"csv|json|latency|lkp", n)])
def test_decimal_commas_give_the_same_numbers_or_an_error(name: str) -> None:
    changed = POINT.sub(",", content(name))
    part = try_to_read(changed, WHAT[name])
    if part is None:
        return
    # what a digit after the point told apart stays within its rounding
    assert {(k, float(f"{v:.6g}")) for k, v in numbers(part)} == {
        (k, float(f"{v:.6g}")) for k, v in numbers(reading(content(name)))
    }


def digits(text: str, most: int) -> list[int]:
    """Return where some digits of a text stand, evenly spread over it."""
    found = [match.start() for match in re.finditer(r"(?<![\w.])\d", text)]
    return found[:: max(1, len(found) // most)]


@pytest.mark.parametrize("name", WHAT)
def test_another_digit_is_seen_or_its_line_is_named(name: str) -> None:
    text = content(name)
    before = reading(text)
    left = {line for line, _ in before.left_out}
    for at in digits(text, 10):
        line = text.count("\n", 0, at) + 1
        if line in left or 0 in left:
            continue
        changed = f"{text[:at]}{(int(text[at]) + 3) % 9 + 1}{text[at + 1 :]}"
        after = try_to_read(changed, WHAT[name])
        row = text.splitlines()[line - 1]
        assert after is None or told(after) != told(before) or banner(row), row


def told(reading: Reading) -> tuple[object, ...]:
    return reading.observations, reading.facts, reading.metadata, reading.warnings


def banner(row: str) -> bool:
    """Return whether a line measures nothing: who, when, how, an address, a call stack."""
    return any(re.search(pattern, row) for pattern in (BANNER, NOTHING))


NOTHING = (
    r"^\s*[#<]|\d:\d\d|\[<|0x|^\W+$|CPU|x86|PID|BYTE UNIX"
    r"|^[0-9a-f]{12,} |-> \d+ +: 0 "  # commits; the edges of a bin without events
)

TIDY = ["own_curve.csv", "own_latency.csv", "own_curve.md", "own_curve_words.dat"]


@pytest.mark.parametrize("name", TIDY)
def test_columns_in_another_order_give_the_same_numbers(name: str) -> None:
    split = {"md": r"\s*\|\s*", "dat": r"\s+"}.get(name.rpartition(".")[2], ",")
    glue = {r"\s*\|\s*": " | ", r"\s+": " "}.get(split, ",")
    lines = []
    for line in content(name).splitlines():
        row = line.strip().strip("|").strip()
        cells = re.split(split, row)
        swap = len(cells) > 2 and not line.startswith("#")
        lines.append(glue.join([cells[1], cells[0], *cells[2:]]) if swap else line)
    assert numbers(reading("\n".join(lines) + "\n")) == numbers(reading(content(name)))


def test_no_file_of_the_samples_ends_in_a_traceback() -> None:
    count = 0
    for path in SAMPLES.iterdir():
        try:
            reading(path.read_text(encoding="utf-8"))
            count += 1
        except LockmodelError:
            pass
    assert count == len(WHAT)
