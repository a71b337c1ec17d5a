"""Acquires and held instructions per site; the three counts compared."""

import csv
import math

from lockmodel.figures.acquires import FILE, TRACED_BINARY, data, shipped_elf, traced
from lockmodel.figures.held import data as held_data
from lockmodel.measure.acquires.lines import lines
from lockmodel.measure.acquires.loops import SITES
from lockmodel.measure.shares.integers import search
from lockmodel.measure.shares.reading import read_file
from lockmodel.model.shipped import shipped_dir
from paper.tools.out import Out

OLD, NEW, NEWEST = "6.1.187", "6.12.107", "7.2.13"

LOOPS = 16
"""Loops at once whose lines are in the table."""

GROUPS = {
    "links": ("exec.map_link", "exec.map_expand"),
    "unlinks": ("exec.map_unlink",),
    "splits": ("exec.map_split", "exec.mprotect_split"),
    "teardowns": ("exec.teardown",),
}
"""Neighbouring sites, which a profile's stacks hardly tell apart, taken together."""

MEANING = {
    "fork.dup": "fork copies a mapping",
    "exec.teardown": "exec drops the old mappings",
    "exec.map_link": "a new mapping",
    "exec.map_split": "one is cut to put another over a part",
    "exec.map_unlink": "what the other one replaced",
    "exec.map_expand": "a neighbour grows instead",
    "exec.mprotect_split": "relocated part made read-only",
    "exit.teardown": "the mappings go",
}


def make(out: Out) -> None:
    """Write the table of sites and name the totals."""
    table = traced()
    out.count("fork_old", sum(table[OLD, "fork"].values()))
    out.count("fork_new", sum(table[NEW, "fork"].values()))
    out.count("execl_new", sum(table[NEW, "execl"].values()))
    operations = _operations()
    out.count("fork_operations", operations[NEW, "fork"])
    out.count("teardown_old", table[OLD, "fork"]["exit.teardown"])
    out.count("splits", table[NEW, "execl"]["exec.map_split"])
    held = {one.site: one for one in held_data().sites}
    rows = []
    for site in SITES:
        counts = [
            table[kernel, loop].get(site, 0)
            for kernel, loop in ((OLD, "fork"), (NEW, "fork"), (NEW, "execl"))
        ]
        if not any(counts):
            continue
        one = held.get(site)
        alone = "" if one is None else f"{dict(one.by_kernel)[NEW]:,.0f}"
        law = lines(NEW, "execl" if site in table[NEW, "execl"] else "fork", False, site)
        moved = f"{law.start + law.growth * math.log2(LOOPS):.0f}", f"{law.growth:.1f}"
        rows.append([site, MEANING[site], *(str(c or "-") for c in counts), alone, *moved])
    totals = [sum(int(row[i]) for row in rows if row[i] != "-") for i in (2, 3, 4)]
    rows.append(["all", "", *map(str, totals), "", "", ""])
    heads = ["site", "what happens", "6.1", "6.12", "execl", "instr.", "lines", "growth"]
    out.table("sites", heads, rows, words=2)
    rules = shipped_elf()
    pairs = [(k, s) for k in rules for s in {*rules[k], *table[k]}]
    same = sum(rules[k].get(s, 0) == table[k].get(s, 0) for k, s in pairs)
    out.count("rules_compared", len(pairs))
    out.count("rules_same", same)
    _shares(out)
    _held(out, held)


def _operations() -> dict[tuple[str, str], int]:
    """Return tree operations on libc.so.6 per iteration."""
    made: dict[tuple[str, str], int] = {}
    path = shipped_dir("data") / "traced" / "acquires_traced.csv"
    text = path.read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in text if not line.startswith("#")):
        if row["file"] == FILE and row["binary"] == TRACED_BINARY.get(row["loop"]):
            key = row["kernel"], row["loop"]
            made[key] = made.get(key, 0) + int(row["tree_operations"])
    return made


def _shares(out: Out) -> None:
    _, profiles = read_file(shipped_dir("data") / "published" / "profiles.json")
    searches = [search(profile) for profile in profiles]
    panels = {panel.profile: panel for panel in data().panels}
    agree = [name for name, panel in panels.items() if panel.traced == panel.from_shares]
    out.count("profiles_read", len(searches))
    out.count("profiles_agreeing", len(agree))
    least = min(one.odds_against_chance for one in searches)
    out.number("least_odds", least, f"{float(f'{least:.2g}'):,.0f}")
    out.share("least_probability", min(one.probability for one in searches), 1)
    out.share("share_noise", max(one.noise for one in searches), 1)
    other = next(panel for name, panel in panels.items() if name not in agree)
    counts = dict(zip(other.sites, zip(other.traced, other.from_shares, strict=True), strict=True))
    for name, site in (("split", "exec.map_split"), ("protect", "exec.mprotect_split")):
        out.count(f"emr_{name}_traced", counts[site][0])
        out.count(f"emr_{name}_shares", counts[site][1])
    out.count("emr_total", sum(other.from_shares))
    for name, sites in GROUPS.items():
        ours, theirs = (sum(counts.get(site, (0, 0))[i] for site in sites) for i in (0, 1))
        if ours != theirs:
            raise ValueError(f"{name} of the last profile differ: the text says they agree")
        out.count(f"emr_{name}", theirs)


def _held(out: Out, held: dict) -> None:
    split, link = held["exec.map_split"], held["exec.map_link"]
    most = split.mappers[-1]
    out.number("split_alone", split.instructions[0], f"{split.instructions[0]:,.0f}")
    out.number("split_many", split.instructions[-1], f"{split.instructions[-1]:,.0f}")
    out.number("many_mappers", most, f"{most - 1:,}")
    out.number("link_alone", link.instructions[0], f"{link.instructions[0]:,.0f}")
    out.number("link_many", link.instructions[-1], f"{link.instructions[-1]:,.0f}")
    ratio = dict(link.by_kernel)[OLD] / dict(link.by_kernel)[NEW]
    out.number("link_ratio", ratio, f"{ratio:.0f}")
