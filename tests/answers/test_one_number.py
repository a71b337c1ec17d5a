"""A lever of a fit has one interval, whichever question it is an answer to."""

import pytest

from lockmodel.answers import intervals
from lockmodel.answers.explain import explain
from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import rank
from lockmodel.answers.shard_question import Question
from lockmodel.answers.shards import shards
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.changes.lever import text_of
from lockmodel.model.shipped import find_scenario

MODEL = find_scenario("execl-xeon8369b")
N = 128


DRAWS = 24
"""Enough to tell ends apart: what is asked here is whether they are the same."""


@pytest.fixture
def few(monkeypatch) -> None:
    monkeypatch.setattr(intervals, "COUNT", DRAWS)


@pytest.fixture(scope="module")
def asked() -> dict[str, dict[str, tuple[float, float]]]:
    """Return what every question says of the levers it is about: gain intervals by text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "COUNT", DRAWS)
        levers = rank(MODEL, N)
        shown = explain(MODEL, N)
        counted = shards(MODEL, N, Question(lock="libc.so.6"))
    assert {a.fit.draws for a in (levers, shown, counted) if a.fit} == {DRAWS}
    return {
        "levers": {row.lever.text: row.gain_interval for row in levers.levers},
        "explain": {text_of(one.levers): one.interval for one in shown.bought},
        "shards": {row.lever.text: row.gain_interval for row in counted.rows if row.lever},
    }


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("shorten_hold:libc.so.6=0.5", {"levers", "explain"}),
        ("batch:libc.so.6=1", {"levers", "explain"}),
        ("shard:libc.so.6=2", {"levers", "shards"}),
        ("shard:libc.so.6=8", {"explain", "shards"}),
        ("skip:libc.so.6/exec.map_split", {"levers"}),
    ],
)
def test_whatif_has_the_ends_of(asked, few, text, among):
    several = compare(MODEL, [parse(text), parse("less_think=0.9")], [16, N])
    alone = compare(MODEL, [parse(text)], [N])
    ends = alone.points[0].gain_interval
    assert alone.fit is not None
    assert alone.fit.draws == DRAWS
    assert several.alone[0].gain_intervals[-1] == ends
    low, high = ends
    assert high - low > 0.05
    found = {
        name: said[by] for name, said in asked.items() for by in said if by.split(",")[0] == text
    }
    assert found == dict.fromkeys(among, ends)


def test_a_prediction_has_as_many_draws_until_it_is_a_curve_of_hundreds():
    assert [intervals.count_of(n) for n in (1, 8, 512, 513)] == [128, 128, 128, 32]
    one, many = (predict(MODEL, ns).points[-1] for ns in ([N], [2, 4, 8, 16, 32, 64, 100, 120, N]))
    assert one.interval_per_s == many.interval_per_s
