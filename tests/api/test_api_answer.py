"""What an answer is: frozen, shown as the report, its numbers as arrays, CSV, dict and picture."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from places import CASES

import lockmodel as lm
from lockmodel.errors import FileError, NotTrustworthyError
from lockmodel.model.toml import load

TRUTH = load(CASES / "truth.toml")
POPULATIONS = [1, 8, 64]


@pytest.fixture(scope="module")
def answer():
    return lm.predict(TRUTH, POPULATIONS)


def test_columns_are_arrays_of_one_length(answer):
    columns = answer.columns()
    assert columns["n"].tolist() == POPULATIONS
    assert columns["n"].dtype.kind == "i"
    assert columns["binding"].dtype.kind == "U"
    assert {len(array) for array in columns.values()} == {3}
    # alone: 120 us of think, 4 x (900 x 0.35 ns + 20 ns)
    assert columns["throughput_per_s"][0] == pytest.approx(1 / 121.34e-6, rel=1e-9)


def test_what_there_is_none_of_is_nan(answer):
    low = answer.columns()["throughput_low_per_s"]
    assert low.dtype == np.float64
    assert np.isnan(low).all()


def test_a_column_of_words_has_empty_ones(tmp_path):
    (tmp_path / "two.csv").write_text("tasks,throughput,variant\n1,10,\n2,20,patched\n")
    columns = lm.read(tmp_path / "two.csv").columns()
    assert columns["variant"].tolist() == ["", "patched"]
    assert columns["value"].tolist() == [10.0, 20.0]


def test_no_rows_are_no_columns_and_no_text(tmp_path):
    (tmp_path / "think.toml").write_text(
        'schema = "lockmodel.scenario/1"\nname = "t"\ntitle = "t"\niteration = "i"\n'
        'think_us = 1\n[machine]\nname = "m"\ncpus = 4\ncores = 4\n'
    )
    idle = lm.ceiling(tmp_path / "think.toml")
    assert idle.at_n.binding == "cpu"
    assert idle.columns() == {}


def test_an_answer_is_frozen_copied_and_pickled(answer):
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.result = None
    for other in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer)):
        assert other == answer
        assert repr(other) == repr(answer)


def test_attributes_are_those_of_the_result(answer):
    assert answer.points is answer.result.points
    assert {"points", "ceiling", "columns", "to_csv"} <= set(dir(answer))
    with pytest.raises(AttributeError, match="'Prediction' object has no attribute 'pionts'"):
        _ = answer.pionts


def test_explained_it_is_the_long_report(answer, command):
    line = ["predict", str(CASES / "truth.toml"), "-n", "1,8,64", "--explain"]
    assert f"{answer.explain()!r}\n" == command(*line).stdout
    assert answer.explain() == answer


def test_html_is_the_report_with_its_signs_escaped(monkeypatch, answer):
    assert answer._repr_html_().startswith("<pre>t: ")
    monkeypatch.setattr(lm.Answer, "__repr__", lambda self: "a < b & c")
    assert answer._repr_html_() == "<pre>a &lt; b &amp; c</pre>"


def test_in_a_notebook_the_report_is_a_text_as_well(monkeypatch, answer):
    said = repr(answer)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert repr(answer) == said


def test_csv_is_written_whole_and_overwrites_nothing(answer, tmp_path, capsys):
    path = tmp_path / "made.csv"
    assert answer.to_csv(path) is None
    assert path.read_text() == answer.to_csv()
    path.write_text("mine")
    with pytest.raises(FileError, match="exists and is kept; use force=True to overwrite it"):
        answer.to_csv(path)
    assert path.read_text() == "mine"
    answer.to_csv(str(path), force=True)
    assert path.read_text().startswith("n,throughput_per_s,")
    assert [one.name for one in tmp_path.iterdir()] == ["made.csv"]
    assert capsys.readouterr() == ("", "")


ANSWERS = {
    "whatif": lambda: lm.whatif(TRUTH, "less_think=0.5", [8, 16], "product-form"),
    "levers": lambda: lm.levers(TRUTH, 8, "bounds"),
    "ceiling": lambda: lm.ceiling(TRUTH, over="acquires=1..3"),
    "sweep": lambda: lm.sweep(TRUTH, {"shards": [1, 2]}, 8, "bounds"),
    "theory": lambda: lm.theory("any-change", q=0.4),
    "fit": lambda: lm.fit(CASES / "c.csv", TRUTH, free="think,hold"),
    "families": lambda: lm.fit({"tasks": [1, 2, 4, 8], "throughput": [1000, 1960, 3650, 5200]}),
    "read": lambda: lm.read("unixbench_execl_xeon8369b.csv"),
}


@pytest.mark.parametrize("made", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_is_copied_pickled_and_equal(made):
    answer = made()
    for other in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer)):
        assert other == answer
        assert repr(other) == repr(answer)
        assert hash(other) == hash(answer)


def test_answers_that_say_something_else_differ(answer):
    assert answer != lm.predict(TRUTH, POPULATIONS[:2])
    assert answer != lm.levers(TRUTH, 8, "bounds")


def test_a_change_is_drawn_before_and_after():
    answer = ANSWERS["whatif"]()
    (axes,) = answer.plot().axes
    before, after = axes.get_lines()
    assert before.get_xdata().tolist() == [8, 16]
    assert before.get_ydata() * 1e3 == pytest.approx(answer.columns()["before_per_s"])
    assert after.get_ydata() * 1e3 == pytest.approx(answer.columns()["after_per_s"])


def test_a_ranking_is_drawn_best_on_top():
    answer = ANSWERS["levers"]()
    (axes,) = answer.plot().axes
    gains = [bar.get_width() / 100 for bar in axes.patches]
    assert gains == pytest.approx(sorted(answer.columns()["gain"])[-16:])
    assert axes.get_yticklabels()[-1].get_text() == answer.levers[0].lever.text


def test_ceilings_are_drawn_along_their_axis():
    answer = ANSWERS["ceiling"]()
    (axes,) = answer.plot().axes
    (drawn,) = axes.get_lines()
    assert drawn.get_xdata().tolist() == [1, 2, 3]
    assert drawn.get_ydata() * 1e3 == pytest.approx(answer.columns()["ceiling_at_n_per_s"])
    assert len(lm.ceiling(TRUTH).plot().axes) == len(lm.ceiling(TRUTH).axes)


def test_what_was_read_is_drawn_as_it_is():
    answer = ANSWERS["read"]()
    (axes,) = answer.plot().axes
    (drawn,) = axes.get_lines()
    assert drawn.get_ydata().tolist() == answer.columns()["value"].tolist()
    assert axes.get_ylabel() == "throughput, 1/s"


def test_numbers_of_a_statement_are_drawn_by_unit():
    answer = lm.theory("comparison")
    panels = answer.plot().axes
    assert [axes.get_xlabel() for axes in panels] == ["times", "acquires", "shards"]
    drawn = [value for axes in panels for value in axes.get_lines()[0].get_xdata()]
    assert sorted(drawn) == pytest.approx(sorted(answer.columns()["value"]))


def test_a_sweep_shows_its_first_rows_and_all_if_explained():
    swept = lm.sweep(TRUTH, "think=0.1..1.0:30", 8, "bounds")
    shown = repr(swept).splitlines()
    assert shown[0] == "think,n,throughput_per_s,ceiling_per_s,binding"
    assert shown[25] == "(30 rows, 24 shown)"
    assert len(repr(swept.explain()).splitlines()) >= 31
    assert len(swept.columns()["think"]) == 30
    assert len(swept.plot().axes) == 1


def test_what_was_stopped_is_kept_by_the_error():
    with pytest.raises(NotTrustworthyError, match="of the levers were not tried") as caught:
        lm.levers(TRUTH, 8, time_limit=1e-9)
    kept = caught.value.answer
    assert kept.untried > 0
    assert kept.columns() == {}
    assert caught.value.__notes__ == ["`answer` of this error has what there is all the same"]


def test_a_fit_that_is_of_no_use_is_kept_by_the_error():
    with pytest.raises(NotTrustworthyError, match="not to be relied on: POOR FIT") as caught:
        lm.fit(CASES / "c.csv", TRUTH, free="think")
    kept = caught.value.answer
    assert "! POOR FIT" in repr(kept)
    assert kept.columns()["name"].tolist() == ["think"]
