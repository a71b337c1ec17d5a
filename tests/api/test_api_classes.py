"""Several classes from Python."""

from __future__ import annotations

import json

import pytest

import lockmodel as lm
from lockmodel.errors import ScenarioError


def test_predict_and_whatif_have_each_class():
    answer = lm.predict("mix-xeon8369b", [16])
    assert answer.columns()["n server"].tolist() == [4]
    total = sum(own.throughput_per_s for own in answer.points[0].classes.values())
    assert answer.columns()["throughput_per_s"][0] == pytest.approx(total)
    changed = lm.whatif("mix-xeon8369b", "shorten_hold:libc.so.6=0.5", [16])
    assert changed.columns()["gain execl"][0] > changed.columns()["gain compiler"][0]


def test_levers_and_ceilings_have_each_class(command):
    answer = lm.levers("mix-xeon8369b", 8, "product-form")
    said = command("levers", "mix-xeon8369b", "-n", "8", "--method", "product-form", "--json")
    assert json.loads(json.dumps(answer.to_dict())) == json.loads(said.stdout)
    ends = lm.ceiling("mix-xeon8369b", 8)
    said = command("ceiling", "mix-xeon8369b", "-n", "8", "--json")
    assert json.loads(json.dumps(ends.to_dict())) == json.loads(said.stdout)
    assert "libc.so.6" in ends.columns()["station"]


def test_what_is_about_one_iteration_says_so():
    with pytest.raises(ScenarioError, match=r"several classes \(execl, compiler, server\)"):
        lm.sweep("mix-xeon8369b", {"shards": [1, 2]}, [8])
