"""What is given wrongly from Python: an error of the project that names the argument."""

from __future__ import annotations

import pytest

import lockmodel as lm
from lockmodel.errors import ArgumentError, ScenarioError

MODEL, DATA = "execl-xeon8369b", "unixbench_execl_xeon8369b.csv"

WRONG = [
    (lambda: lm.load(5), "model = 5 must be"),
    (lambda: lm.predict(None, 4), "model = None must be"),
    (lambda: lm.load(MODEL, machine=5), "machine = 5 must be"),
    (lambda: lm.load(MODEL, walks=5), "walks = 5 must be"),
    (lambda: lm.load(MODEL, set=5), "set = 5 must be"),
    (lambda: lm.load(MODEL, set=[5]), "set = 5 must be"),
    (lambda: lm.predict(MODEL, 4, time_limit=0), "--time-limit 0 must be"),
    (lambda: lm.predict(MODEL, 4, time_limit="x"), "--time-limit 'x' must be"),
    (lambda: lm.whatif(MODEL, None, 4), "levers = None must be"),
    (lambda: lm.whatif(MODEL, [5], 4), "levers = 5 must be"),
    (lambda: lm.sweep(MODEL, 5), "over = 5 must be"),
    (lambda: lm.sweep(MODEL, {"shards": 5}), "over['shards'] = 5 must be"),
    (lambda: lm.read(5), "names = 5 must be"),
    (lambda: lm.read(DATA, tasks="x"), "--tasks 'x' must be"),
    (lambda: lm.read(DATA, unit="parsec"), "unit = 'parsec': there is no such unit"),
    (lambda: lm.fit(5), "data = 5 must be"),
    (lambda: lm.fit([DATA, None]), "data = None must be"),
    (lambda: lm.fit(DATA, cpus=-1), "--cpus -1 must be above 0"),
    (lambda: lm.fit(DATA, quantity="x"), "quantity = 'x': there is no such quantity"),
    (lambda: lm.fit(DATA, robust="maybe"), "robust = 'maybe' must be True or False"),
    (lambda: lm.fit(DATA, priors=1), "priors = 1 must be True or False"),
    (lambda: lm.fit(DATA, MODEL, bootstrap="x"), "bootstrap = 'x': there is no such bootstrap"),
    (lambda: lm.theory(5), "name = 5 must be"),
    (lambda: lm.figure(None), "name = None must be"),
]


@pytest.mark.parametrize(("call", "said"), WRONG, ids=[said for _, said in WRONG])
def test_an_argument_of_no_use_is_named(call, said):
    with pytest.raises(ArgumentError) as told:
        call()
    assert str(told.value).startswith(said)


def test_an_axis_may_be_a_text_as_on_the_command_line():
    swept = lm.sweep(MODEL, {"shards": "1,2"}, 8, method="bounds").columns()
    assert swept["shards"].tolist() == [1, 2]


def test_data_in_memory_have_no_file():
    with pytest.raises(ScenarioError) as told:
        lm.fit({"tasks": [1, 2, 4], "throughput": [1, "x", 3]})
    assert str(told.value).startswith("data:3: '2,x': throughput 'x' is not a number; ")
