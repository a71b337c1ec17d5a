"""The site that `make docs` built: whole, by itself, and strict. Run by make docs, after it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from places import ROOT

SITE = ROOT / "site"
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_there_with_its_tables_and_nothing_from_elsewhere(page):
    html = (SITE / page.relative_to(ROOT / "docs")).with_suffix(".html").read_text()
    assert ("<table>" in html) == bool(re.search(r"^\|[ -]*-", page.read_text(), re.M))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert "fonts.g" not in html


def test_dead_links_and_a_page_outside_the_navigation_fail(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    dead = ("guides/gone.md", "tutorial.md#nothing", "../README.md", "gone.svg")
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write("".join(f"\n[a]({link})\n" for link in dead))
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"],
        cwd=tmp_path,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1
    assert "Aborted with 5 warnings in strict mode" in said
    for name in (*dead, "lost.md"):
        assert name in said
