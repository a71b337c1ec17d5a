"""`lockmodel explain`: short, in a mail, and the same from one run to the next."""

from __future__ import annotations

import json
import re
from pathlib import Path

from invoked import invoke
from places import timed_path

MODEL = timed_path("execl-xeon8369b")


def test_the_answer_comes_first_and_in_few_lines():
    made = invoke("explain", MODEL, "-n", "128")
    assert made.exit_code == 0
    lines = made.stdout.splitlines()
    assert lines[0].startswith("libc.so.6 binds at 128 processes")
    assert len(lines) <= 14
    assert max(map(len, lines)) <= 80
    flat = " ".join(lines)
    assert re.search(r"\d+ % of that is held work, \d+ % hand-off: as the model states it\.", flat)
    assert "half the hold +" in flat
    assert "one acquire instead of 15 +" in flat


def test_a_mail_is_ascii_of_72_columns_and_says_how_to_repeat_it(tmp_path):
    one = invoke("explain", MODEL, "-n", "128", "--mail").stdout
    assert one.isascii()
    *text, foot, command = one.splitlines()
    assert max(map(len, text)) <= 72
    assert command == f"  lockmodel explain {MODEL} -n 128 --mail"
    assert re.fullmatch(r"lockmodel \S+, model \S+ \(sha256 [0-9a-f]{12}\):", foot)
    assert invoke(*command.split()[1:]).stdout == one
    moved = tmp_path / "moved.toml"
    text = Path(MODEL).read_text(encoding="utf-8")
    moved.write_text(re.sub(r"think_us = [\d.]+", "think_us = 77.0", text), encoding="utf-8")
    assert foot not in invoke("explain", str(moved), "-n", "128", "--mail").stdout


def test_json_has_the_numbers():
    made = json.loads(invoke("explain", MODEL, "-n", "128", "--json").stdout)
    assert made["schema"] == "lockmodel.explain/1"
    parts = made["demand"]
    whole = parts["work_s"] + parts["acquires"] * parts["handoff_s"]
    assert abs(made["held"] - parts["work_s"] / whole) < 1e-12
    assert made["bought"][0]["levers"] == ["shorten_hold:libc.so.6=0.5"]
