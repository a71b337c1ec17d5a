"""Times of cache lines as text: known machines, and what `lockmodel bench --lines` measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.model.machine import DISTANCES
from lockmodel.units import to

if TYPE_CHECKING:
    from lockmodel.measure.bench.line_matrix import LineMatrix
    from lockmodel.model.machine import LineTimes
    from lockmodel.model.machines import KnownMachine
    from lockmodel.model.published import Spread

WORDS = {
    "smt": "same core",
    "cache": "same cache",
    "socket": "same socket",
    "remote": "other socket",
}
"""Distance -> how a report calls it."""

HEADS = tuple(word.replace(" ", "\n") for word in WORDS.values())


def ns(seconds: float) -> str:
    """Return a time in ns: 9.97e-9 -> "10.0"; 1.1e-7 -> "110"."""
    value = seconds * 1e9
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def span(ends: tuple[float, float]) -> str:
    """Return a range of times: "48 to 135 ns"."""
    low, high = (f"{tx.si(end, 's')}" for end in ends)
    return low if low == high else to(low, high)


def cells(times: Mapping[str, Spread]) -> list[str]:
    """Return a cell per distance: median (low-high), nothing where it is not known."""
    return [_cell(times[d]) if d in times else "" for d in DISTANCES]


def _cell(spread: Spread) -> str:
    low, median, high = (f"{1e9 * t:.0f}" for t in (spread.low, spread.median, spread.high))
    return f"{median} ({low}-{high})"


def toml_line(line: LineTimes) -> str:
    """Return the key of a scenario's machine: "line_ns = { smt = 7.4, socket = 48 }"."""
    times = [(d, time) for d in DISTANCES if (time := getattr(line, d)) is not None]
    return f"line_ns = {{ {', '.join(f'{d} = {1e9 * time:.4g}' for d, time in times)} }}"


def table(times: Mapping[str, Spread], more: Mapping[str, Mapping[str, str]]) -> Any:
    """Return a row per distance: median, 5 %, 95 %, and further columns by head and distance."""
    rows = [
        [
            WORDS[d],
            *(ns(t) for t in (times[d].median, times[d].low, times[d].high)),
            *(column.get(d, "") for column in more.values()),
        ]
        for d in DISTANCES
        if d in times
    ]
    return tx.table(["from", "median ns", "5 %", "95 %", *more], rows, left=(0,))


def full(one: KnownMachine, colour: bool) -> str:
    """Return all that is known of a machine."""
    machine, found = one.machine(), one.published
    parts: list[Any] = []
    if machine is None:
        where = "topology not known, so none for --machine"
    else:
        caches = (
            "" if machine.caches is None else f", {tx.count(machine.caches, 'last-level cache')}"
        )
        where = (
            f"{tx.count(machine.cpus, 'CPU')}, {tx.count(machine.cores, 'core')}, "
            f"{tx.count(machine.sockets, 'socket')}{caches}; --machine {one.name}"
        )
    if found is None:
        parts += [
            f"{one.title}: no times of cache lines were published for it.",
            "",
            where,
            f"shipped scenario: {one.scenario}",
        ]
        return tx.render(parts, colour)
    parts += [
        f"{one.title}: a cache line takes {ns(found.mean)} ns on average over all pairs of CPUs.",
        *([f"! {found.note}"] if found.note else []),
        "",
        table(found.times, {}),
        "",
        where if machine is not None else f"{found.cpus} CPUs; {where}",
        f"published: {_source(found.source)}",
    ]
    if machine is not None and machine.line is not None:
        parts += ["in a scenario, [machine]:"]
        parts += [f"  caches = {machine.caches}", f"  {toml_line(machine.line)}"]
    return tx.render(parts, colour)


def _source(file: str) -> str:
    from lockmodel.model.published import SOURCE

    return f"{SOURCE}, {file}"


def report(matrix: LineMatrix, explain: bool, colour: bool) -> str:
    """Return what was measured here, beside what was published of machines alike."""
    from lockmodel.measure.bench.lines import SAMPLES, TRIPS

    times, known = matrix.times(), matrix.published()
    counts = {d: f"{len(matrix.measured(d)):,} of {len(there):,}" for d, there in _there(matrix)}
    beside = {d: span(known[d]) if d in known else "-" for d in times}
    alike = f"published: {matrix.alike.title}"
    parts: list[Any] = [
        _headline(matrix),
        *(f"! {said}" for said in (*_unlike(matrix), *matrix.notes())),
        "",
        table(times, {"pairs": counts, alike: beside}),
        "",
    ]
    if gone := matrix.missing():
        parts.append(f"not here: {', '.join(WORDS[d] for d in gone)}")
    parts += ["in a scenario, [machine]:", *(f"  {key}" for key in _keys(matrix))]
    weak = tx.count(len(matrix.reasons), "caveat")
    if not explain:
        made = sum(len(pair.samples) for pair in matrix.pairs)
        where = f"{made:,} visits on {matrix.machine.model}"
        return tx.render([*parts, f"{where}; {weak}, topology: --explain"], colour)
    parts += [
        f"topology: {matrix.topology()}",
        f"machine: {matrix.machine.title()}; Linux {matrix.machine.kernel}",
        f"published: {', '.join(one.name for one in matrix.alike.machines)}",
        f"program: {matrix.program}; a visit is the median of {SAMPLES} x {TRIPS:,} round trips, "
        f"up to {matrix.repeats} of each pair in {matrix.seconds:g} s",
        *tx.bullets("may mislead:", [str(reason) for reason in matrix.reasons]),
    ]
    return tx.render(parts, colour)


def _there(matrix: LineMatrix) -> list[tuple[str, list[tuple[int, int]]]]:
    return [(d, there) for d, there in matrix.all_pairs.items() if matrix.measured(d)]


def _headline(matrix: LineMatrix) -> str:
    """Return the mean over all pairs, or the time of the only distance."""
    times = matrix.times()
    cpus = tx.count(len(matrix.places.core), "CPU")
    if len(times) == 1:
        ((distance, only),) = times.items()
        return f"A cache line takes {ns(only.median)} ns from the {WORDS[distance]}, on {cpus}."
    return (
        f"A cache line takes {ns(matrix.mean())} ns on average over all pairs of {cpus}, "
        f"{span((min(t.median for t in times.values()), max(t.median for t in times.values())))} "
        f"by distance."
    )


def _unlike(matrix: LineMatrix) -> list[str]:
    """Return where times are those published of another distance: topologies may be made up."""
    known = matrix.published()
    found = matrix.unlike()
    said = []
    for distance in dict.fromkeys(one.distance for one in found):
        mine = [one for one in found if one.distance == distance]
        like = ", ".join(
            f"{one.like} took what {WORDS[one.other]} takes ({span(known[one.other])})"
            for one in mine
        )
        said.append(
            f"{WORDS[distance]}: of {mine[0].visits:,} visits {like} on machines of its kind "
            f"({matrix.alike.title}), not {span(known[distance])}: the stated topology is made "
            f"up, or a host moves CPUs about"
        )
    return said


def _keys(matrix: LineMatrix) -> list[str]:
    """Return the keys of a scenario's machine that were measured."""
    caches = matrix.places.caches
    return [*([] if caches is None else [f"caches = {caches}"]), toml_line(matrix.line())]


def scenario(matrix: LineMatrix, explain: bool, colour: bool) -> str:
    """Return the keys of a scenario's machine, below a comment on where they are from."""
    said = [
        f"measured by lockmodel bench --lines, {matrix.started}: {matrix.machine.title()}",
        *_unlike(matrix),
        *matrix.notes(),
    ]
    return "\n".join([*(f"# {' '.join(text.split())}" for text in said), *_keys(matrix), ""])
