"""Run the sessions of README.md and of the pages of docs/, and put their real output in place.

Usage: python tools/sessions.py [--check] [--pictures] [PAGE ...]

A session is a ```console block: each line that starts with "$ lockmodel" is run, what follows
up to the next such line is replaced by its output. A line "..." stands for what is between as
many first and last lines as stand around it now. A command that has a report in tests/golden
is not run again: its output is that file, which tests/cli/test_golden.py holds against the
command. Numbers of a simulation or a fit may differ in the last digit on another machine: such a
session stays as it is while only its numbers differ. The sessions of a page share one empty
folder, so a later one finds what an earlier one wrote.

--check changes nothing and exits 1 if a page is not what the commands print. --pictures draws
the pictures of docs/ anew instead.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from goldens import CURVE, GOLDEN, MODEL, REPORTS  # noqa: E402

BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
CUT = "..."
RANDOM = (
    *("lockmodel simulate", "lockmodel verify", "--method simulation"),
    *("lockmodel fit", "lockmodel design", "./"),
)
KEPT = {shlex.join(shlex.split(line)): name for name, line in REPORTS.items()}
"""Command line -> its golden report."""

JOINT = (
    f"fit {MODEL}={CURVE} sysexec-spr224-v6.12=robot_sysexec_spr224.csv "
    "sysexec-icl64-v6.12=robot_sysexec_icl64.csv "
    "--variant before=acquires:all/exit.teardown=5;acquires:all/exec.teardown=5 "
    "--share handoff_lines=all"
)
PICTURES = {
    "throughput.svg": "figure curve -o",
    "hold.svg": "figure hold -o",
    "backtest.svg": "figure backtest -o",
    "fit.svg": f"{JOINT} --plot-file",
}
"""Picture of docs/pictures -> the command that draws it, but for the file."""


def pages() -> list[Path]:
    """Return README.md and every page of docs/ that has a session."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in every if BLOCK.search(page.read_text())]


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return str(page.relative_to(ROOT))


def masked(lines: list[str]) -> list[str]:
    """Return lines without numbers and the blanks, signs and unit prefixes around them."""
    return [re.sub(r"[-+ ]*[0-9][0-9.,e-]*[ kMGmun]*", "#", line) for line in lines]


def run(arguments: list[str], folder: str) -> list[str]:
    """Return the output lines of a lockmodel command, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "lockmodel", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    if done.returncode:
        said = f"{shlex.join(arguments)} exits with {done.returncode}: {done.stderr}"
        raise SystemExit(said)
    said = done.stdout.rstrip("\n")
    return said.split("\n") if said else []


class Session:
    """One command of a block, and the output that stands under it.

    Parameters
    ----------
    lines : list of str
        Of the block from here on; what belongs to this session is taken off.
    """

    def __init__(self, lines: list[str]) -> None:
        self.typed = [lines.pop(0)]
        if not self.typed[0].startswith("$ lockmodel"):
            raise SystemExit(f"a session line {self.typed[0]!r} is not a lockmodel command")
        while self.typed[-1].endswith("\\"):
            self.typed.append(lines.pop(0))
        self.old: list[str] = []
        while lines and not lines[0].startswith("$ "):
            self.old.append(lines.pop(0))
        self.apart = bool(lines) and self.old[-1:] == [""]
        if self.apart:
            self.old.pop()

    @property
    def arguments(self) -> list[str]:
        """What follows lockmodel."""
        return shlex.split("".join(line.removesuffix("\\") for line in self.typed))[2:]

    @property
    def golden(self) -> str | None:
        """Name of the golden report that has its output."""
        return KEPT.get(shlex.join(self.arguments))

    def renewed(self, folder: str | None) -> list[str]:
        """Return the lines made anew; without a folder, as they are where the command must run."""
        if self.golden is not None:
            output = (GOLDEN / f"{self.golden}.txt").read_text().rstrip("\n").split("\n")
        elif folder is not None:
            output = run(self.arguments, folder)
        else:
            output = self.old
        if CUT in self.old and output is not self.old:
            kept = self.old.index(CUT)
            last = len(self.old) - kept - 1
            output = [*output[:kept], CUT, *(output[-last:] if last else [])]
        whole = f"lockmodel {shlex.join(self.arguments)}"
        if any(word in whole for word in RANDOM) and masked(output) == masked(self.old):
            output = self.old
        return [*self.typed, *output, *([""] if self.apart else [])]


def sessions(block: str) -> list[Session]:
    """Return the sessions of a block."""
    lines = block.rstrip("\n").split("\n")
    made = []
    while lines:
        made.append(Session(lines))
    return made


def has_to_run(page: Path) -> bool:
    """Return whether a page has a session that no golden report has."""
    found = BLOCK.findall(page.read_text())
    return any(one.golden is None for block in found for one in sessions(block))


def renewed(text: str, folder: str | None) -> str:
    """Return a page with its sessions made anew; without a folder only those of golden reports."""

    def block(match: re.Match[str]) -> str:
        lines = [line for one in sessions(match[1]) for line in one.renewed(folder)]
        return "```console\n" + "\n".join(lines) + "\n```"

    return BLOCK.sub(block, text)


def draw() -> None:
    """Draw the pictures of docs/ anew."""
    with tempfile.TemporaryDirectory() as folder:
        for name, command in PICTURES.items():
            run([*shlex.split(command), name], folder)
            shutil.copyfile(Path(folder) / name, ROOT / "docs" / "pictures" / name)


def main() -> int:
    """Rewrite or check pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("pages", nargs="*", metavar="PAGE", type=lambda name: Path(name).resolve())
    given = parser.parse_args()
    if given.pictures:
        draw()
        return 0
    stale = 0
    for page in given.pages or pages():
        old = page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            new = renewed(old, folder)
        if old == new:
            continue
        stale += 1
        if given.check:
            lines = old.splitlines(), new.splitlines()
            print("\n".join(difflib.unified_diff(*lines, name_of(page), "made anew", lineterm="")))
        else:
            page.write_text(new)
    if given.check and stale:
        print("not what the commands print; run `make sessions`")
    return int(given.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
