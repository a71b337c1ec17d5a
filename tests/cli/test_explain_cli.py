"""`lockmodel explain`: short, in a mail, and the same from one run to the next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from invoked import invoke
from places import timed_path

from lockmodel.model.shipped import find_scenario, model_names

MODEL = timed_path("execl-xeon8369b")


def test_the_answer_comes_first_and_in_few_lines():
    made = invoke("explain", MODEL, "-n", "128")
    assert made.exit_code == 0
    lines = made.stdout.splitlines()
    assert lines[0].startswith("libc.so.6 binds at 128 processes")
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 80
    flat = " ".join(lines)
    assert re.search(r"\d+ % of it is held work, \d+ % hand-off\. So: half the hold \+", flat)
    assert "Told apart by: the times that the model states." in flat
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


@pytest.mark.parametrize("model", [m for m in model_names() if not find_scenario(m).classes])
def test_ten_lines_are_the_answer_and_two_more_a_mail(model, hardly_drawn):
    asked = ("explain", model)
    said = invoke(*asked).stdout.splitlines()
    lines = [line for line in said if not line.startswith("!")]
    assert len(lines) <= 10, said
    mail = invoke(*asked, "--mail").stdout.splitlines()
    assert len([line for line in mail if not line.startswith("!")]) <= 12
    assert mail[-2].startswith("lockmodel ")
    assert " ".join(mail[:-2]) == " ".join(said)


def test_json_has_the_numbers():
    made = json.loads(invoke("explain", MODEL, "-n", "128", "--json").stdout)
    assert made["schema"] == "lockmodel.explain/1"
    parts = made["demand"]
    whole = parts["work_s"] + parts["acquires"] * parts["handoff_s"]
    assert abs(made["held"] - parts["work_s"] / whole) < 1e-12
    assert made["bought"][0]["levers"] == ["shorten_hold:libc.so.6=0.5"]
