"""lockmodel fit without a model: the families compete, the pool predicts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from invoked import invoke

from lockmodel.cli import run
from lockmodel.model.toml import load
from lockmodel.solvers.solve import points

CURVE = "unixbench_execl_xeon8369b.csv"
MEASURED = {1: 6410.4, 16: 51465.8, 128: 33036.0}


def fit(*arguments: str):
    return invoke("fit", *arguments)


@pytest.fixture(scope="module")
def compared():
    done = fit(CURVE, "--json")
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)["curves"]
    return one


def test_all_families_compete_and_weights_sum_to_one(compared):
    names = [row["name"] for row in compared["families"]]
    assert names == [
        *("last", "amdahl", "usl", "none", "constant", "linear", "saturating", "topology")
    ]
    assert sum(row["weight"] for row in compared["families"]) == pytest.approx(1.0, abs=1e-9)


def test_on_a_retrograde_curve_every_lock_beats_amdahl(compared):
    """Amdahl's law has no peak: beyond half the populations it must be worse than a lock."""
    beyond = {row["name"]: row["extrapolation"] for row in compared["families"]}
    for name in ("linear", "saturating", "topology"):
        assert beyond[name] < beyond["usl"] < beyond["amdahl"]
    assert compared["predictor"]["extrapolation"] < beyond["last"]


def test_the_band_widens_beyond_the_data_and_holds_the_data(compared):
    average = compared["predictor"]
    width = {
        n: np.log(high / low)
        for n, low, high in zip(average["n"], average["low"], average["high"], strict=True)
    }
    assert width[512] > width[256] > 2 * width[128]
    for n, low, high in zip(average["n"], average["low"], average["high"], strict=True):
        if n in MEASURED:
            assert low < MEASURED[n] < high


def test_peak_and_ceiling_have_intervals(compared):
    assert compared["peak"]["determined"]
    assert compared["peak"]["low"] <= 16 <= compared["peak"]["high"]
    assert compared["ceiling"]["low"] < 51465.8 * 1.05


def test_direction_edges_and_the_height_of_the_peak_are_answers(compared):
    assert compared["machine"] == "2x32x2"
    direction = compared["direction"]
    assert direction["n"] == 256
    shares = [direction[name] for name in ("falls", "flat", "rises")]
    assert sum(shares) == pytest.approx(1.0)
    assert max(shares) == direction["falls"]
    assert compared["edges"] == [{"after": 128, "what": "cpus"}]
    height = compared["peak_throughput"]
    assert 0.9 * 51465.8 < height["low"] <= height["median"] <= height["high"] < 1.1 * 51465.8


def test_processes_beyond_the_cpus_are_no_lock(tmp_path):
    path = tmp_path / "clients.csv"
    rows = zip((1, 4, 16, 32, 64, 128), (513, 2060, 6204, 10518, 14318, 17146), strict=True)
    path.write_text("threads,throughput\n" + "".join(f"{n},{x}\n" for n, x in rows))
    out = " ".join(fit(str(path), "--cpus", "80").stdout.split())
    assert "beyond 80 processes all CPUs are busy" in out
    (one,) = json.loads(fit(str(path), "--cpus", "300", "--json").stdout)["curves"]
    assert (one["cpus"], one["machine"]) == (300, None)
    assert one["edges"] == [{"after": 150, "what": "half"}]
    assert (one["next_point"]["at"], one["next_point"]["target"]) == (188, 256)
    assert run(["fit", str(path), "--cpus", "80", "--machine", "2x20x2"]) == 3


def test_text_says_what_no_curve_can_tell_and_fits_80_columns():
    out = fit(CURVE, "--explain").stdout
    flat = " ".join(out.split())
    assert "a throughput curve alone never separates held work (tau I) from hand-off" in flat
    assert "nor acquires (m) from their cost" in flat
    assert max(map(len, out.splitlines())) <= 80


def test_the_best_lock_is_saved_as_a_scenario_that_predicts(tmp_path):
    path = tmp_path / "lock.toml"
    picture = tmp_path / "curve.svg"
    done = fit(CURVE, "-o", str(path), "--plot", str(picture))
    assert done.exit_code == 0, done.output
    scenario = load(path)
    assert scenario.fit is not None
    assert scenario.machine.cpus == 128
    assert scenario.machine.sockets == 2
    assert picture.stat().st_size > 1000
    for n, x in MEASURED.items():
        (point,) = points(scenario, [n])
        assert point.throughput_per_s == pytest.approx(x, rel=0.15)
    ran = invoke("predict", str(path), "-n", "64", "--json")
    low, high = json.loads(ran.stdout)["points"][0]["interval_per_s"]
    assert low < 37356.7 < high


def test_a_lock_whose_work_is_not_counted_in_instructions_reads_in_its_own_unit(tmp_path):
    """It read "6.62e+05 ns per instruction"."""
    path = tmp_path / "lock.toml"
    assert fit(CURVE, "-o", str(path)).exit_code == 0
    held = load(path).locks[0].time_per_instruction_local
    assert 1e-6 < held < 1e-3
    shown = invoke("show", str(path), "--explain").stdout
    assert f"lock (fifo): {1e6 * held:.1f} us" in shown
    assert "e+0" not in shown
    assert "(sockets x cores x threads)" in shown


def test_several_variants_are_several_curves_and_only_takes_one(monkeypatch):
    monkeypatch.setattr("lockmodel.fitting.curves.fitting.STARTS", 1)  # any fit will do
    every = json.loads(fit("cna_v3_lock2_threads.csv", "--json").stdout)["curves"]
    labels = [one["curve"] for one in every]
    assert len(labels) == 3
    one = json.loads(fit("cna_v3_lock2_threads.csv", "--only", labels[1], "--json").stdout)
    assert [c["curve"] for c in one["curves"]] == [labels[1]]
    assert one["curves"][0] == every[1]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("tasks,throughput\n1,10\n2,19\n", 2, "three populations"),
        ("tasks,throughput\n1,10\n2,-3\n3,5\n", 2, "must be > 0"),
        ("tasks,throughput\n1,10\n2,nan\n3,5\n", 2, "nan"),
        ("", 2, "is empty"),
    ],
)
def test_curves_that_cannot_be_fitted(tmp_path, capsys, text, code, said):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert run(["fit", str(path)]) == code
    assert said in capsys.readouterr().err


def test_several_curves_cannot_be_saved_as_one(tmp_path, capsys):
    assert run(["fit", "cna_v3_lock2_threads.csv", "-o", str(tmp_path / "x.toml")]) == 3
    assert "--only" in capsys.readouterr().err
    assert not (tmp_path / "x.toml").exists()


def test_unknown_variant_names_the_nearest(capsys):
    assert run(["fit", "cna_v3_lock2_threads.csv", "--only", "stok"]) == 3
    assert "did you mean 'stock'" in capsys.readouterr().err


def test_times_need_a_rate(tmp_path, capsys):
    path = tmp_path / "x.csv"
    rows = "\n".join(f"{n},{x}" for n, x in ((1, 1), (2, 1.9), (4, 3.4), (8, 5), (16, 5)))
    path.write_text(f"# unit: score\ntasks,throughput\n{rows}\n")
    assert run(["fit", str(path), "-o", str(tmp_path / "x.toml")]) == 2
    assert "unit: ops/s" in capsys.readouterr().err
    assert run(["fit", str(path)]) == 0
