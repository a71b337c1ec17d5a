"""Files of one curve: joined by what they say, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lockmodel.fitting.curves.curve import curves_of
from lockmodel.observe.joining import joined
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text

ROWS = "tasks,throughput\n1,100\n2,200\n4,400\n8,500\n"
LESS = "tasks,throughput\n1,110\n2,180\n4,420\n8,510\n"


def read(*texts):
    return joined(
        (f"{k}.csv", read_text(from_text(text, f"{k}.csv"))) for k, text in enumerate(texts)
    )


def test_equal_settings_are_one_curve_with_repeats():
    (one,) = read(ROWS, LESS)
    (curve,) = curves_of(one.reading)
    assert curve.x.tolist() == [105.0, 190.0, 410.0, 505.0]
    assert curve.sd is not None
    assert curve.sd.tolist() == pytest.approx([5.0, 10.0, 10.0, 5.0])  # of the mean of two
    assert one.name == "0.csv, 1.csv"
    assert one.sentences == (
        "0.csv, 1.csv: equal settings, joined as repeats; fit them one by one if they are of "
        "different things",
    )


def test_only_the_curves_that_both_have_are_joined():
    many = "tasks,throughput,lock\n" + "".join(
        f"{n},{x},{lock}\n"
        for lock, x1 in (("mutex", 10), ("spin", 20))
        for n, x in ((1, x1), (2, 20), (4, 40))
    )
    (one,) = read(many, many.replace(",10,", ",12,"))
    curves = curves_of(one.reading)
    assert [(c.label, c.x[0]) for c in curves] == [("mutex", 11.0), ("spin", 20.0)]
    apart = "tasks,throughput,variant\n1,10,a\n2,20,a\n4,40,a\n"
    assert len(read(apart, apart.replace(",a", ",b"))) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("# machine: 2 sockets x 20 cores\n", "# machine: 4 sockets x 20 cores\n"),
        ("# machine: 2 sockets x 20 cores\n", ""),
        ("# kernel: 6.1\n", "# kernel: 6.12\n"),
        ("# unit: ops/s\n", "# unit: operations per ms\n"),
        ("# unit: furlongs\n", "# unit: furlongs\n"),
        (
            "# CPU(s): 4\n# Thread(s) per core: 1\n# Core(s) per socket: 4\n# Socket(s): 1\n",
            "# CPU(s): 8\n# Thread(s) per core: 1\n# Core(s) per socket: 4\n# Socket(s): 2\n",
        ),
    ],
)
def test_what_headers_tell_apart_stays_apart(first, second):
    assert [one.names for one in read(first + ROWS, second + LESS)] == [("0.csv",), ("1.csv",)]


def test_what_only_says_when_does_not_tell_apart():
    assert len(read("# date: Monday\n# kernel: 6.1\n" + ROWS, "# date: Friday\n" + LESS)) == 1


def test_other_populations_or_another_format_are_other_curves():
    assert len(read(ROWS, "tasks,throughput\n16,600\n32,620\n64,640\n")) == 2
    lines = "".join(f'{{"tasks": {n}, "throughput": {n}00}}\n' for n in (1, 2, 4))
    assert len(read(ROWS, lines)) == 2


def test_repeats_that_differ_are_said_with_both_places():
    (one,) = read(ROWS, LESS.replace("8,510", "8,900"))
    _, text = one.sentences
    assert text.startswith("REPEATS DIFFER by up to 80 % at n = 8 (0.csv:5 and 1.csv:5)")


def test_the_command_fits_and_saves_one_lock(command):
    Path("a.csv").write_text("# unit: ops/s\n" + ROWS + "16,520\n")
    Path("b.csv").write_text("# unit: ops/s\n" + LESS + "16,530\n")
    ran = command("fit", "a.csv", "b.csv", "--json", "-o", "lock.toml")
    assert ran.returncode == 0, ran.stderr
    (curve,) = json.loads(ran.stdout)["curves"]
    assert curve["file"] == "a.csv, b.csv"
    assert "a.csv, b.csv: equal settings, joined as repeats" in ran.stderr
    text = Path("lock.toml").read_text()
    assert "a.csv" in text
    assert "b.csv" in text
    twice = command("fit", "a.csv", "./a.csv")
    assert twice.returncode == 3
    assert "./a.csv is given twice" in twice.stderr


def test_files_of_one_population_each_are_points_of_a_curve():
    first, second, third = (f"tasks,throughput\n{n},{100 * n}\n" for n in (1, 2, 4))
    (one,) = read(third, first, second)
    (curve,) = curves_of(one.reading)
    assert (curve.n.tolist(), curve.x.tolist()) == ([1, 2, 4], [100.0, 200.0, 400.0])
    assert "joined to one curve" in one.sentences[0]
    (repeated,) = read(first, first.replace("100", "104"))
    assert "joined as repeats" in repeated.sentences[0]


@pytest.mark.parametrize(
    "other",
    [
        "tasks,throughput\n2,200\n4,400\n8,700\n",  # a curve of its own
        "tasks,throughput,variant\n2,200,patched\n",
        "# machine: 2 sockets x 20 cores\ntasks,throughput\n2,200\n",
    ],
)
def test_a_point_is_joined_with_nothing_else(other):
    assert len(read("tasks,throughput\n1,100\n", other)) == 2
