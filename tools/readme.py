"""Run the sessions of README.md and put their real output in place.

Usage: python tools/readme.py [--check]

A session is a ```console block: each line that starts with "$ lockmodel" is run, what follows
up to the next such line is replaced by its output. A line "..." stands for what is between as
many first and last lines as stand around it now. Simulated numbers may differ in the last digit
on another machine (its logarithm rounds otherwise): such a session stays as it is while only its
numbers differ; so does one of a fit. All sessions share one empty folder, so a later one finds
what an earlier one wrote. --check changes nothing and exits 1 if README.md is not what the
commands print.
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

from lockmodel.changes.kinds import KINDS

README = Path(__file__).resolve().parent.parent / "README.md"
PICTURES = README.parent / "docs"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
TABLE = re.compile(r"^\| `--lever` .*\n(?:\|.*\n)*\|.*$", re.MULTILINE)
CUT = "..."
RANDOM = (
    *("lockmodel simulate", "lockmodel verify", "--method simulation"),
    *("lockmodel fit", "lockmodel design", "./"),
)


def masked(lines: list[str]) -> list[str]:
    """Return lines without numbers and the blanks, signs and unit prefixes around them."""
    return [re.sub(r"[-+ ]*[0-9][0-9.,e-]*[ kMGmun]*", "#", line) for line in lines]


def run(command: str, folder: str) -> list[str]:
    """Return the output lines of a lockmodel command, run in a folder."""
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "lockmodel", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(README.parent)},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"README: {command!r} exits with {done.returncode}: {done.stderr}")
    said = done.stdout.rstrip("\n")
    return said.split("\n") if said else []


def session(match: re.Match[str], folder: str) -> str:
    """Return a block with the output of its commands made anew."""
    lines = match[1].rstrip("\n").split("\n")
    made: list[str] = []
    while lines:
        command = lines.pop(0)
        if not command.startswith("$ lockmodel"):
            raise SystemExit(f"README: a session line {command!r} is not a lockmodel command")
        whole = command
        made.append(command)
        while whole.endswith("\\"):
            made.append(lines[0])
            whole = whole[:-1] + lines.pop(0)
        old = []
        while lines and not lines[0].startswith("$ "):
            old.append(lines.pop(0))
        output = run(whole[2:], folder)
        if CUT in old:
            kept = old.index(CUT)
            last = len(old) - kept - 1
            output = [*output[:kept], CUT, *(output[-last:] if last else [])]
        if any(word in whole for word in RANDOM) and masked(output) == masked(old):
            output = old
        made += output
        if lines and output:
            made.append("")
            lines = lines[1:] if lines[0] == "" else lines
    return "```console\n" + "\n".join(made) + "\n```"


def lever_table() -> str:
    """Return the table of levers, from their records."""
    rows = ["| `--lever` | what it does | at best |", "|---|---|---|"]
    for kind in KINDS.values():
        form = kind.form.replace("|", "\\|")
        rows.append(f"| `{form}` | {kind.meaning.replace('|', ',')} | {kind.at_best} |")
    return "\n".join(rows)


def keep_pictures(folder: Path) -> None:
    """Put the pictures that the sessions drew into docs/."""
    for drawn in sorted(folder.glob("*.svg")):
        PICTURES.mkdir(exist_ok=True)
        shutil.copyfile(drawn, PICTURES / drawn.name)


def main() -> int:
    """Rewrite or check README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = README.read_text()
    with tempfile.TemporaryDirectory() as folder:
        new = BLOCK.sub(lambda match: session(match, folder), old)
        new = TABLE.sub(lambda match: lever_table(), new)
        if not check:
            keep_pictures(Path(folder))
    if old == new:
        return 0
    if check:
        difference = difflib.unified_diff(
            old.splitlines(), new.splitlines(), "README.md", "made anew", lineterm=""
        )
        print("\n".join(difference))
        print("README.md is not what the commands print; run `make readme`")
        return 1
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
