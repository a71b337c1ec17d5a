"""Scores of held-out points, and which files and curves are scored."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from invoked import invoke

from lockmodel.errors import ArgumentError, FileError
from lockmodel.evaluate.accuracy import METHODS, accuracy, interval_score, score
from lockmodel.evaluate.curve_files import chosen_curves, eligible, read_curves
from lockmodel.evaluate.hosts import Hosts
from lockmodel.fitting.curves.comparison import FamilyComparison
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.fitting import halves
from lockmodel.fitting.curves.pool import constants_by_host, pool
from lockmodel.model.machines import parse
from lockmodel.model.shipped import shipped_dir

RISING = "threads,throughput,variant\n" + "".join(
    f"{n},{100 * n / (1 + 0.1 * (n - 1)):.6f},a\n" for n in (1, 2, 4, 8, 16, 32)
)


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def test_errors_are_mean_absolute_logarithms_of_the_upper_half() -> None:
    curve = Curve(np.array([1, 2, 3, 4, 6, 8]), np.array([1.0, 2.0, 3.0, 4.0, 3.0, 5.0]))
    made = score(curve)
    assert made.points == 2
    assert made.errors["last"] == pytest.approx((math.log(4 / 3) + math.log(5 / 4)) / 2)
    # linear up to 4: Amdahl's serial share goes to its limit, so it says 6 and 8
    assert made.errors["amdahl"] == pytest.approx((math.log(2) + math.log(8 / 5)) / 2, abs=1e-3)
    assert set(made.errors) == set(METHODS)


def test_the_held_out_half_has_no_influence_on_the_prediction() -> None:
    n = np.array([1, 2, 4, 8, 16, 32])
    x = np.array([1.0, 1.9, 3.5, 5.5, 7.0, 7.4])
    other = x.copy()
    other[-1] *= 2.0
    one, two = score(Curve(n, x)), score(Curve(n, other))
    # ln(p / x) and ln(p / 2x): both errors together are ln 2 if p lies between, for the same p
    assert one.errors["lockmodel"] + two.errors["lockmodel"] == pytest.approx(math.log(2), abs=0.3)
    signed = [s * one.errors["lockmodel"] for s in (1, -1)]
    assert any(abs(abs(e - math.log(2)) - two.errors["lockmodel"]) < 1e-12 for e in signed)


def test_amdahl_is_exact_where_the_data_are_amdahl(tmp_path: Path) -> None:
    made = accuracy(write(tmp_path, curve=RISING), workers=1)
    assert made.curves == 1
    assert made.median("amdahl") < 1e-4
    assert made.median("usl") < 1e-3
    assert made.median("lockmodel") < 0.1
    assert made.median("last") == pytest.approx(math.log((32 / 4.1) / (16 / 2.5)), abs=1e-6)
    assert made.coverage == 1.0


def test_file_and_overall_numbers_are_medians_and_means(tmp_path: Path) -> None:
    body = RISING.split("\n", 1)[1]
    lower = body.replace(",a", ",b").replace("32,7", "32,5")
    lowest = body.replace(",a", ",c").replace("32,7", "32,1")
    made = accuracy(write(tmp_path, one=RISING, two=RISING + lower + lowest), workers=1)
    one, two = made.files
    errors = sorted(curve.errors["last"] for curve in two.curves)
    assert len(errors) == 3
    assert errors[2] > 1.5 * errors[1]
    assert two.median("last") == errors[1]
    assert two.mean("last") == pytest.approx(sum(errors) / 3)
    assert made.median("last") == pytest.approx((one.median("last") + errors[1]) / 2)
    assert made.mean("last") == pytest.approx((one.mean("last") + sum(errors) / 3) / 2)
    data = made.to_json()
    assert list(data) == ["schema", "files", "hosts", "overall", "skipped"]
    assert data["schema"] == "lockmodel.accuracy/2"
    assert list(data["files"]["two.csv"]) == ["curves", *METHODS, "coverage"]
    assert data["files"]["two.csv"]["last"] == two.median("last")
    assert data["overall"]["last"]["median"] == made.median("last")
    assert data["overall"]["last"]["mean"] == made.mean("last")
    assert data["overall"]["last"]["coverage"] is None  # of two hosts no band can be set
    assert data["overall"]["curves"] == 4


def test_results_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    text = RISING + RISING.split("\n", 1)[1].replace(",a", ",b").replace("16,6", "16,5")
    folder = write(tmp_path, curve=text)
    assert accuracy(folder, workers=1).to_json() == accuracy(folder, workers=2).to_json()


def test_what_cannot_be_scored_is_listed_with_the_reason(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        good=RISING,
        broken="threads,throughput\n1,ten\n",
        columns="batch,throughput\n63,1\n127,2\n",
        constant="threads,throughput,variant\n140,1,k=2\n140,2,k=4\n140,3,k=8\n",
        few="threads,throughput\n1,1\n2,2\n3,3\n",
        said="# x is NOT the thread count but a load\n# note: x is NOT the thread count\n" + RISING,
        empty="",
    )
    reasons = dict(accuracy(folder, workers=1).skipped)
    assert set(reasons) == {
        "broken.csv", "columns.csv", "constant.csv", "few.csv", "said.csv", "empty.csv",
    }  # fmt: skip
    assert "'ten'" in reasons["broken.csv"]
    assert "no column tasks" in reasons["columns.csv"]
    assert "same throughout every variant" in reasons["constant.csv"]
    assert "no variant has 6 points" in reasons["few.csv"]
    assert "x is not the thread count" in reasons["said.csv"]
    assert "is empty" in reasons["empty.csv"]


def test_a_failed_run_costs_its_row_and_not_the_file(tmp_path: Path) -> None:
    good = "".join(f"{n},{x},a\n" for n, x in ((1, 1), (2, 2), (3, 3), (4, 4), (6, 5), (8, 5)))
    text = f"threads,throughput,variant\n{good}1,0,b\n2,nan,b\n4,,b\n"
    result = accuracy(write(tmp_path, mix=text), workers=1).to_json()
    assert result["files"]["mix.csv"]["curves"] == 1
    assert result["skipped"]["mix.csv"].startswith("rows left out: 3 without a throughput above 0")


def test_fractions_of_a_thread_are_rounded(tmp_path: Path) -> None:
    text = "threads,throughput\n1,1\n2,2\n18.667,5\n56,6\n"
    _, (curve,) = read_curves(write(tmp_path, folly=text) / "folly.csv")
    assert curve.n.tolist() == [1, 2, 19, 56]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        ([1, 2, 3, 4, 6, 8], True),
        ([1, 2, 3, 4, 8], False),  # 5 points
        ([1, 2, 3, 4, 5, 7], False),  # only up to 7
        ([1, 2, 3, 9, 12, 16], False),  # 3 points up to 8
    ],
)
def test_curves_need_points_reach_and_a_lower_half(n: list[int], expected: bool) -> None:
    assert eligible(Curve(np.array(n), np.ones(len(n)))) is expected


def test_folders_without_a_curve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"holds no \.csv file"):
        accuracy(tmp_path)
    with pytest.raises(ArgumentError, match=r"no curve can be scored.*few\.csv: no variant has 6"):
        accuracy(write(tmp_path, few="threads,throughput\n1,1\n2,2\n3,3\n"))
    with pytest.raises(FileError, match="cannot be read: No such file"):
        accuracy(tmp_path / "absent")


@pytest.fixture(scope="module")
def published() -> dict[str, object]:
    folder = shipped_dir("data") / "published"
    made: dict[str, object] = json.loads(json.dumps(accuracy(folder, workers=1).to_json()))
    return made


def test_shipped_curves_reach_the_promised_accuracy(published: dict[str, dict[str, dict]]) -> None:
    overall = published["overall"]
    own, rivals = overall["lockmodel"], [overall[name] for name in METHODS[1:]]
    assert overall["curves"] >= 60
    assert len(published["hosts"]) == 8
    assert own["median"] < min(rival["median"] for rival in rivals)
    assert own["mean"] < min(rival["mean"] for rival in rivals)
    assert own["worst"] >= 0.6
    assert own["declines"] >= 0.5
    assert 0.85 <= overall["coverage"] <= 0.97


def test_shipped_files_that_are_no_thread_curves_are_skipped(
    published: dict[str, dict[str, str]],
) -> None:
    skipped = published["skipped"]
    assert "x is not the thread count" in skipped["futex_hash_bucket_sharding.csv"]
    assert "no column tasks" in skipped["pcp_batch_hold_vs_acquires.csv"]
    assert "latency.csv" in skipped


def test_the_command_prints_a_table_of_80_columns_and_json(tmp_path: Path) -> None:
    folder = write(tmp_path, a_name_that_is_longer_than_the_column_it_goes_to=RISING, bad="x")
    text = invoke("accuracy", str(folder)).output
    assert max(len(line) for line in text.splitlines()) <= 80
    lines = text.splitlines()
    assert lines[0].startswith("1 curve of 1 host predicted beyond the first half: median error ")
    rows = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert rows["amdahl"][1] == "0.000"
    assert rows["amdahl"][3] == "-"  # one host: no other to set a band on
    assert rows["a_name_that_is_longer_than..."][1] == "1"
    assert [name for name in METHODS if name in rows] == list(METHODS)
    assert "1 not scored: --all" in text
    assert "bad.csv" in invoke("accuracy", str(folder), "--all").output
    data = json.loads(invoke("accuracy", str(folder), "--json").output)
    assert data["overall"]["amdahl"]["median"] < 1e-4


def test_interval_score_is_width_and_twenty_times_the_miss() -> None:
    y, low, high = np.array([0.0, -1.0, 3.0]), np.full(3, -0.5), np.full(3, 1.5)
    assert interval_score(y, low, high) == pytest.approx(2.0 + 20 * (0.0 + 0.5 + 1.5) / 3)


def test_files_of_one_host_are_one_host_and_its_constants_leave_it_out(tmp_path: Path) -> None:
    folder = write(tmp_path, one=RISING, two=RISING, three=RISING)
    table = tmp_path / "hosts.csv"
    table.write_text("# c\nfile,variant,host,topology,note\none|two,.*,x5-4,2x4x2,\n")
    made = accuracy(folder, workers=1)
    assert {host.name: host.curves for host in made.hosts} == {"x5-4": 2, "three": 1}
    near = Curve(np.array([1, 2, 4, 8, 16]), 100 * np.array([1, 2, 4, 8, 16]) / np.array(
        [1, 1.1, 1.3, 1.7, 2.5]), machine=parse("2x4x2"))  # fmt: skip
    assert pool(near, "x5-4").constants == constants_by_host()["x5-4"]
    assert pool(near, "elsewhere").constants == constants_by_host()["none"]
    with_host, alone = made.files[0].curves[0], made.files[1].curves[0]
    assert with_host.host == "x5-4"
    assert with_host.errors["lockmodel"] != alone.errors["lockmodel"]


def test_rivals_bands_are_set_on_the_other_hosts(tmp_path: Path) -> None:
    """Four hosts that end at 8 times 2, 4, 8 and 1/8: a band set on three misses the fourth."""
    rows = "".join(f"{n},{n}\n" for n in (1, 2, 4, 8))
    for name, factor in (("a", 2), ("b", 4), ("c", 8), ("d", 0.125)):
        text = f"threads,throughput\n{rows}12,{8 * factor}\n16,{8 * factor}\n"
        (tmp_path / f"{name}.csv").write_text(text)
    (last,) = (one for one in accuracy(tmp_path, workers=1).summaries if one.method == "last")
    assert last.worst == 0.0
    assert last.coverage is not None
    assert last.coverage <= 0.75
    assert last.declines == 0.0  # d falls, and the last value never says so


def test_a_table_of_hosts_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "h.csv"
    for text, said in (
        ("file,host\na,b\n", "no column variant"),
        ("file,variant,host\n(,.*,b\n", "no regular expression"),
    ):
        table.write_text(text)
        with pytest.raises(FileError, match=said):
            Hosts.read(table)
    table.write_text("file,variant,host,topology\na,.*,b,2x\n")
    with pytest.raises(ArgumentError, match="SOCKETSxCORESxTHREADS"):
        Hosts.read(table)


@pytest.mark.long
def test_peaks_of_shipped_curves_lie_in_the_intervals_of_their_lower_half() -> None:
    """Of 90 %; the place counts as met between the neighbours of the highest population."""
    folder = shipped_dir("data") / "published"
    tasks = [task for _, own in chosen_curves(folder, Hosts.beside(folder))[0] for task in own]
    places, heights = [], []
    for host, curve in tasks:
        near, _ = halves(curve)
        made = FamilyComparison(near, (), pool(near, host), None)
        top = int(curve.x.argmax())
        before, after = curve.n[max(top - 1, 0)], curve.n[min(top + 1, len(curve.n) - 1)]
        place, height = made.peak(), made.height()
        open_ended = top == len(curve.n) - 1  # it may lie anywhere beyond
        places.append(place.high >= before and (open_ended or place.low <= after))
        heights.append(height.low <= curve.x[top] <= height.high)
    assert len(places) > 50
    assert np.mean(places) >= 0.85
    assert np.mean(heights) >= 0.85
