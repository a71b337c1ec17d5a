"""Make the shipped scenarios: traced counts, times calibrated to published figures.

Usage: python tools/calibrate [--out models]

Reads data/traced and data/published, writes models/*.toml. Counts are never fitted. What is
fitted, carried over or assumed is written into each file, as comments and as [[provenance]].
A throughput curve alone cannot tell held work from hand-off; the one thing at hand that can is
a pair of kernels that differ in acquires only (robot pair, 29 -> 21 acquires of libc.so.6, +11 %).
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import overlap
from common import ROOT
from doexec import doexec_20
from execl import execl_direct, execl_emr112, execl_xeon8369b
from sysexec import ratio_of, robot_pair
from sysexec_icl import BEFORE, sysexec_icl64

from lockmodel.model.scenario import Scenario
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
    before, after = robot_pair()
    ratio = ratio_of(after, 224)
    curve = execl_xeon8369b(ratio, ratio_of(before, 224))
    made = [curve, execl_direct(curve), execl_emr112(after), before, after, doexec_20(before)]
    made.append(sysexec_icl64(after))
    made = [overlap.with_lines(scenario) for scenario in made]
    out.mkdir(parents=True, exist_ok=True)
    for scenario in made:
        (out / f"{scenario.name}.toml").write_text(header(scenario) + dumps(scenario))
        print(f"{scenario.name}: {len(scenario.sites)} sites, think {scenario.think * 1e6:.0f} us")
    by_name = {scenario.name: scenario for scenario in made}
    rated = ("execl-xeon8369b", "sysexec-spr224-v6.12", "sysexec-icl64-v6.12")
    overlap.write(overlap.rates(*(by_name[name] for name in rated)), BEFORE)


if __name__ == "__main__":
    main()
