"""What `lockmodel gate` prints: the answer, the table, what moved, and what the noise is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockmodel.cli import intervals
from lockmodel.cli import text as tx
from lockmodel.evaluate.gate.moved import DEMAND
from lockmodel.evaluate.gate.noise import ASSUMED, REPEATS, Source
from lockmodel.fitting.misfit import LEAST, MOST

if TYPE_CHECKING:
    from lockmodel.evaluate.gate.moved import Shift
    from lockmodel.evaluate.gate.verdict import Change, Gate

FEW_ROWS = 12
"""Populations that are printed: the REAL and the farthest off."""

MOST_LISTED = 4

MARKS = {"passed": "passed", "failed": "FAILED", "cannot decide": "CANNOT DECIDE"}


def text(gate: Gate, every: bool, colour: bool) -> str:
    """Return the report."""
    shown = _shown(gate, every)
    heads, cells = _table(gate, shown)
    parts: list[Any] = [
        *_answer(gate),
        *(f"! {doubt}" for doubt in gate.doubts),
        "",
        tx.table(heads, cells, left=(len(heads) - 1,)),
        *tx.more(len(gate.changes) - len(shown), "population", "--all"),
        *_moved(gate),
        *_noise(gate),
    ]
    return tx.render(parts, colour)


def comment(gate: Gate) -> str:
    """Return the report as Markdown, for a comment on a pull request."""
    heads, cells = _table(gate, gate.changes)
    bar = " | ".join(["---:"] * (len(heads) - 1) + [":---"])
    lines = [
        f"### {gate.new}: {MARKS[gate.outcome]}",
        "",
        *_answer(gate),
        *(f"\n**{doubt}**" for doubt in gate.doubts),
        "",
        f"| {' | '.join(heads)} |",
        f"| {bar} |",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
        *_moved(gate),
        *_noise(gate),
    ]
    return "\n".join(lines) + "\n"


def in_short(gate: Gate) -> str:
    """Return the outcome in one line, for standard error."""
    if gate.outcome == "failed":
        worst = gate.failing[0]
        return f"the gate failed: {_change(worst)} at n = {worst.n}"
    return f"cannot decide: {_unsure(gate)}; {gate.remedy}"


def rows(gate: Gate) -> list[dict[str, Any]]:
    """Return the changes as rows of a CSV file."""
    return [
        {
            "n": c.n,
            "base": c.base,
            "new": c.new,
            "change": c.change,
            "low": c.low,
            "high": c.high,
            "noise_floor": c.floor,
            "verdict": c.verdict,
        }
        for c in gate.changes
    ]


def _answer(gate: Gate) -> list[str]:
    """Return what the gate says, in a sentence, and what else is REAL."""
    new, base = gate.new, gate.base
    drops = [c for c in gate.changes if c.real and c.change < 0.0 and c not in gate.failing]
    gains = [c for c in gate.changes if c.real and c.change > 0.0]
    said = []
    if gate.outcome == "failed":
        said.append(f"{new} is slower than {base} {_most(gate.failing)}: REAL. The gate fails.")
    elif gate.outcome == "cannot decide":
        said.append(f"These data cannot decide: {_unsure(gate)}. To decide, {gate.remedy}.")
    elif not drops and not gains:
        many = f"all {len(gate.changes)} populations" if len(gate.changes) > 1 else ""
        where = many or f"n = {gate.changes[0].n}"
        top = max(c.floor for c in gate.changes)
        up_to = "up to " if len(gate.changes) > 1 else ""
        said.append(
            f"{new} passes: within noise of {base} at {where}, noise floor {up_to}"
            f"{tx.whole(top, 1)}."
        )
    else:
        said.append(f"{new} passes against {base}.")
    if drops:
        limit = f"--fail-below {100 * gate.limit:.3g} %"
        said.append(f"Slower by less than {limit} allows {_most(drops)}: REAL.")
    if gains:
        said.append(f"Faster {_most(sorted(gains, key=lambda c: -c.change))}: REAL.")
    return [" ".join(said)]


def _most(changes: Sequence[Change]) -> str:
    """Return where, and by how much at the first: the change that matters most."""
    first = changes[0]
    where = f"at n = {first.n}"
    if len(changes) > 1:
        where = f"at {len(changes)} populations, most at n = {first.n}"
    return f"{where}: {_change(first)}, noise floor {tx.whole(first.floor, 1)}"


def _change(change: Change) -> str:
    return intervals.gain(change.change, (change.low, change.high))


def _unsure(gate: Gate) -> str:
    """Return where a drop that matters is within noise."""
    unsure = gate.unsure
    populations = sorted(c.n for c in unsure)
    few = ", ".join(map(str, populations[:MOST_LISTED]))
    more = f" and {len(populations) - MOST_LISTED} more" if len(populations) > MOST_LISTED else ""
    noisiest = unsure[0]
    if noisiest.floor > gate.unseen:
        how = "assumed" if _assumed(noisiest) else "measured"
        return (
            f"a drop of {100 * gate.unseen:.3g} % would be within noise at n = {few}{more} "
            f"(noise floor up to {tx.whole(noisiest.floor, 1)}, {how})"
        )
    worst = min(unsure, key=lambda c: c.change)
    return f"{_change(worst)} at n = {worst.n} is within noise"


def _assumed(change: Change) -> bool:
    return any(source.how == ASSUMED for source in change.noise.sources)


def _shown(gate: Gate, every: bool) -> list[Change]:
    if every or len(gate.changes) <= FEW_ROWS:
        return list(gate.changes)
    first = sorted(gate.changes, key=lambda c: (not c.real, -abs(c.change)))[:FEW_ROWS]
    return sorted(first, key=lambda c: c.n)


def _table(gate: Gate, changes: Sequence[Change]) -> tuple[list[str], list[list[str]]]:
    unit = "/s" if gate.unit == "1/s" else ""
    gains = intervals.aligned([(c.change, (c.low, c.high)) for c in changes])
    heads = ["n", "base", "new", f"change ({100 * gate.level:.3g} % interval)", "noise floor"]
    cells = [
        [
            str(c.n),
            tx.si(c.base, unit).strip(),
            tx.si(c.new, unit).strip(),
            gain.strip(),
            tx.whole(c.floor, 1),
            c.verdict if c.real else "within noise",
        ]
        for c, gain in zip(changes, gains, strict=True)
    ]
    return [*heads, "verdict"], cells


def _moved(gate: Gate) -> list[str]:
    """Return which parameter moved, if any did."""
    moved = gate.moved
    if moved is None:
        return []
    if moved.why_not:
        return [f"What moved: these data cannot say ({moved.why_not})."]
    gone = [shift for shift in moved.shifts if shift.moved]
    if not gone:
        return ["What moved: these data cannot say (too little for one lock's times to show)."]
    rest = [
        f"{shift.name} within noise" if shift.determined else f"{shift.name} not determined"
        for shift in moved.shifts
        if not shift.moved
    ]
    said = "; ".join([*(_shift(shift, gate.held) for shift in gone), *rest])
    alike = " Both alike, as another clock or machine would do." if moved.alike else ""
    return [f"What moved: {said}.{alike}"]


def _shift(shift: Shift, held: Shift | None) -> str:
    value = f"{shift.name} {_gain(shift)}"
    return f"{value} ({_which(shift, held)})" if shift.name == DEMAND else value


def _gain(shift: Shift) -> str:
    return intervals.gain(shift.change, (shift.low, shift.high))


def _which(demand: Shift, held: Shift | None) -> str:
    """Return which part of the demand changed, where the hold times of both files tell."""
    if held is None:
        return "held work or hand-off: these data cannot say"
    times = f"hold times {_gain(held)}"
    if held.moved and (held.change > 0.0) == (demand.change > 0.0):
        return f"held work: {times}"
    if demand.low > held.high or demand.high < held.low:
        return f"hand-off: {times}"
    return f"held work or hand-off: these data cannot say, {times}"


def _noise(gate: Gate) -> list[str]:
    """Return what the noise is and where it is from, in one line."""
    sources = {source for change in gate.changes for source in change.noise.sources}
    said = []
    repeated = sorted((s for s in sources if s.how == REPEATS), key=lambda s: s.of != gate.base)
    said += [f"{_percent(s)} in a run of {s.of} by its repeats" for s in repeated]
    stated = [s for s in sources if s.how not in (REPEATS, ASSUMED)]
    if stated:
        ends = {_percent(f(stated, key=lambda s: s.variance)): None for f in (min, max)}
        said.append(f"{' to '.join(ends)} as the files state")
    if any(s.how == ASSUMED for s in sources):
        said.append(
            f"{tx.whole(MOST)} assumed, there are neither repeats nor sd ({100 * LEAST:.0f} to "
            f"{tx.whole(MOST)} is usual)"
        )
    return [f"Noise: {'; '.join(said)}."]


def _percent(source: Source) -> str:
    return tx.whole(float(source.variance**0.5), 1)
