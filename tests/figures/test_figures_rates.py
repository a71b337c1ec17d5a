"""Rates from counts: what was measured, on machines whose own throughput had no part."""

from __future__ import annotations

import csv

import pytest
from places import ROOT

from lockmodel.figures import rates
from lockmodel.measure.acquires import from_counts as module
from lockmodel.model.placement import transfer

DATA = ROOT / "data"


def read(path: str) -> list[dict[str, str]]:
    text = (DATA / path).read_text().splitlines()
    return list(csv.DictReader(line for line in text if not line.startswith("#")))


@pytest.fixture(scope="module")
def shown():
    return rates.data()


def test_measured_are_the_published_rates(shown):
    rows = read("computed/line_overlap.csv")
    measured = {(r["machine"], int(r["n"])): float(r["throughput"]) for r in rows}
    assert {(o.machine, o.n): o.measured_per_s for o in shown.saturated} == measured
    curve = read("published/unixbench_execl_xeon8369b.csv")
    assert [(o.n, o.measured_per_s) for o in shown.curve] == [
        (int(r["threads"]), float(r["throughput"])) for r in curve
    ]


def test_saturated_rates_are_met_within_14_percent_and_their_intervals(shown):
    assert len(shown.saturated) == 4
    for one in shown.saturated:
        assert abs(one.off) < 0.14, one
        assert one.low_per_s <= one.measured_per_s <= one.high_per_s, one
    assert shown.curve[0].off < -0.3  # one copy: nobody counted what an instruction takes
    assert max(one.off for one in shown.curve) == pytest.approx(0.2, abs=0.02)


@pytest.mark.usefixtures("hardly_drawn")
def test_no_rate_of_a_machine_has_a_part_in_its_own_prediction(monkeypatch):
    """Another overlap of the first machine: its prediction stays, those of all others move."""
    shown = rates.data()
    true = module.read_table
    first = shown.saturated[0].machine

    def moved(path):
        rows = true(path)
        return [
            {**r, "overlap": "0.6"} if r.get("machine") == first and "overlap" in r else r
            for r in rows
        ]

    monkeypatch.setattr(module, "read_table", moved)
    again = rates.data()
    assert again.saturated[0] == shown.saturated[0]
    for was, now in zip(shown.saturated[1:], again.saturated[1:], strict=True):
        assert now.predicted_per_s < 0.97 * was.predicted_per_s


def test_the_machine_without_a_scenario_is_that_of_the_table():
    (row,) = (
        r for r in read("computed/line_overlap.csv") if r["machine"] == rates.cooper_lake().name
    )
    line = transfer(rates.cooper_lake(), int(row["n"])) * 1e9
    assert line == pytest.approx(float(row["line_ns"]), abs=0.1)
