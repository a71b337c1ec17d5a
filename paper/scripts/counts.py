"""Lines that are held and handed over, counted, and what they alone predict."""

import json

from lockmodel.figures import registry
from lockmodel.figures.acquires import traced
from lockmodel.measure.acquires.from_counts import (
    ACQUIRE_S,
    HANDOFF_LINES,
    INSTRUCTION_S,
    LEVEL,
    NEXT_HANDOFF,
    from_counts,
)
from lockmodel.measure.acquires.lines import lines
from lockmodel.measure.acquires.next_locks import LEAST
from lockmodel.model.shipped import find_data, find_scenario, read_table, shipped_dir
from lockmodel.solvers.bounds import demand
from paper.tools.fits import EXECL
from paper.tools.out import Out

KERNEL, LIBC, EXECUTABLE = "6.12.107", "libc.so.6", "executable"
LOOPS = 16
"""Loops at once that the text speaks of."""

PAIRS = ("lkp_spr_224", "lkp_icl_64", "lkp_cpl_224")
BEFORE, AFTER = (("6.1.187", "fork"), (KERNEL, "fork"))
"""Whose acquires the two kernels of a pair have."""


def make(out: Out) -> None:
    """Name counted lines, the rates that follow, and what pairs of kernels say of a hand-off."""
    for name, site in (("link", "exec.map_link"), ("split", "exec.map_split")):
        law = lines(KERNEL, "execl", False, site)
        value = law.start + law.growth * 4
        out.number(f"lines_{name}", value, f"{value:.0f}")
    out.count("lines_loops", LOOPS)
    out.number("handoff_lines", HANDOFF_LINES, f"{HANDOFF_LINES:g}")
    out.number("next_handoff_lines", NEXT_HANDOFF, f"{NEXT_HANDOFF:g}")
    out.share("hidden_low", LEAST)
    out.share("hidden_high", 1.0)
    out.si("instruction_time", INSTRUCTION_S, "s")
    _totals(out)
    _rates(out)
    _pairs(out)


def _totals(out: Out) -> None:
    made = from_counts(find_scenario(EXECL))
    n = made.machine.cpus
    held, twice = (made.lines(LIBC, k, k) for k in (LOOPS, 2 * LOOPS))
    out.number("lines_libc", held, f"{held:.0f}")
    out.number("lines_growth", twice - held, f"{twice - held:.0f}")
    for name, ratio in (
        ("lines", made.lines(LIBC, n, n) / made.lines(EXECUTABLE, n, n)),
        ("acquires", made.acquires(LIBC) / made.acquires(EXECUTABLE)),
        (
            "instructions",
            made.held_instructions(LIBC, n) / made.held_instructions(EXECUTABLE, n),
        ),
    ):
        out.number(f"twice_{name}", ratio, f"{ratio:.1f}")
    own = demand(made, LIBC, n)
    out.share("counted_split", own.acquires * own.handoff_s / own.whole_s)


def _rates(out: Out) -> None:
    data = registry.make("rates")
    off = [one.off for one in data.saturated]
    out.count("rates_machines", len(off))
    out.words("rates_off", f"{100 * min(off):+.0f} to {100 * max(off):+.0f} %")
    busy = [one for one in data.curve if one.n >= LOOPS]
    out.words(
        "rates_curve_off",
        f"{100 * min(o.off for o in busy):+.0f} to {100 * max(o.off for o in busy):+.0f} %",
    )
    out.share("rates_one_off", -data.curve[0].off)
    inside = [one.low_per_s <= one.measured_per_s <= one.high_per_s for one in data.saturated]
    if not all(inside):
        raise ValueError("a saturated rate is outside its interval: the text says all are inside")
    out.share("counts_level", LEVEL)
    rows = read_table(shipped_dir("data") / "computed" / "line_overlap.csv")
    factors = [float(row["overlap"]) for row in rows]
    out.words("overlaps", f"{min(factors):.2f} to {max(factors):.2f}")


def _pairs(out: Out) -> None:
    """Name what batching alone says: acquires went, and the lines held stayed."""
    before, after = (sum(traced()[which].values()) for which in (BEFORE, AFTER))
    rows = read_table(shipped_dir("data") / "computed" / "line_overlap.csv")
    waited = {row["source"].partition(";")[0].split()[-1]: row for row in rows}
    records = {r["id"]: r for r in json.loads(find_data("interventions.json").read_text("utf-8"))}
    needed, shares = [], []
    for name in PAIRS:
        record = records[name]
        saved = (1 / record["before"] - 1 / record["after"]) / (before - after)
        needed.append((saved - ACQUIRE_S) / (float(waited[name]["line_ns"]) * 1e-9))
        shares.append(after * saved * record["after"])
    out.count("pairs", len(PAIRS))
    out.words("pairs_lines", f"{min(needed):.1f} to {max(needed):.1f}")
    out.words("pairs_split", f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %")
