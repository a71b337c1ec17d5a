"""The report of `lockmodel backtest`: patches that hold, columns, and on demand all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockmodel.cli import text as tx
from lockmodel.cli.intervals import gain_ends
from lockmodel.evaluate.backtest.case import LEVEL, Backtest, Entry, Verdict
from lockmodel.evaluate.backtest.columns import MEAN, NOTHING, PROXIES

FEW_ROWS = 12
"""Rows of the short report."""

HEADS = {
    "change": "kernel changes on the exec path (data/published/interventions.json)",
    "transfer": "transfer to other locks (curves of data/published)",
}
SCORED = ("inside", "outside")

NARROW = 0.015
"""Width of a published range, as a share of throughput, that is printed as one number."""

SHORT = {MEAN: "mean", NOTHING: "none", "instructions": "instr.", "operations": "oper."}
"""Columns in few letters."""

CONCLUDED = (
    "Five patches are few: the difference to a column is as uncertain as its standard error says, "
    "and the columns' spreads rest on three or four residuals each.",
    "The cases were written when the results were public. A result can not reach its own "
    "prediction (tests move all of them), the choice of what to model could. For a hand-off three "
    "were tried with the published gains of batching (+11 %) in view: its 5.8 lines overlap as "
    "those under the lock (+6 %; so the column of lines), between its lines and its transfers "
    "(+8 to 10 %), its lines one after another (+11 %), which was kept as an atomic access cannot "
    "overlap the next. Likewise how many instructions an rbtree takes, and what caches a server "
    "has.",
    "Noise of two runs (2 % each where none is stated) and 5 % for the model are in every "
    "interval, so a gain of a few per cent can hardly be missed.",
    "The overlap of misses is that of other machines' rates with the batching patch in them; of "
    "the machine that is predicted none is used, and no gain of any.",
    "A lower bound is a one-sided test: only too small a prediction fails it.",
)


def brief(tested: Backtest, colour: bool) -> str:
    """Return the patches that hold, their rows, and the columns."""
    every = [e for e in tested.entries if e.verdict in SCORED]
    shown = [e for e in every if e.group == "change"] or every
    shown = sorted(shown, key=lambda e: [p.name for p in tested.patches].index(e.patch))
    group = shown[0].group if shown else "change"
    parts: list[Any] = [_first(tested, group)]
    if shown:
        parts += ["", _rows(shown[:FEW_ROWS])]
    if tested.columns and group == "change":
        parts += ["", _columns(tested)]
    parts.append(_last(tested, group, len(tested.entries) - len(shown[:FEW_ROWS])))
    return tx.render(parts, colour)


def _first(tested: Backtest, group: str) -> str:
    """Return how many patches hold their published gains, and how they score."""
    inside, outside = tested.count("inside", group), tested.names("outside", group)
    of = inside + len(outside)
    if of == 0:
        return "None of these patches is decidable."
    if of == 1:
        (name,) = outside or tested.names("inside", group)
        return f"The one decidable patch, {name}, lies {'outside' if outside else 'inside'}."
    lines = [
        f"{inside} of {of} decidable patches lie inside"
        + (f"; outside: {', '.join(outside)}." if outside else ".")
    ]
    rival = tested.best_rival
    if group == "change" and rival is not None:
        lines.append(
            f"Log score {tested.columns[0].score:.2f}, {rival.difference:+.2f} (standard error "
            f"{rival.error:.2f}) against {rival.name}, the best rival."
        )
    return " ".join(lines)


def _last(tested: Backtest, group: str, hidden: int) -> str:
    """Return what was left out, by count."""
    parts = []
    if group == "change" and any(p.group == "transfer" and p.score for p in tested.patches):
        held = tested.count("inside", "transfer")
        of = held + tested.count("outside", "transfer")
        parts.append(f"Of other locks' curves, counted apart, {held} of {of} patches.")
    more = f"{tx.count(hidden, 'more row')}, " if hidden else ""
    parts.append(f"{more}columns by row, reasons: --explain")
    return " ".join(parts)


def _rows(rows: Sequence[Entry]) -> Any:
    cells, last = [], ""
    for entry in rows:
        cells.append([_named(entry, last), *_cells(entry)])
        last = entry.patch
    return _table("patch: record", cells)


def _named(entry: Entry, last: str) -> str:
    """Return patch and record; the record alone below another of the same patch."""
    return f"  {entry.id}" if entry.patch == last else f"{entry.patch}: {entry.id}"


def _cells(entry: Entry) -> list[str]:
    word = entry.verdict.upper() if entry.verdict == "outside" else entry.verdict
    return [published(entry), _predicted(entry), _ends(entry), word]


def _table(head: str, cells: list[list[str]]) -> Any:
    columns = [head, "published %", "predicted", f"{100 * LEVEL:.0f} % interval", "verdict"]
    return tx.table(columns, cells, left=(0, 3, 4), fold=(0,))


def _columns(tested: Backtest) -> Any:
    """Return the columns with their scores."""
    cells = [
        [
            column.name,
            f"{column.score:+.2f}",
            f"{column.difference:+.2f} ({column.error:.2f})" if place else "",
            f"{column.inside}",
        ]
        for place, column in enumerate(tested.columns)
    ]
    heads = ["predicted by", "log score", "ahead (s.e.)", "patches inside"]
    return tx.table(heads, cells, left=(0,))


def whole(tested: Backtest, colour: bool) -> str:
    """Return every row, the columns by row, reasons, and what can not be concluded."""
    parts: list[Any] = []
    for group, head in HEADS.items():
        rows = [entry for entry in tested.entries if entry.group == group]
        if rows:
            parts += [head, "", _by_patch(rows), _counts(tested, group), ""]
    scored = [entry for entry in tested.entries if entry.columns]
    if scored:
        parts += [
            "the same rows by other columns: predicted gain in % (the point, as counted)",
            "",
            _beside(scored),
            "",
        ]
        parts += ["log scores", "", _scores(scored), ""]
    if tested.columns:
        parts += ["mean over patches", "", _columns(tested), ""]
    parts += [*tx.bullets("why:", _reasons(tested.entries)), ""]
    parts += tx.bullets("what can not be concluded:", CONCLUDED)
    parts.append(f"{tested.draws:,} draws, seed {tested.seed}; --json has parameters and sources")
    return tx.render(parts, colour)


def _by_patch(rows: Sequence[Entry]) -> Any:
    """Return the rows by patch, each with its lever as a heading; gains in per cent."""
    cells = []
    for patch in dict.fromkeys(entry.patch for entry in rows):
        own = [entry for entry in rows if entry.patch == patch]
        cells.append([f"[{patch}: {own[0].kind}]", "", "", "", ""])
        for entry in own:
            name = entry.id + (f"\n  {entry.reading}" if entry.reading else "")
            cells.append([name, *_cells(entry)])
    return _table("patch: lever; record", cells)


def _counts(tested: Backtest, group: str) -> str:
    """Return the verdicts of patches in words."""
    verdicts: tuple[Verdict, ...] = ("inside", "outside", "undecidable", "no lever")
    counted = [f"{tested.count(v, group)} {v}" for v in verdicts if tested.count(v, group)]
    return "patches, each once: " + ", ".join(counted)


def _beside(rows: Sequence[Entry]) -> Any:
    """Return what every column predicts for every row, in per cent."""
    cells = [
        [_brief_name(row, rows), _predicted(row)]
        + [_number(one.predicted) for one in _in_order(row)]
        for row in rows
    ]
    return tx.table(["record", "own", *_heads()], cells, left=(0,), fold=(0,))


def _scores(rows: Sequence[Entry]) -> Any:
    """Return every column's log score of every row."""
    cells = [
        [_brief_name(row, rows), f"{row.score:+.2f}"]
        + [f"{one.score or 0.0:+.2f}" for one in _in_order(row)]
        for row in rows
    ]
    return tx.table(["record", "own", *_heads()], cells, left=(0,), fold=(0,))


def _brief_name(row: Entry, rows: Sequence[Entry]) -> str:
    """Return the patch, or the record where the patch has several rows."""
    return row.id if sum(other.patch == row.patch for other in rows) > 1 else row.patch


def _heads() -> list[str]:
    return [SHORT.get(name, name) for name in (NOTHING, MEAN, *PROXIES)]


def _in_order(row: Entry) -> list[Any]:
    columns = row.columns or {}
    return [columns[name] for name in (NOTHING, MEAN, *PROXIES) if name in columns]


def published(entry: Entry) -> str:
    """Return the published gain in per cent: a number, a range, or a bound."""
    low, high = entry.published
    if low is None or high is None:
        return f"> {_number(low or 0.0)}" if high is None else f"< {_number(high)}"
    if high - low <= NARROW * (1.0 + low):
        return _number(0.5 * (low + high))
    return f"{100 * low:+,.0f} to {100 * high:,.0f}"


def _predicted(entry: Entry) -> str:
    """Return the predicted gain in per cent, or the most that it can be."""
    if entry.predicted is not None:
        return _number(entry.predicted)
    if entry.verdict == "no lever":
        return "-"
    most = None if entry.limits is None else entry.limits[1]
    return "-" if most is None else f"to {_number(most)}"


def _ends(entry: Entry) -> str:
    return "" if entry.interval is None else gain_ends(entry.interval).strip("()")


def _number(gain: float) -> str:
    return tx.gain(gain).removesuffix(" %")


def _reasons(entries: Sequence[Entry]) -> list[str]:
    """Return lever, parameters and reasons, once for all records that share them."""
    shared: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        shared.setdefault((entry.lever, entry.why, entry.parameters), []).append(entry.name)
    return [
        f"{', '.join(names)}: {lever}. {why}. Parameters: {parameters}"
        for (lever, why, parameters), names in shared.items()
    ]
