"""`lockmodel fit` without a model: the families compete for every curve of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from lockmodel.cli import common, files, inputs
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.cli.fit_text import unreliable
from lockmodel.cli.intervals import span
from lockmodel.errors import ArgumentError, ScenarioError, nearest

if TYPE_CHECKING:
    from lockmodel.answers.band import FittedCurve
    from lockmodel.cli.data_options import Files
    from lockmodel.fitting.curves.comparison import FamilyComparison
    from lockmodel.fitting.curves.curve import Curve
    from lockmodel.model.machine import Machine
    from lockmodel.observe.joining import Joined
    from lockmodel.observe.observations import Reading

SCHEMA = "lockmodel.curves/2"

AHEAD = (2, 4)
"""Multiples of the largest population at which the pool is printed beside the data."""

FEW_ROWS, FEW_CURVES = 8, 2
"""Families of all curves, and curves, in the short report."""

MOST_CURVES = 40
"""Curves printed; --only takes one, --json has all."""


@dataclass(frozen=True)
class _Compared:
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


def compete(data: Sequence[str], options: dict[str, Any], into: Files) -> None:
    """Compare the families on every curve, print and write what was asked for."""
    from lockmodel.fitting.curves.comparison import compare
    from lockmodel.fitting.datasets import check_once
    from lockmodel.observe.joining import joined
    from lockmodel.observe.readers import read_file

    paths = [(name, inputs.data(name)) for name in data]
    check_once(paths)
    asked: list[tuple[tuple[str, ...], Reading, Curve]] = []
    for one in joined((name, read_file(path, options["reading"])) for name, path in paths):
        for sentence in one.sentences:
            typer.echo(f"lockmodel: {sentence}", err=True)
        curves = _chosen(one, options)
        asked += [(one.names, one.reading, curve) for curve in curves]
    if into.output is not None and len(asked) > 1:
        names = ", ".join(repr(curve.label) for _, _, curve in asked[:8])
        raise ArgumentError(f"-o {into.output}: there are several curves; --only one of {names}")
    with (
        files.optional_file(into.output, into.force) as toml,
        files.optional_file(into.report, into.force) as markdown,
        files.optional_file(into.plot_file, into.force) as picture,
        files.output(None, into.as_json, into.force) as write,
    ):
        compared = [
            _Compared(names, _per_second(reading), compare(curve))
            for names, reading, curve in common.progress(asked, len(asked), "curves")
        ]
        if toml is not None:
            toml.stream.write(_scenario(compared[0], options).encode())
        write(
            Report(
                lambda: {"schema": SCHEMA, "curves": [_plain(one) for one in compared]},
                lambda colour: tx.render(
                    _parts(compared, into.output) if into.explain else _brief(compared), colour
                ),
            )
        )
        if markdown is not None:
            fenced = tx.render(_parts(compared, into.output), False)
            markdown.stream.write(f"# Curve families\n\n```\n{fenced}```\n".encode())
        if into.drawn:
            drawn = [_drawn(one) for one in compared]
            into.draw(drawn, "the pool, 90 % band", picture)
    poor = [one for one in compared if one.comparison.misfit and one.comparison.misfit.gross]
    if len(poor) == len(compared):
        raise unreliable(next(f for f in poor[0].flags if f.startswith("POOR FIT")))


def _outlook(comparison: FamilyComparison, unit: str) -> str:
    """Return peak and ceiling in words."""
    peak, top = comparison.peak(), comparison.ceiling()
    said = "peak not determined"
    if peak.determined:
        said = f"peak at {peak.median:.0f} processes ({peak.low:.0f} to {peak.high:.0f})"
    if not top.determined:
        return said if peak.determined else "peak and ceiling not determined"
    return f"{said}, ceiling {tx.si(top.median, unit)} ({span((top.low, top.high), unit)})"


def _chosen(one: Joined, options: dict[str, Any]) -> list[Curve]:
    """Return the curves of a file, or of several joined, that were asked for."""
    from lockmodel.fitting.curves.curve import curves_of
    from lockmodel.model.machines import parse
    from lockmodel.observe.text import load

    asked, name = options["machine"], one.name
    lines = [line.text for own in one.names for line in load(inputs.data(own), own).lines]
    header = [line for line in lines if line.lstrip().startswith("#")]
    curves = curves_of(one.reading, asked and parse(asked), options["cpus"], header)
    if not curves:
        raise ScenarioError(
            f"{name}: no throughput at three populations or more; nothing to fit without a model"
        )
    wanted = [text for text in (options["what"], *options["only"]) if text]
    for text in wanted:
        named = [c for c in curves if text == c.label or text in c.label.split("/")]
        named = named or [c for c in curves if text in c.label]
        if not named:
            labels = [c.label for c in curves]
            raise ArgumentError(
                f"--only {text!r}: {name} has no such curve; {nearest(text, labels)}"
            )
        curves = tuple(named)
    return list(curves)


def _per_second(reading: Reading) -> bool:
    return all(o.unit == "1/s" for o in reading.observations if o.kind == "throughput")


def _scenario(one: _Compared, options: dict[str, Any]) -> str:
    """Return the TOML of the best lock family, fitted with intervals like any model."""
    from lockmodel.fitting.datasets import Wanted, load_sets
    from lockmodel.fitting.estimate import Settings
    from lockmodel.fitting.fitting import run
    from lockmodel.fitting.generic import generic
    from lockmodel.model.toml import dumps

    if not one.rate:
        raise ScenarioError(
            f"{one.file}: throughput is in a unit that is not a rate per second, so there are no "
            f"times to save; state it in the header, e.g. '# unit: ops/s'"
        )
    made = generic(one.comparison, "generic-lock", one.file)
    label = one.comparison.curve.label
    wanted = [Wanted(inputs.data(name), name, made.scenario) for name in one.files]
    only = [part for part in label.split("/") if part] if options["only"] else []
    loaded = load_sets(wanted, {}, options["what"], only, options["reading"])
    fitted = run(loaded, made.free, settings=Settings(priors=False), progress=common.progress)
    return dumps(fitted.scenarios[0])


def _drawn(one: _Compared) -> FittedCurve:
    from lockmodel.answers.band import FittedCurve, grid_to

    curve = one.comparison.curve
    grid = sorted(
        {*grid_to(AHEAD[0] * int(curve.n[-1])), *(int(n) for n in one.comparison.average.curve.n)}
    )
    median, low, high = one.comparison.predict(grid)
    sd = [0.0] * len(curve.n) if curve.sd is None else curve.sd.tolist()
    return FittedCurve(
        curve.label,
        tuple(int(n) for n in curve.n),
        tuple(curve.x.tolist()),
        tuple(sd),
        tuple(grid),
        tuple(median.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
        (),
    )


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


def _ahead(one: _Compared) -> list[str]:
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


def _plain(one: _Compared) -> dict[str, Any]:
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


def _parts(compared: Sequence[_Compared], output: str | None) -> list[Any]:
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


def _brief(compared: Sequence[_Compared]) -> list[Any]:
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


def _curve(one: _Compared) -> list[Any]:
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
