"""The paper itself: built once, from the checkout's data, in a folder of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import time

import pytest
from places import ROOT

from lockmodel.paper import bibliography, build, check, records, scripts, typeset
from lockmodel.paper.errors import PaperError

PAPER = ROOT / "paper"
LONGEST_S = 180
"""What a build of everything may take on two cores."""

QUICK = ("chain", "ceiling", "errors", "held", "acquires", "names", "problem")
"""Scripts of seconds, which are run twice."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The paper built; results of the checkout are reused where they are of these inputs."""
    folder = tmp_path_factory.mktemp("paper") / "paper"
    shutil.copytree(PAPER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    start = time.monotonic()
    made = build.build(folder)
    return folder, made, time.monotonic() - start


@pytest.fixture(scope="module")
def values(built):
    return {k: v for r in records.read_all(built[0]) for k, v in r.values.items()}


def test_it_has_eight_to_twelve_pages_and_all_figures(built):
    folder, made, _ = built
    assert 8 <= made.pages <= 12
    assert len(typeset.typeset(folder, "png", 20)) == made.pages
    drawn = {path.name for path in made.figures}
    assert len(drawn) == 2 * 10
    assert all(path.stat().st_size > 1000 for path in made.figures)


def test_building_takes_no_longer_than_promised(built):
    _, made, seconds = built
    assert set(made.ran) | set(made.reused) == {s.path for s in scripts.find(PAPER)}
    others = max(1.0, os.getloadavg()[0] / 2)  # whoever else is on the machine
    assert seconds < LONGEST_S * others


def test_every_figure_and_table_is_referred_to(built):
    text = "".join(p.read_text(encoding="utf-8") for p in (PAPER / "sections").glob("*.typ"))
    labels = re.findall(r"<([ft]-[\w-]+)>", text)
    assert len(labels) == 10 + 7
    assert [label for label in labels if f"@{label}" not in text] == []


def test_every_citation_exists_and_every_entry_is_cited():
    known = bibliography.keys((PAPER / bibliography.FILE).read_text(encoding="utf-8"))
    cited = {p.name for s in check.sources(PAPER) for p in s.references}
    assert len(known) == 27
    assert set(known) - cited == set()


def test_the_text_is_the_same_bytes_when_set_again(built):
    folder, made, _ = built
    assert typeset.typeset(folder) == [made.pdf.read_bytes()]


def test_scripts_give_the_same_bytes_when_run_again(built):
    folder, _, _ = built
    known = {r.script: r for r in records.read_all(folder)}
    again = [s for s in scripts.find(folder) if s.name in QUICK]
    assert len(again) == 8
    for script in again:
        out = scripts.run(folder, script)
        assert out.values == known[script.path].values
        assert out.tables == known[script.path].tables
        for name, data in out.files.items():
            assert data == (folder / "figures" / name).read_bytes(), name


def test_a_number_typed_into_the_text_fails_the_build(built, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(built[0], folder)
    section = folder / "sections" / "problem.typ"
    text = section.read_text(encoding="utf-8")
    section.write_text(text.replace("#n.drop", "36 %"), encoding="utf-8")
    with pytest.raises(PaperError, match=r"sections/problem\.typ:\d+: '36' is typed"):
        build.build(folder)


def test_no_section_types_a_number_and_the_style_has_no_text():
    assert [one for source in check.sources(PAPER) for one in source.typed] == []
    style = re.sub(r"//[^\n]*", "", (PAPER / "style.typ").read_text(encoding="utf-8"))
    shown = re.findall(r"\[([^\[\]\"]*)\]", style)
    assert [one for one in shown if re.search(r"\d", one)] == []


def test_values_are_those_of_the_data(values):
    rows = (PAPER.parent / "data/published/unixbench_execl_xeon8369b.csv").read_text().splitlines()
    plain = csv.DictReader(row for row in rows if not row.startswith("#"))
    curve = {int(r["threads"]): float(r["throughput"]) for r in plain}
    assert values["peak"].value == max(curve.values()) == 51465.8
    assert values["drop"].value == pytest.approx(1 - curve[128] / curve[16])
    assert (values["drop"].text, values["osq"].text) == ("36 %", "89.7 %")
    assert [values[k].text for k in ("fork_old", "fork_new", "execl_new")] == ["29", "21", "15"]
    assert values["rules_compared"].value == values["rules_same"].value


def test_limits_follow_from_the_parts_of_the_demand(values):
    # D = 34.4 + 14.2 us, 21 acquires (lockmodel show sysexec-spr224-v6.12), by hand
    assert values["no_hold_ceiling"].value == pytest.approx(34.4 / 14.2, rel=0.01)
    assert values["one_acquire_ceiling"].value == pytest.approx(48.6 / (34.4 + 14.2 / 21) - 1, 0.01)
    assert values["half_hold_ceiling"].value == pytest.approx(48.6 / (17.2 + 14.2) - 1, rel=0.01)
    assert values["shards_worth_no_hold"].value == pytest.approx(1 + 34.4 / 14.2, rel=0.01)


def test_gains_of_the_fit_follow_from_the_parts_it_gives(built, values):
    # half of the held work: G = D / (D - tau I / 2), saturated; parts as the table prints them
    tables = {k: t for r in records.read_all(built[0]) for k, t in r.tables.items()}
    rows = {row[0]: row[2] for row in tables["determined"].rows}
    demand, held = (float(rows[name].split()[0]) for name in ("demand", "held work"))
    assert values["l_half"].value == pytest.approx(demand / (demand - held / 2) - 1, rel=0.01)
    low, high = map(float, re.findall(r"\d+", values["l_half_range"].text))
    assert low < 100 * values["l_half"].value < high


def test_mapping_directly_leaves_two_acquires_and_the_shipped_scenario(values):
    from lockmodel.model.shipped import find_scenario
    from lockmodel.paper.fits import DIRECT, EXECL, mapped_directly

    made, shipped = mapped_directly(find_scenario(EXECL)), find_scenario(DIRECT)
    plain = {(s.lock, s.phase, s.name): s for s in made.sites}
    assert plain == {(s.lock, s.phase, s.name): s for s in shipped.sites}
    assert values["direct_acquires"].value == 2


def test_the_backtest_table_says_what_the_command_says(built, values):
    from lockmodel.evaluate.backtest.engine import run

    found = run(ids=["lkp_spr_224"])
    (entry,) = found.entries
    assert values["bt_batched"].value == entry.predicted
    tables = {k: t for r in records.read_all(built[0]) for k, t in r.tables.items()}
    verdicts = [row[-1] for row in tables["changes"].rows]
    counts = [values[f"changes_{k}"].value for k in ("inside", "outside", "undecidable")]
    assert [verdicts.count(k) for k in ("inside", "OUTSIDE", "open")] == counts


def test_the_merged_numbers_are_what_the_text_reads(built):
    plain = json.loads((built[0] / "numbers" / records.MERGED).read_text(encoding="utf-8"))
    assert len(plain["values"]) == built[1].values
    assert len(plain["tables"]) == built[1].tables == 6
