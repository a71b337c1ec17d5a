"""Make the shipped scenarios: counts, times of lines, and what published figures add to them.

Usage: python tools/calibrate [--out models]

Reads data/traced and data/published, writes models/*.toml and data/computed/line_overlap.csv.
Counts are never fitted. What is fitted, carried over or assumed is written into each file, as
comments and as [[provenance]], what is left open as [fit].
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import execl
import overlap
import sysexec
from common import ROOT
from doexec import doexec_20
from mix import mix_xeon8369b

from lockmodel.model.scenario import Scenario, merged
from lockmodel.model.toml import dumps


def header(scenario: Scenario) -> str:
    """Return the comment block that opens the file."""
    lines = [
        f"{scenario.name}: {scenario.title}",
        "Made by tools/calibrate; do not edit, change the script and run `make models`.",
        "Where the numbers come from:",
    ]
    text = []
    for line in lines:
        text.append(f"# {line}")
    for entry in scenario.provenance:
        body = f"{entry.value} [{entry.origin}]: {entry.note}"
        wrapped = textwrap.wrap(body, 94, initial_indent="# * ", subsequent_indent="#   ")
        text.extend(wrapped)
    return "\n".join(text) + "\n\n"


def main() -> None:
    """Calibrate and write every scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "models")
    out = parser.parse_args().out
    # First the factors: every scenario takes that of the other machines.
    bare = (
        execl.traced("execl-xeon8369b", "", execl.XEON),
        sysexec.traced("sysexec-spr224-v6.12", "", "6.12.107", sysexec.SAPPHIRE),
        sysexec.traced("sysexec-icl64-v6.12", "", "6.12.107", sysexec.ICE_LAKE),
    )
    overlap.write(overlap.rates(*bare), sysexec.UNBATCHED)
    curve = execl.execl_xeon8369b()
    made = [curve, execl.execl_direct(curve), execl.execl_emr112()]
    made += [*sysexec.robots(), doexec_20()]
    made.append(mix_xeon8369b(curve, next(s for s in made if s.name == "sysexec-icl64-v6.12")))
    out.mkdir(parents=True, exist_ok=True)
    for scenario in made:
        (out / f"{scenario.name}.toml").write_text(header(scenario) + dumps(scenario))
        sites = len(merged(scenario).sites)
        print(f"{scenario.name}: {sites} sites, think {scenario.think * 1e6:.0f} us")


if __name__ == "__main__":
    main()
