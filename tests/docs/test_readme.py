"""README and the docs are true: scenario, numbers quoted in prose, links, pictures, length."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from lockmodel.answers.predict import predict
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.cli.app import COMMANDS
from lockmodel.measure.acquires.from_counts import from_counts
from lockmodel.model.shipped import find_scenario
from lockmodel.model.toml import loads
from tools import sessions

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LONGEST = 235
"""Lines of README: two minutes."""

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def test_readme_is_short():
    assert len(README.splitlines()) <= LONGEST


def test_the_scenario_to_start_from_is_valid_and_exact_enough_to_say_why_not():
    text = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    scenario = loads(text, "README")
    prediction = predict(scenario, [1, 64])
    # alone: 120 us of think, 2 x (900 x 0.35 ns + 20 ns)
    alone = 120e-6 + 2 * (900 * 0.35e-9 + 20e-9)
    assert prediction.points[0].throughput_per_s == pytest.approx(1 / alone, rel=1e-9)
    assert prediction.warnings


def test_the_gain_of_excluding_files_is_quoted_as_it_is():
    levers = [parse(f"exclude:{name}") for name in ("libc.so.6", "ld-linux-x86-64.so.2")]
    scenario = find_scenario("execl-emr112")
    trust = " ".join((DOCS / "background" / "trust.md").read_text().split())
    for made, said in ((scenario, "Emerald Rapids says "), (from_counts(scenario), "its lines, ")):
        (point,) = compare(made, levers, [220], "product-form").points
        low, high = point.gain_interval
        words = f"{said}{100 * point.gain:+.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        assert words in trust, words
        if made is scenario:
            assert words in " ".join(README.split()), words


def heading_ids(page: Path) -> set[str]:
    """Return the anchors of a page, as git hosts and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    plain = (re.sub(r"[^\w\- ]", "", head.lower()) for head in re.findall(r"^#+ (.*)$", text, re.M))
    return {head.strip().replace(" ", "-") for head in plain}


def dead(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere; other sites are not asked."""
    made = []
    for link in LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in heading_ids(target)):
            made.append(link)
    return made


@pytest.mark.parametrize("page", PAGES, ids=sessions.name_of)
def test_links_lead_somewhere(page):
    assert dead(page) == []


def test_a_dead_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A head\n[a](gone.md) [b](page.md#a-head) [c](page.md#none) [d](#a-head)\n")
    assert dead(page) == ["gone.md", "page.md#none"]


def test_every_picture_is_drawn_by_a_command_and_shown():
    there = {path.name for path in (DOCS / "pictures").iterdir()}
    shown = {Path(link).name for page in PAGES for link in LINK.findall(page.read_text())}
    assert there == set(sessions.PICTURES)
    assert there <= shown


def test_commands_in_the_text_exist():
    for page in PAGES:
        for name in re.findall(r"`lockmodel ([a-z]+)\b", page.read_text()):
            assert name in COMMANDS, f"{page}: lockmodel {name}"


def test_doctest_reads_the_readme_as_it_is():
    """`python -m doctest README.md`: an expected output ends at a blank line, not at a fence."""
    done = subprocess.run(
        [sys.executable, "-m", "doctest", str(ROOT / "README.md")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
