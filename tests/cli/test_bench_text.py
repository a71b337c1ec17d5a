"""The report of `lockmodel bench`: where the curve ends and peaks, and what is doubtful."""

from __future__ import annotations

import pytest
from benches import big, curve, run

from lockmodel.cli.bench_text import check_text, text
from lockmodel.measure.bench.checks import Reason


def top(*runs, **more):
    """Return what stands above the table, in one line."""
    return " ".join(text(curve(*runs, **more), False, False).partition("\n\n")[0].split())


def rates(levels):
    """Return one run of half a second per population, all processes alike."""
    return [run(n, 1, [rate // n // 2] * n) for n, rate in levels.items()]


NAME = "fork + execve(true) + exit + wait"


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (
            {1: 1000, 4: 3600, 8: 2400},
            "2.40 k/s at 8 processes, 2.40 times that at 1, 33 % below its peak of 3.60 k/s at 4.",
        ),
        (
            {1: 1000, 2: 1800},
            "1.80 k/s at 2 processes, 1.80 times that at 1, the highest of 2 populations.",
        ),
        ({4: 4000}, "4.00 k/s at 4 processes; one population says nothing of how it scales."),
    ],
)
def test_the_answer_is_the_end_the_speedup_and_the_peak(levels, said):
    assert top(*rates(levels)) == f"{NAME}: {said}"


def test_a_peak_within_the_spread_of_repeats_is_none():
    runs = [run(1, r, [500]) for r in (1, 2)]
    runs += [run(4, r, [k] * 4) for r, k in ((1, 460), (2, 440))]  # 3.60 k/s, spread 3.1 %
    runs += [run(8, r, [220] * 8) for r in (1, 2)]  # 3.52 k/s, 2.2 % below
    assert top(*runs) == (
        f"{NAME}: 3.52 k/s at 8 processes, 3.52 times that at 1, level with its peak of 3.60 k/s "
        f"at 4 within the spread of repeats."
    )


def test_noise_and_other_load_make_it_doubtful():
    noisy = [run(1, 1, [500]), run(1, 2, [600], busy=0.4), run(1, 3, [550], steal=0.03)]
    assert top(*noisy).endswith(  # mean 550, deviations 50, 50, 0: sd 50
        "! doubtful: repeats spread by up to 9.1 % (n = 1); others used up to 40 % of the CPUs "
        "that had no process of ours (1 of 3 runs); the hypervisor took up to 3.0 % of the CPU time"
    )
    assert "doubtful" not in top(run(1, 1, [500]), run(1, 2, [510]))


def test_runs_that_are_missing_are_said_on_top():
    said = top(*rates({1: 1000, 2: 1800}), planned=6, empty=(4,))
    assert "! interrupted: 3 of 6 runs were made ! no iteration ended within the window" in said


def test_caveats_are_counted_and_explained():
    measured = curve(*rates({1: 1000, 16: 9600}))  # 16 processes on 8 CPUs; few CPUs, SMT
    short = text(measured, False, False).splitlines()
    assert short[-1] == "2 runs of 0.5 s on CPU X; 3 caveats: --explain"
    full = text(measured, True, False)
    assert "more processes (16) than CPUs (8)" in full
    assert "  2. 2 hardware threads per core: from 5 processes on" in full
    assert "Linux 6.12.1" in full


def test_many_populations_are_thinned_but_keep_the_peak():
    levels = {n: 1000 * n if n <= 38 else 37_000 for n in range(1, 65)}
    measured = curve(*rates(levels))
    lines = text(measured, False, False).splitlines()
    assert len(lines) <= 25
    table = lines[lines.index("") + 2 : -2]
    rows = [int(line.split()[0]) for line in table]
    assert (rows[0], rows[-1], 38 in rows, len(rows)) == (1, 64, True, 13)
    assert "51 more populations: --explain" in lines
    assert "more populations" not in text(measured, True, False)


def test_the_check_counts_first_and_shows_six():
    reasons = [Reason(f"r{i}", f"reason {i}", "mend it") for i in range(8)]
    lines = check_text(big(), reasons, False, False).splitlines()
    assert lines[0].startswith("8 reasons say that a measurement would mislead on CPU X, 8 CPUs")
    assert [line.strip() for line in lines if line.startswith("  ")] == [
        f"{i + 1}. reason {i}: mend it" for i in range(6)
    ]
    assert "2 more reasons: --explain" in lines
    assert "more reasons" not in check_text(big(), reasons, True, False)
    assert check_text(big(), [], False, False).startswith("No reason was found")
    assert check_text(big(), reasons[:1], False, False).startswith("1 reason says that a meas")
