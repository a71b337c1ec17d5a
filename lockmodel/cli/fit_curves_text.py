"""What `lockmodel fit` prints of curve families: where a curve ends, and which of them say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.cli.intervals import span

if TYPE_CHECKING:
    from lockmodel.fitting.curves.comparison import FamilyComparison
    from lockmodel.fitting.curves.curve import Curve
    from lockmodel.model.machine import Machine

SCHEMA = "lockmodel.curves/2"

AHEAD = (2, 4)
"""Multiples of the largest population at which the pool is printed beside the data."""

FEW_ROWS, FEW_CURVES = 8, 2
"""Families of all curves, and curves, in the short report."""

MOST_CURVES = 40
"""Curves printed; --only takes one, --json has all."""


@dataclass(frozen=True)
class Compared:
    """A curve of one file or several, and its comparison; `rate`: whether it is per second."""

    files: tuple[str, ...]
    rate: bool
    comparison: FamilyComparison

    @property
    def file(self) -> str:
        """What it is called."""
        return ", ".join(self.files)

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """What is not well with the fit, as for a fit with a model."""
        from lockmodel.fitting.curves.lack import lack
        from lockmodel.fitting.health import WRONG_UNIT
        from lockmodel.model.plausible import rate

        poor, curve = self.comparison.misfit, self.comparison.curve
        said = rate(self.file, float((curve.x / curve.n).max())) if self.rate else ""
        units = (f"{WRONG_UNIT} {said}",) if said else ()
        named = f"{self.file}{'' if curve.label == 'all rows' else ' ' + curve.label}"
        found = lack(self.comparison)
        shape = () if found is None else (found.sentence(named),)
        if poor is None:
            return (*units, *shape)
        rest = self.comparison.without
        without = "" if rest is None else _outlook(rest, "/s" if self.rate else "")
        return (
            *units,
            poor.sentence(f"{named} at n = {curve.n[poor.point]}", without),
            *shape,
        )


def report(compared: Sequence[Compared], output: str | None, explain: bool) -> Report:
    """Return the competition as it is printed; `output` is where the best lock is written to."""

    def text(colour: bool) -> str:
        return tx.render(_parts(compared, output) if explain else _brief(compared), colour)

    return Report(
        lambda: {"schema": SCHEMA, "curves": [_plain(one) for one in compared]},
        text,
        rows=lambda: [row for one in compared for row in _rows(one)],
    )


def _rows(one: Compared) -> list[dict[str, Any]]:
    """Return what the pool predicts of a curve."""
    plain = _plain(one)
    said = plain["predictor"]
    return [
        {"file": one.file, "curve": plain["curve"], "n": n, "throughput": x, "low": low, "high": up}
        for n, x, low, up in zip(
            said["n"], said["throughput"], said["low"], said["high"], strict=True
        )
    ]


def _outlook(comparison: FamilyComparison, unit: str) -> str:
    """Return peak and ceiling in words."""
    peak, top = comparison.peak(), comparison.ceiling()
    said = "peak not determined"
    if peak.determined:
        said = f"peak at {peak.median:.0f} processes ({peak.low:.0f} to {peak.high:.0f})"
    if not top.determined:
        return said if peak.determined else "peak and ceiling not determined"
    return f"{said}, ceiling {tx.si(top.median, unit)} ({span((top.low, top.high), unit)})"


def _populations(curve: Curve) -> list[int]:
    """Return what is predicted: as measured, twice and four times as far, and all CPUs."""
    last = int(curve.n[-1])
    more = {last * factor for factor in AHEAD}
    if curve.cpus is not None and curve.cpus > last:
        more.add(curve.cpus)
    return [*(int(n) for n in curve.n), *sorted(more)]


def _asked(curve: Curve) -> int:
    """Return the population that the direction is asked at: twice the largest, or all CPUs."""
    from lockmodel.fitting.curves.curve import MOST_PROCESSES

    last = int(curve.n[-1])
    ahead = min(AHEAD[0] * last, MOST_PROCESSES)
    return curve.cpus if curve.cpus is not None and last < curve.cpus < ahead else ahead


def _direction(comparison: FamilyComparison) -> dict[str, Any] | None:
    """Return the probabilities of where the curve is going; None where it cannot go on."""
    n = _asked(comparison.curve)
    return {"n": n, **comparison.pool.direction(n)} if n > comparison.curve.n[-1] else None


def _topology(machine: Machine) -> str:
    return f"{machine.sockets}x{machine.cores // machine.sockets}x{machine.cpus // machine.cores}"


def _ahead(one: Compared) -> list[str]:
    """Return where the curve is going, and which edges on the way would be worth a point."""
    comparison, rate = one.comparison, one.rate
    curve = comparison.curve
    last, expected = int(curve.n[-1]), _direction(comparison)
    if expected is None:
        return []
    n = expected.pop("n")
    falls, flat, rises = (tx.whole(share) for share in expected.values())
    said = [
        f"from {last} to {n} processes it falls by 5 % or more ({falls}), stays ({flat}) or rises "
        f"by as much ({rises})."
    ]
    edges = comparison.edges(n)
    if edges:
        said.append(f"edge ahead: {edges[0].text}.")
    elif comparison.pool.outline.edges is None:
        said.append("sockets and cores not known, so an edge may lie ahead: --machine or --cpus.")
    worth = comparison.next_point(n)
    if worth is not None:
        unit = "/s" if rate else ""
        said.append(
            f"one measurement at {worth.at} would cut the interval at {n} from "
            f"{span(worth.now, unit)} to about {span(worth.then, unit)}."
        )
    if curve.cpus is not None and last > curve.cpus:
        said.append(
            f"beyond {curve.cpus} processes all CPUs are busy: what comes there is not a lock's."
        )
    return said


def _plain(one: Compared) -> dict[str, Any]:
    comparison, curve = one.comparison, one.comparison.curve
    n = _populations(comparison.average.curve)
    median, low, high = comparison.predict(n)
    peak, top = comparison.peak(), comparison.ceiling()
    worth = comparison.next_point(_asked(curve))
    return {
        "file": one.file,
        "curve": comparison.curve.label,
        "per_second": one.rate,
        "families": [
            {
                "name": row.name,
                "parameters": row.parameters,
                "rms": row.rms,
                "aicc": row.aicc,
                "leave_one_out": row.loo,
                "extrapolation": row.extrapolation,
                "weight": row.weight,
                "flags": list(row.flags),
            }
            for row in comparison.families
        ],
        "predictor": {
            "extrapolation": comparison.pool_extrapolation,
            "n": n,
            "throughput": median.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
        },
        "flags": list(one.flags),
        "machine": None if curve.machine is None else _topology(curve.machine),
        "cpus": curve.cpus,
        "direction": _direction(comparison),
        "edges": [
            {"after": edge.after, "what": edge.name} for edge in comparison.edges(_asked(curve))
        ],
        "next_point": worth and asdict(worth),
        "peak": asdict(peak),
        "peak_throughput": asdict(comparison.height()),
        "ceiling": asdict(top),
    }


def _parts(compared: Sequence[Compared], output: str | None) -> list[Any]:
    from lockmodel.observe.coverage import ACQUIRES, BEYOND, CURVE_ALONE

    parts: list[Any] = []
    for one in compared[:MOST_CURVES]:
        parts += _curve(one)
    if len(compared) > MOST_CURVES:
        parts.append(f"({len(compared)} curves, {MOST_CURVES} shown; --only NAME, or --json)")
    parts += [
        "misfit: root mean square of ln(fitted / measured); one out: error of each point from the "
        "others; beyond half: error above half of the populations when fitted below it; weight: "
        "share in the average of the families: evidence of the data, tempered, times a prior. "
        "last, usl and linear have none: they are limits of others, or fall for ever (saturating "
        "speaks for linear, with twice the prior). The pool predicts: this average, the two laws, "
        "the level and its trend, and a fall at the edges of the machine, weighted as they did on "
        "other machines",
        "",
    ]
    parts += tx.bullets("what no curve can tell:", (CURVE_ALONE, ACQUIRES, BEYOND))
    if output is not None:
        path = output if "/" in output else f"./{output}"
        last = compared[0].comparison.curve.n[-1]
        parts += tx.bullets("next:", (f"lockmodel levers {path} -n {last}",))
    else:
        parts += tx.bullets(
            "next:",
            (
                "with a model of the iteration: lockmodel fit FILE --model MODEL",
                "save the best lock as a scenario: --only CURVE -o lock.toml",
            ),
        )
    return parts


def _brief(compared: Sequence[Compared]) -> list[Any]:
    """Return where every curve ends, and which families say so."""
    parts: list[Any] = []
    few = max(1, FEW_ROWS // max(1, min(len(compared), FEW_CURVES)))
    for one in compared[:FEW_CURVES]:
        unit = "/s" if one.rate else ""
        n = [_asked(one.comparison.curve)]
        median, low, high = one.comparison.predict(n)
        label = f": {one.comparison.curve.label}" if len(compared) > 1 else ""
        said = (
            f"{one.file}{label}: {_outlook(one.comparison, unit)}; at {n[0]} processes "
            f"{tx.si(float(median[-1]), unit)} ({span((float(low[-1]), float(high[-1])), unit)})."
        )
        rows = [
            [row.name, _percent(row.rms), _percent(row.extrapolation), tx.whole(row.weight)]
            for row in sorted(one.comparison.families, key=lambda row: -row.weight)[:few]
            if row.weight > 0
        ]
        rows.append(["pool", "", _percent(one.comparison.pool_extrapolation), ""])
        heads = ["family", "misfit", "error beyond half", "weight"]
        flags = [f"! {flag}" for flag in one.flags]
        parts += [*flags, said, *_ahead(one), "", tx.table(heads, rows, left=(0,)), ""]
    parts += tx.more(len(compared) - FEW_CURVES, "curve", "--only NAME, or --json")
    parts.append("points, all families, flags, what no curve can tell: --explain")
    return parts


def _curve(one: Compared) -> list[Any]:
    comparison = one.comparison
    curve = comparison.curve
    unit = "/s" if one.rate else ""
    machine = curve.machine
    where = (
        "sockets not stated"
        if machine is None
        else f"{_topology(machine).replace('x', ' x ')} (sockets x cores x threads)"
    )
    rows = [
        [
            row.name,
            _percent(row.rms),
            "-" if row.aicc is None else f"{row.aicc:.1f}",
            _percent(row.loo),
            _percent(row.extrapolation),
            "-" if row.weight == 0 else f"{row.weight:.0%}",
        ]
        for row in comparison.families
    ]
    rows.append(["pool", "", "", "", _percent(comparison.pool_extrapolation), ""])
    columns = ["family", "misfit", "AICc", "one out", "beyond half", "weight"]
    parts: list[Any] = [
        *(f"! {flag}" for flag in one.flags),
        f"{one.file}: {curve.label}; {len(curve.n)} points from {curve.n[0]} to {curve.n[-1]}; "
        f"{where}",
        "",
        tx.table(columns, rows, left=(0,)),
        "",
    ]
    n = _populations(comparison.average.curve)
    median, low, high = comparison.predict(n)
    measured = dict(zip(curve.n.tolist(), curve.x.tolist(), strict=True))
    cells = [
        [
            str(k),
            tx.si(measured[k], unit) if k in measured else "",
            tx.si(float(x), unit),
            f"{tx.si(float(a), unit)} to {tx.si(float(b), unit)}",
        ]
        for k, x, a, b in zip(n, median, low, high, strict=True)
    ]
    parts += [tx.table(["n", "measured", "pool", "90 % of measurements"], cells), ""]
    peak, top = comparison.peak(), comparison.ceiling()
    said = f"{peak.median:.0f} processes ({peak.low:.0f} to {peak.high:.0f})"
    parts.append(f"peak at {said}" if peak.determined else "peak: not determined by these data")
    top_x = comparison.height()
    if top_x.determined:
        parts[-1] += f", {tx.si(top_x.median, unit)} ({span((top_x.low, top_x.high), unit)})"
    ends = f"{tx.si(top.median, unit)} ({tx.si(top.low, unit)} to {tx.si(top.high, unit)})"
    parts.append(f"ceiling {ends}" if top.determined else "ceiling: not determined by these data")
    parts += _ahead(one)
    flags = [
        f"{row.name}: {'; '.join(row.flags)}"
        for row in comparison.families
        if row.flags and row.weight
    ]
    parts += [*tx.bullets("flags of the families:", flags), ""]
    return parts


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
