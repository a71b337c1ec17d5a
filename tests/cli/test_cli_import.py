"""`lockmodel import`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from invoked import Result, raising
from places import TESTS

from lockmodel.cli.app import COMMANDS
from lockmodel.errors import ArgumentError, FileError, ScenarioError
from lockmodel.observe.readers import read_file

SAMPLES = TESTS / "samples"
WIDTH = 80


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command in a fresh folder; a LockmodelError passes through."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Result:
        return raising("import", *args)

    return call


def sample(name: str) -> str:
    return str(SAMPLES / name)


def test_the_command_is_called_import() -> None:
    assert "import" in COMMANDS
    assert "Usage: lockmodel import [OPTIONS]" in raising("import", "--help").stdout


def test_it_says_what_was_recognised_read_determined_and_missing(run) -> None:
    out = run(sample("unixbench_report_v6_spawn_execl.log"), "--explain").stdout
    assert "throughput  1  Process Creation    6.17 k/s  1.26 k/s   3" in out
    flat = " ".join(out.split())
    assert "UnixBench log; 6 observations, 3 facts" in flat
    assert "a throughput curve alone never separates held work (tau I) from hand-off" in flat
    assert "... nor acquires (m) from their cost" in flat


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.*")), ids=lambda path: path.name)
def test_reports_fit_80_columns(path: Path, run) -> None:
    if path.name in ("README.md", "own_unixbench_skip.txt", "perf_bench_simple_format.txt"):
        return
    if "implausible" in path.name:
        return
    done = run(str(path), "--unit", "ns", "--quantity", "hold", "--all")
    assert done.exit_code == 0
    assert [line for line in done.stdout.splitlines()[1:] if len(line) > WIDTH] == []


def test_csv_is_written_and_read_back(run, tmp_path: Path) -> None:
    names = ("own_lkp_mail.txt", "own_lock_stat.txt", "own_bpftrace_hold.json")
    done = run(*map(sample, names), "-o", "obs.csv")
    assert "They can determine" in done.stdout
    reading = read_file(tmp_path / "obs.csv")
    assert list(reading.observations) == [
        o for name in names for o in read_file(Path(sample(name))).observations
    ]


def test_throughput_alone_is_written_as_the_contract(run, tmp_path: Path) -> None:
    run(sample("own_extra_p.jsonl"), "-o", "obs.csv")
    assert (tmp_path / "obs.csv").read_text(encoding="utf-8").splitlines() == [
        "# unit: iterations/s",
        "tasks,throughput,repeat,what",
        "4,8100.0,1,loop",
        "4,8050.5,2,loop",
        "16,21000.0,,loop",
    ]


def test_json_has_a_schema_and_base_units_and_is_read_back(run, tmp_path: Path) -> None:
    data = json.loads(run(sample("own_lock_stat.txt"), "--json").stdout)
    assert data["schema"] == "lockmodel.import/1"
    assert data["files"][0]["observations"][0]["value"] == 1.5e-6
    assert any("a whole run" in text for text in data["missing"])
    run(sample("own_lock_stat.txt"), "-o", "obs.json")
    assert json.loads((tmp_path / "obs.json").read_text(encoding="utf-8")) == data
    again = read_file(tmp_path / "obs.json").observations
    assert again == read_file(Path(sample("own_lock_stat.txt"))).observations


def test_an_existing_file_is_kept_unless_forced(run, tmp_path: Path) -> None:
    (tmp_path / "obs.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match=r"obs\.csv: exists and is kept; use --force"):
        run(sample("own_curve.csv"), "-o", "obs.csv")
    assert (tmp_path / "obs.csv").read_text(encoding="utf-8") == "mine"
    run(sample("own_curve.csv"), "-o", "obs.csv", "--force")
    assert (tmp_path / "obs.csv").read_text(encoding="utf-8").startswith("# schema: lockmodel.")


def test_a_bad_file_among_good_ones_writes_nothing(run, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"use 6\.0\.0"):
        run(sample("own_curve.csv"), sample("own_unixbench_skip.txt"), "-o", "obs.csv")
    assert list(tmp_path.iterdir()) == []


def test_facts_alone_make_no_csv(run, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"only facts: -o FILE\.json keeps them"):
        run(sample("perf_stat_x_percpu_perf61.csv"), "-o", "obs.csv")
    assert list(tmp_path.iterdir()) == []
    assert (
        "They determine nothing of the model" in run(sample("perf_stat_x_percpu_perf61.csv")).stdout
    )


def test_one_task_is_one(run, tmp_path: Path) -> None:
    for name, rows, said in (("1", "1,100\n", "with 1 task,"), ("2", "2,100\n", "with 2 tasks,")):
        (tmp_path / f"{name}.csv").write_text(f"tasks,throughput\n{rows}", encoding="utf-8")
        assert said in run(f"{name}.csv").stdout


def test_a_long_table_is_cut_and_says_so(run, tmp_path: Path) -> None:
    rows = "".join(f"{n},{10 * n}\n" for n in range(1, 41))
    (tmp_path / "long.csv").write_text(f"tasks,throughput\n{rows}", encoding="utf-8")
    assert "(40 rows, 12 shown; --all for all)" in run("long.csv").stdout
    assert "--all for all" not in run("long.csv", "--all").stdout


@pytest.mark.parametrize(
    "option", [("--tasks", "0"), ("--wall-s", "nan"), ("--cpus", "-1"), ("--iterations", "inf")]
)
def test_options_out_of_range_are_refused(option: tuple[str, str], run) -> None:
    with pytest.raises(ArgumentError, match=f"{option[0]} .* must be above 0"):
        run(sample("own_curve.csv"), *option)


def test_the_name_of_a_file_means_nothing(run, tmp_path: Path) -> None:
    lying = tmp_path / "stats.json"
    lying.write_bytes(Path(sample("own_curve.csv")).read_bytes())
    assert "CSV of throughput" in " ".join(run(str(lying)).stdout.split())
    assert (
        "bpftrace JSON" in run(sample("own_bpftrace_hold.json"), "--format", "bpftrace-json").stdout
    )


def test_reading_imports_no_numerical_package(cli) -> None:
    program = (
        "import sys; from pathlib import Path; import lockmodel.cli.import_; "
        "from lockmodel.observe.readers import read_file; "
        f"read_file(Path({sample('own_curve.csv')!r})); "
        "print([m for m in ('numpy', 'numba', 'rich', 'scipy') if m in sys.modules])"
    )
    assert cli(python=program).stdout == "[]\n"
    assert sys.version_info >= (3, 11)
