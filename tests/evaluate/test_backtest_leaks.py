"""No result reaches its own prediction, nor any other: cases name no result, curves hide theirs."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from few import few_draws

from lockmodel.evaluate.backtest import counts, engine, sharding, splitting
from lockmodel.evaluate.backtest.case import Backtest, Entry, Limits
from lockmodel.evaluate.backtest.draws import Hypercube
from lockmodel.evaluate.backtest.evidence import LeakError, load
from lockmodel.model.shipped import read_table, shipped_dir

PUBLISHED = shipped_dir("data") / "published"
RECORDS: list[dict[str, Any]] = json.loads((PUBLISHED / "interventions.json").read_text())
IDS = [record["id"] for record in RECORDS]
ROBOTS = ("lkp_spr_224", "lkp_icl_64", "lkp_cpl_224")
AFTER = re.compile(r"patch_CNA|rqspinlock|/scale|buckets=64/")
"""Variants of the curve files that were measured after the change."""

FILES = {
    "cna_v3_lock2_threads.csv": "patch_CNA",
    "cna_v3_locktorture.csv": "patch_CNA",
    "rqspin_x86_lock1_threads.csv": "rqspinlock",
    "vfs_inode_cache_ext4.csv": "walk/scale",
    "futex_hash_bucket_sharding.csv": "buckets=64/E5-2650_all",
}
"""Curve file -> a variant of it that is a result."""


@pytest.fixture(scope="module", autouse=True)
def _few_draws() -> Iterator[None]:
    with few_draws():
        yield


@pytest.fixture(scope="module")
def base() -> Backtest:
    return engine.run()


def changed(record: dict[str, Any], factor: float = 1.37) -> dict[str, Any]:
    """Return a record with another result, in every field that tells it."""
    made = json.loads(json.dumps(record))
    if made["after"]:
        made["after"] = round(made["after"] * factor)
    gain = made["gain_pct"]
    if isinstance(gain, dict):
        made["gain_pct"] = {key: value + 31.0 for key, value in gain.items()}
    elif isinstance(gain, list):
        made["gain_pct"] = [value + 31.0 for value in gain]
    else:
        made["gain_pct"] = gain + 31.0
    if "ratio" in made:
        made["ratio"] *= 1.37
    for key, value in made.get("extra", {}).items():
        made["extra"][key] = [value[0], value[1] * 0.7]
    for key, value in made.get("contention", {}).items():
        if isinstance(value, list):
            made["contention"][key] = [value[0], value[1] * 0.7]
        elif "after" in key:
            moved = {k: v * 0.7 for k, v in value.items()} if isinstance(value, dict) else 0.7
            made["contention"][key] = moved
    return made


def folder_with(tmp_path: Path, *ids: str, factor: float = 1.37) -> Path:
    """Return a copy of the published data in which the results of some records are others."""
    folder = tmp_path / "published"
    shutil.copytree(PUBLISHED, folder)
    records = [changed(r, factor) if r["id"] in ids else r for r in RECORDS]
    (folder / "interventions.json").write_text(json.dumps(records))
    profiles = json.loads((folder / "profiles.json").read_text())
    for profile in profiles["profiles"]:
        if profile["id"].endswith("_after"):
            profile["site_pct"] = dict.fromkeys(profile["site_pct"], 1.0)
    (folder / "profiles.json").write_text(json.dumps(profiles))
    for path in folder.glob("robot_sysexec_*.csv"):
        path.unlink()  # they hold both sides; nothing may read them
    return folder


def predictions(backtest: Backtest, name: str) -> list[tuple[Any, ...]]:
    return [(e.reading, e.predicted, e.model_interval, e.limits) for e in of(backtest, name)]


def of(backtest: Backtest, name: str) -> list[Entry]:
    return [entry for entry in backtest.entries if entry.id == name]


def test_no_result_moves_any_prediction(base: Backtest, tmp_path: Path) -> None:
    """All of them changed at once: stronger than each by itself, as no case names a result."""
    after = engine.run(folder_with(tmp_path, *IDS), IDS)
    for name in IDS:
        assert predictions(after, name) == predictions(base, name)
        was, now = (of(backtest, name)[0].published for backtest in (base, after))
        assert (now[0] or 0.0) > (was[0] or 0.0) + 0.2  # the result itself did move


@pytest.mark.parametrize(
    ("patch", "moved", "another"),
    [
        ("batching", [*ROBOTS, "guzik_batch_unlink"], "exclusion"),
        ("exclusion", ["yibin_rmap_exclude"], "tree split"),
        ("tree split", ["huang_v1_tree_split"], "batching"),
        ("tree and lock split", ["huang_v2_tree_and_lock_split"], ""),
        ("mmap_region", ["yuma_mmap_region", "yuma_mmap_region_on_6_4"], "exclusion"),
    ],
)
def test_the_columns_beside_a_patch_do_not_see_it(
    patch: str, moved: list[str], another: str, base: Backtest, tmp_path: Path
) -> None:
    """Its own columns stay where they are; those of another patch are spread by its residual."""
    shown = next((e.id for e in base.entries if e.patch == another), moved[0])
    after = engine.run(folder_with(tmp_path, *moved), [moved[-1], shown])
    assert beside(after, moved[-1]) == beside(base, moved[-1])
    if another:
        assert beside(after, shown) != beside(base, shown)


def beside(backtest: Backtest, name: str) -> dict[str, tuple[Any, ...]]:
    columns = next(e.columns for e in of(backtest, name) if e.columns)
    return {column: (one.predicted, one.interval) for column, one in columns.items()}


def test_curves_after_a_change_do_not_move_its_prediction(base: Backtest, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    for path in folder.glob("*.csv"):
        path.write_text(_other_results(path))
    transfers = sorted({e.id for e in base.entries if e.group == "transfer"})
    assert len(transfers) == 14
    after = engine.run(folder, transfers)
    for name in transfers:
        assert predictions(after, name) == predictions(base, name)
        assert [e.published for e in of(after, name)] != [e.published for e in of(base, name)]


def _other_results(path: Path) -> str:
    """Return a curve file with everything measured after the change made half as much again."""
    text = path.read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        later = path.name.startswith("pcp_") and int(row["batch"]) > 63
        if later or AFTER.search(row.get("variant") or ""):
            row["throughput"] = f"{1.5 * float(row['throughput']):.6g}"
        writer.writerow(row)
    return "\n".join([*comments, out.getvalue()])


def test_times_calibrated_to_results_play_no_part(
    base: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    from lockmodel.model.handoff import ConstantHandOff
    from lockmodel.model.scenario import Scenario
    from lockmodel.model.shipped import find_scenario

    def other_times(name: str) -> Scenario:
        scenario = find_scenario(name)
        locks = tuple(
            msgspec.structs.replace(
                lock,
                time_per_instruction_local=2e-9,
                time_per_instruction_remote=9e-9,
                acquire_time=7e-7,
                handoff=ConstantHandOff(time=5e-6),
            )
            for lock in scenario.locks
        )
        return msgspec.structs.replace(scenario, think=7.7e-3, think_remote=1e-3, locks=locks)

    def forget() -> None:
        counts.counted.cache_clear()
        splitting.scenario.cache_clear()

    monkeypatch.setattr(counts, "find_scenario", other_times)
    forget()
    try:
        names = [*ROBOTS, "guzik_batch_unlink", "huang_v1_tree_split", "yuma_mmap_region"]
        after = engine.run(ids=names, workers=1)
    finally:
        forget()
    for name in names:
        assert predictions(after, name) == predictions(base, name)


def test_asking_for_a_result_is_an_error() -> None:
    """Also by a case: the engine shows it nothing else."""
    evidence = load(PUBLISHED).seeing("lkp_icl_64")
    assert evidence.result("lkp_icl_64").low == pytest.approx(33490 / 30238 - 1)
    with pytest.raises(LeakError, match="result of lkp_spr_224, which is hidden"):
        evidence.result("lkp_spr_224")
    case = next(case for case in engine.all_cases() if case.id == "lkp_spr_224")
    greedy = dataclasses.replace(case, predict=lambda c: (c.evidence.result(case.id), Limits())[1])
    with pytest.raises(LeakError, match="result of lkp_spr_224"):
        engine.judge(greedy, load(PUBLISHED), Hypercube())


@pytest.mark.parametrize("file", FILES)
def test_a_curve_hides_its_new_variant(file: str) -> None:
    """From whoever reads rows, or the file; and shows it to whoever may see the result."""
    evidence = load(PUBLISHED)
    variant = FILES[file]
    hidden = evidence.seeing()
    with pytest.raises(LeakError, match=f"the result of {file}"):
        hidden.curve(file, variant)
    every = [row["variant"] for row in evidence.rows(file)]
    shown = [row["variant"] for row in hidden.rows(file)]
    assert shown == [name for name in every if name in shown]
    assert variant in every
    assert not [name for name in shown if AFTER.search(name)]
    with hidden.visible(file) as path:
        assert [row["variant"] for row in read_table(path)] == shown
        assert path.read_text().startswith("# ")
    with evidence.seeing(file).visible(file) as path:
        assert path.read_text() == (PUBLISHED / file).read_text()


def test_a_larger_batch_shows_its_size_and_not_what_it_did() -> None:
    evidence = load(PUBLISHED)
    rows = evidence.seeing().rows(sharding.PCP)
    assert {int(row["batch"]) for row in rows if "throughput" in row} == {63}
    assert {int(row["batch"]) for row in rows} == {
        int(r["batch"]) for r in evidence.rows(sharding.PCP)
    }
    assert not [row for row in rows if int(row["batch"]) > 63 and set(row) != {"batch", "variant"}]


def test_only_the_evidence_reads_the_published_folder() -> None:
    """Shipped tables of counts and machines aside, which hold no result."""
    package = Path(engine.__file__).parent
    for path in package.glob("*.py"):
        text = path.read_text()
        if path.name == "evidence.py":
            continue
        assert not re.search(r"\._folder|\._records|read_text|open\(", text), path
        folders = re.findall(r'shipped_dir\("data"\) / "(\w+)"(.?)', text)
        assert {folder for folder, end in folders if end != ")"} <= {"traced"}, path


def test_a_case_that_reads_the_new_curve_is_refused() -> None:
    case = next(c for c in engine.all_cases() if c.id == "cna_v3_lock2_threads")
    file = "cna_v3_lock2_threads.csv"

    def greedy(context: Any) -> Limits:
        context.evidence.curve(file, "patch_CNA")
        return Limits()

    with pytest.raises(LeakError, match=file):
        engine.judge(dataclasses.replace(case, predict=greedy), load(PUBLISHED), Hypercube(2))


@pytest.mark.parametrize("name", IDS)
def test_facts_hold_nothing_from_after_the_change(name: str) -> None:
    record = next(r for r in RECORDS if r["id"] == name)
    evidence = load(PUBLISHED)
    other = dataclasses.replace(evidence, _records={**evidence._records, name: changed(record)})
    assert other.facts(name) == evidence.facts(name)
    assert not {"after", "gain_pct", "ratio", "param_note"} & set(evidence.facts(name))
