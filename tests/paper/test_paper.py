"""The paper itself: built once by make, from the checkout's data, in a folder of its own."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from places import ROOT

from lockmodel.figures import every, registry
from paper.tools import bibliography, check, records, scripts, typeset
from paper.tools.errors import PaperError

pytestmark = pytest.mark.long

PAPER = ROOT / "paper"
LONGEST_S = 180
"""What a build of everything may take on two cores."""

QUICK = ("chain", "errors", "acquires", "names", "problem")
QUICK_FIGURES = ("chain", "ceiling", "errors", "held", "acquires")
"""Scripts and figures of seconds, which are made twice."""

SOURCES = ("lockmodel", "data", "models")
NAMES = [path.stem for path in scripts.find(PAPER)]


@dataclass(frozen=True)
class Made:
    """A checkout in which the paper was built."""

    root: Path
    seconds: float

    @property
    def paper(self):
        return self.root / "paper"

    @property
    def records(self):
        return records.read_all(self.paper, NAMES)

    @property
    def tables(self):
        return {k: t for r in self.records for k, t in r.tables.items()}


def make(root, *options):
    """Run make with the interpreter of the tests; return what it printed."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    binary = Path(sys.executable).parent
    line = ["make", *options, "--old-file=.venv/.installed-paper", f"BIN={binary}"]
    done = subprocess.run(
        [*line, "paper/lockmodel.pdf"],
        cwd=root,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def copied(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def lay_out(root, put):
    """Copy the paper and the Makefile, and `put` beside them what the paper is made from."""
    copied(PAPER, root / "paper")
    shutil.copy(ROOT / "Makefile", root)
    for name in SOURCES:
        put(ROOT / name, root / name)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The paper built, by one of the tests' processes for all; what the checkout has is reused."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root = shared / "checkout"
    with open(shared / "checkout.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            lay_out(root, os.symlink)
        start = time.monotonic()
        make(root, "--jobs=2")
        return Made(root, time.monotonic() - start)


@pytest.fixture(scope="module")
def values(built):
    return {k: v for r in built.records for k, v in r.values.items()}


def test_it_has_eight_to_twelve_pages_and_all_figures(built):
    pages = typeset.pages(built.paper)
    assert 8 <= pages <= 12
    assert len(typeset.typeset(built.paper, "png", 20)) == pages
    drawn = [path for path in (built.paper / "figures").iterdir() if path.suffix]
    assert {path.name for path in drawn} == set(every.file_names())
    assert len(drawn) == 2 * 11
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_building_takes_no_longer_than_promised(built):
    made = {path.stem for path in (built.paper / "numbers").glob("*.json")}
    assert made == {*NAMES, "all"}
    others = max(1.0, os.getloadavg()[0] / 2)  # whoever else is on the machine
    assert built.seconds < LONGEST_S * others


def commands(root, *options):
    """Return what make would run: the last word of each command."""
    said = make(root, "--dry-run", *options).splitlines()
    return [line.split()[-1] for line in said if "lockmodel figure" in line or "-m paper" in line]


def test_make_runs_what_has_changed_and_what_rests_on_it(tmp_path):
    lay_out(tmp_path, copied)
    made = tmp_path / "paper" / "figures", tmp_path / "paper" / "numbers"
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)
    (tmp_path / "paper" / typeset.PDF).unlink(missing_ok=True)
    text, drawing = "paper.tools.typeset", "--force"
    numbers = [f"paper/numbers/{name}.json" for name in NAMES]
    assert commands(tmp_path) == [drawing, *numbers, text]
    for folder in made:
        folder.mkdir()
    make(tmp_path, "--touch")  # as if all were made
    assert commands(tmp_path) == []
    for changed in ("paper/sections/model.typ", "paper/style.typ", "paper/references.bib"):
        assert commands(tmp_path, f"--what-if={changed}") == [text]
    assert commands(tmp_path, "--what-if=paper/scripts/chain.py") == [
        "paper/numbers/chain.json", text
    ]  # fmt: skip
    for changed in ("data/published/profiles.json", "lockmodel/units.py", "paper/tools/out.py"):
        assert commands(tmp_path, f"--what-if={changed}") == [drawing, *numbers, text]
    (tmp_path / "paper" / "scripts" / "chain.py").unlink()
    assert commands(tmp_path) == [text]


def test_every_figure_and_table_is_referred_to(built):
    text = "".join(p.read_text(encoding="utf-8") for p in (PAPER / "sections").glob("*.typ"))
    labels = re.findall(r"<([ft]-[\w-]+)>", text)
    assert len(labels) == 11 + 8
    assert [label for label in labels if f"@{label}" not in text] == []


def test_every_citation_exists_and_every_entry_is_cited():
    known = bibliography.keys((PAPER / bibliography.FILE).read_text(encoding="utf-8"))
    cited = {p.name for s in check.sources(PAPER) for p in s.references}
    assert len(known) == 28
    assert set(known) - cited == set()


def test_the_text_is_the_same_bytes_when_set_again(built):
    assert typeset.typeset(built.paper) == [(built.paper / typeset.PDF).read_bytes()]


def test_scripts_give_the_same_bytes_when_run_again(built, tmp_path):
    for name in QUICK:
        records.write(tmp_path / name, scripts.run(built.paper / "scripts" / f"{name}.py"))
        known = built.paper / "numbers" / f"{name}.json"
        assert (tmp_path / name).read_bytes() == known.read_bytes()


def test_figures_are_the_same_bytes_when_drawn_again(built):
    for name in QUICK_FIGURES:
        for file, data in every.draw_one(name).files.items():
            assert data == (built.paper / "figures" / file).read_bytes(), file


def test_a_number_typed_into_the_text_fails_the_build(built, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(built.paper, folder)
    section = folder / "sections" / "problem.typ"
    text = section.read_text(encoding="utf-8")
    section.write_text(text.replace("#n.drop", "36 %"), encoding="utf-8")
    with pytest.raises(PaperError, match=r"sections/problem\.typ:\d+: '36' is typed"):
        typeset.build(folder)


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
    # D = 35.4 + 12.7 us, 21 acquires (lockmodel show sysexec-spr224-v6.12), by hand
    assert values["no_hold_ceiling"].value == pytest.approx(35.4 / 12.7, rel=0.01)
    assert values["one_acquire_ceiling"].value == pytest.approx(48.1 / (35.4 + 12.7 / 21) - 1, 0.01)
    assert values["half_hold_ceiling"].value == pytest.approx(48.1 / (17.7 + 12.7) - 1, rel=0.01)
    assert values["shards_worth_no_hold"].value == pytest.approx(1 + 35.4 / 12.7, rel=0.01)


def test_pairs_of_kernels_say_what_a_hand_off_needs(values):
    # Sapphire Rapids, 8 acquires less: 1/18,501 - 1/20,564 = 5.42 us, so 678 ns each, 20 of them
    # for locking itself; a line takes 98.3 ns. Ice Lake: 1/30,238 - 1/33,490 over 8, 79.7 ns
    assert values["pairs_lines"].text == f"{(401 - 20) / 79.7:.1f} to {(678 - 20) / 98.3:.1f}"
    shares = [21 * 678e-9 * 20_564, 21 * 401e-9 * 33_490, 21 * 789e-9 * 18_322]
    assert values["pairs_split"].text == f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def test_gains_of_the_fit_follow_from_the_parts_it_gives(built, values):
    # half of the held work: G = D / (D - tau I / 2), saturated; parts as the table prints them
    rows = {row[0]: row[2] for row in built.tables["determined"].rows}
    demand, held = (float(rows[name].split()[0]) for name in ("demand", "held work"))
    assert values["l_half"].value == pytest.approx(demand / (demand - held / 2) - 1, rel=0.01)
    low, high = map(float, re.findall(r"\d+", values["l_half_range"].text))
    assert low < 100 * values["l_half"].value < high


def test_mapping_directly_leaves_two_acquires_and_the_shipped_scenario(values):
    from lockmodel.model.shipped import find_scenario
    from paper.tools.fits import DIRECT, EXECL, mapped_directly

    made, shipped = mapped_directly(find_scenario(EXECL)), find_scenario(DIRECT)
    plain = {(s.lock, s.phase, s.name): s for s in made.sites}
    assert plain == {(s.lock, s.phase, s.name): s for s in shipped.sites}
    assert values["direct_acquires"].value == 2


def test_the_backtest_table_says_what_the_command_says(built, values):
    from lockmodel.evaluate.backtest.engine import run

    backtest = run(ids=["lkp_spr_224"])
    (entry,) = backtest.entries
    assert values["bt_batched"].value == entry.predicted
    verdicts = [row[-1] for row in built.tables["changes"].rows]
    counts = [values[f"changes_{k}"].value for k in ("inside", "outside", "undecidable")]
    assert sum(counts[:2]) == values["changes_decidable"].value == 5
    assert verdicts.count("inside") > counts[0]  # several machines of one patch
    assert (verdicts.count("OUTSIDE"), verdicts.count("open")) == tuple(counts[1:])
    assert len(built.tables["columns"].rows) == 7


def test_the_merged_numbers_are_what_the_text_reads(built, values):
    plain = json.loads((built.paper / "numbers" / records.MERGED).read_text(encoding="utf-8"))
    assert {k: v["text"] for k, v in plain["values"].items()} == {
        k: v.text for k, v in values.items()
    }
    assert set(plain["tables"]) == set(built.tables)
    assert len(built.tables) == 7


def test_figures_are_printed_as_wide_as_they_are_drawn():
    text = "".join(p.read_text(encoding="utf-8") for p in (PAPER / "sections").glob("*.typ"))
    calls = dict(re.findall(r'^#plot\("(\w+)", \[.*\](.*)\) <f-', text, re.M))
    wide = {name: "wide: true" in options for name, options in calls.items()}
    assert wide == {entry.name: entry.printed == "page" for entry in registry.ENTRIES}


def test_the_paper_does_not_lean_on_the_command_line():
    files = [*(PAPER / "tools").glob("*.py"), *(PAPER / "scripts").glob("*.py")]
    assert len(files) == 10 + 13
    assert [path.name for path in files if "lockmodel.cli" in path.read_text("utf-8")] == []
