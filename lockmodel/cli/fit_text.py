"""What `lockmodel fit` prints: estimates, misfit, what is determined, what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.errors import NotTrustworthyError
from lockmodel.fitting.sentences import Said, number, sentences, span
from lockmodel.observe.summary import APART

UNKNOWN = "not determined"
"""What `sentences` has for a value."""

if TYPE_CHECKING:
    from lockmodel.fitting.bootstrap import Bootstrap
    from lockmodel.fitting.fitting import Fitted
    from lockmodel.fitting.identify import Identified
    from lockmodel.fitting.profile import ParameterInterval
    from lockmodel.model.scenario import Scenario

GRAVE = ("WRONG UNIT", "NOT CONVERGED", "POOR FIT")
"""Beginnings of the flags without which nothing else of a fit may be read."""

LONGEST_NAME = 30
"""Longest parameter name before the value of its scope becomes a letter with a legend."""

MOST_ROWS = 30


@dataclass(frozen=True)
class Refits:
    """A bootstrap beside the fit."""

    kind: str
    resampled: Bootstrap

    def to_json(self) -> dict[str, Any]:
        """Return the kind, the number of refits and the intervals."""
        return {
            "kind": self.kind,
            "refits": int(self.resampled.draws.shape[0]),
            "failed": self.resampled.failed,
            "intervals": [list(ends) for ends in self.resampled.interval()],
        }


@dataclass(frozen=True)
class Outcome:
    """A fit, what its data determine, and a bootstrap where there is one."""

    fitted: Fitted
    judged: Identified
    refits: Refits | None = None

    @property
    def scenario(self) -> Scenario:
        """The fitted scenario: predictions from it have intervals."""
        return self.fitted.scenarios[self.fitted.main]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s."""
        plain = {**self.fitted.to_json(), "identified": self.judged.to_json()}
        return plain if self.refits is None else {**plain, "bootstrap": self.refits.to_json()}


def report(
    made: Outcome, models: Mapping[str, str], output: str | None = None, explain: bool = False
) -> Report:
    """Return a fit as it is printed; `models` names those of the files, `output` is where to."""
    return Report(
        made.to_json,
        lambda colour: _text(made, models, output, explain, colour),
        rows=lambda: [
            {key: value for key, value in one.items() if key != "given"}
            for one in made.fitted.to_json()["parameters"]
        ],
    )


def _text(
    made: Outcome, models: Mapping[str, str], output: str | None, explain: bool, colour: bool
) -> str:
    from lockmodel.fitting.health import flags

    fitted, judged, refits = made.fitted, made.judged, made.refits
    estimate = fitted.estimate
    sets = estimate.study.sets
    stocks = ", ".join(dict.fromkeys(data.stock.name for data in sets))
    said = sentences(estimate, judged, fitted.main, fitted.intervals)
    if not explain:
        return tx.render(_brief(fitted, said, refits, output), colour)
    parts: list[Any] = [
        *(f"! {f}" for f in flags(estimate) if f.startswith(GRAVE)),
        f"fit of {stocks} to {tx.count(len(estimate.rows), 'observation')} in "
        f"{tx.count(len(sets), 'data set')}",
        _noise(fitted),
    ]
    parts += [f"! {f}" for f in flags(estimate) if not f.startswith(GRAVE)]
    parts += ["", _parameters(fitted, refits), *_legend(fitted), ""]
    parts += [_misfit(fitted), *_rest(fitted), ""]
    parts += _judged(said, judged)
    parts += tx.bullets("read, but not in the fit:", _unused(fitted))
    parts += tx.bullets("priors (--no-priors leaves them out):", _priors(fitted))
    parts += tx.bullets("to know:", fitted.warnings)
    parts += tx.bullets("next:", _next(fitted, models, output))
    return tx.render(parts, colour)


def _brief(fitted: Fitted, said: Said, refits: Refits | None, output: str | None) -> list[Any]:
    """Return what the data determine of the lock with the largest demand, and the estimates."""
    from lockmodel.fitting.health import flags

    known = [
        f"{_name(what)} {value} ({ends})"
        for what, value, ends in said.quantities
        if value != UNKNOWN
    ]
    unknown = [_name(what) for what, value, _ in said.quantities if value == UNKNOWN]
    sentence = f"{said.lock} at n = {said.n}: {', '.join(known) or 'nothing is determined'}"
    if unknown:
        sentence += f"; not determined: {', '.join(unknown)}"
    off = [
        (abs(float(predicted) / math.exp(row.log_value) - 1.0), row.observation.n)
        for row, predicted in zip(fitted.estimate.rows, fitted.estimate.predicted, strict=True)
    ]
    worst, at = max(off)
    where = "" if at is None else f" at n = {at}"
    said_first = [f"! {f}" for f in flags(fitted.estimate) if f.startswith(GRAVE)]
    said_first += [f"! {w}" for w in fitted.warnings if APART in w]
    parts: list[Any] = [*said_first, f"{sentence}."]
    parts.append(f"{_noise(fitted)}; farthest off {tx.whole(worst)}{where}")
    parts += [f"! {f}" for f in flags(fitted.estimate) if not f.startswith(GRAVE)]
    parts += ["", _parameters(fitted, refits), *_legend(fitted)]
    saved = "" if output is None else f"written to {output}; "
    parts.append(f"{saved}misfits, what would settle it, priors, next steps: --explain")
    return parts


def unreliable(flag: str) -> NotTrustworthyError:
    """Return the error that a fit ends with whose numbers are not to be used."""
    return NotTrustworthyError(f"the fit is not to be relied on: {flag.partition('. ')[0]}")


def _name(what: str) -> str:
    return what.partition(" (")[0]


def _judged(said: Said, judged: Identified) -> list[Any]:
    """Return what the data determine and what they do not."""
    parts: list[Any] = []
    if said.lock:
        head = f"{said.lock} at n = {said.n}, per iteration"
        columns = [head, "value", "90 % interval"]
        parts += [tx.table(columns, said.quantities, left=(0,), fold=(0, 2)), ""]
    return [
        *parts,
        *tx.bullets("determined by these data:", said.determined),
        *tx.bullets("NOT determined by these data:", said.undetermined),
        *tx.bullets("what would settle it:", judged.remedies),
        *tx.bullets("assumed:", said.assumed),
    ]


def _noise(fitted: Fitted) -> str:
    estimate = fitted.estimate
    objective = estimate.objective
    said = []
    if (objective.noisy & ~objective.stated).any():
        how = "estimated" if estimate.spare > 0.5 else "usual: too few points to estimate it"
        said.append(f"noise {tx.percent(estimate.noise.unstated)} ({how})")
    if objective.stated.any():
        said.append(
            f"stated spread {tx.percent(estimate.run_noise())}, misfit beyond it "
            f"{tx.percent(estimate.noise.stated)}"
        )
    said.append(f"{tx.count(len(estimate.study.unknowns), 'unknown')}")
    return "; ".join(said)


def ends_text(ends: ParameterInterval, unit: str) -> str:
    """Return an interval: "138 to 161 us"; "open" where nothing but a limit ends it."""
    if not (ends.open_low or ends.open_high):
        return span(ends.low, ends.high, unit)
    low = "open" if ends.open_low else number(ends.low, unit)
    high = "open" if ends.open_high else number(ends.high, unit)
    return f"{low} to {high}"


def _short_names(fitted: Fitted) -> tuple[list[str], dict[str, str]]:
    """Return the names of the unknowns with long scopes as letters, and what these mean."""
    letters: dict[str, str] = {}
    names = []
    for unknown in fitted.estimate.study.unknowns:
        name, at, scope = unknown.name.partition("@")
        if at and len(unknown.name) > LONGEST_NAME:
            letter = letters.setdefault(scope, chr(ord("A") + len(letters) % 26))
            names.append(f"{name}@{letter}")
        else:
            names.append(unknown.name)
    return [n.replace("time_per_instruction_remote", "hold") for n in names], letters


def _parameters(fitted: Fitted, refits: Refits | None) -> Any:
    estimate = fitted.estimate
    names, _ = _short_names(fitted)
    rows = []
    given = {one.index: f"given {one.fixed.rpartition('.')[2]}" for one in estimate.given}
    resampled = [None] * len(names) if refits is None else refits.resampled.interval()
    for i, unknown in enumerate(estimate.study.unknowns):
        best = number(float(np.exp(estimate.theta[i])), unknown.unit)
        row = [
            names[i],
            f"({best})" if estimate.bases[i] == "priors" else best,
            ends_text(fitted.intervals[i], unknown.unit),
            "yes" if estimate.determined[i] else given.get(i, "NO"),
        ]
        if refits is not None:
            ends = resampled[i]
            assert ends is not None
            row.insert(3, span(ends[0], ends[1], unknown.unit))
        rows.append(row)
    columns = ["parameter", "estimate", "90 % interval", "determined"]
    if refits is not None:
        columns.insert(3, f"{refits.kind} bootstrap")
    return tx.table(columns, rows, left=(0,), fold=(0,))


def _legend(fitted: Fitted) -> list[str]:
    _, letters = _short_names(fitted)
    made = [f"({letter}: {scope})" for scope, letter in letters.items()]
    if "priors" in fitted.estimate.bases:
        made.append("(in brackets: from the model and the priors, not from these data)")
    return made


def _misfit(fitted: Fitted) -> Any:
    estimate = fitted.estimate
    many = len(estimate.study.sets) > 1
    rows = []
    for row, predicted in zip(estimate.rows, estimate.predicted, strict=True):
        o = row.observation
        off = float(predicted) / np.exp(row.log_value) - 1.0
        shown = float(predicted) - (1.0 if o.kind == "gain" else 0.0)
        name = o.kind.replace("_", " ")
        where = " ".join(filter(None, (o.lock, o.site)))
        rows.append(
            [
                *([str(row.where + 1)] if many else []),
                name,
                *([where] if any(r.observation.site for r in estimate.rows) else []),
                "" if o.n is None else str(o.n),
                _number(o.value, o.unit),
                _number(shown, o.unit),
                tx.gain(off),
            ]
        )
    columns = [*(["data"] if many else []), "what"]
    columns += ["where"] if any(r.observation.site for r in estimate.rows) else []
    columns += ["n", "measured", "fitted", "off"]
    left = tuple(i for i, c in enumerate(columns) if c in ("data", "what", "where"))
    return tx.table(columns, rows[:MOST_ROWS], left=left, fold=left)


def _rest(fitted: Fitted) -> list[str]:
    """Return what the numbers of data sets mean, and how many rows were left out."""
    sets = fitted.estimate.study.sets
    made = [f"({i}: {data.label})" for i, data in enumerate(sets, 1)] if len(sets) > 1 else []
    more = len(fitted.estimate.rows) - MOST_ROWS
    if more > 0:
        made.append(f"({more} more rows in --json and --report)")
    return made


def _number(number: float, unit: str) -> str:
    if unit == "1":
        return tx.percent(number)
    if unit in ("1/s", "s"):
        return tx.si(number, unit.removeprefix("1"))
    return tx.plain(number)


def _unused(fitted: Fitted) -> list[str]:
    estimate = fitted.estimate
    counts: dict[str, int] = {}
    for one in estimate.unused:
        o = one.observation
        name = " ".join(filter(None, (o.kind.replace("_", " "), o.lock, o.site)))
        counts[f"{name}: {one.why}"] = counts.get(f"{name}: {one.why}", 0) + 1
    return [text if n == 1 else f"{text} ({n} times)" for text, n in counts.items()]


def _priors(fitted: Fitted) -> list[str]:
    made = []
    for prior in fitted.estimate.priors:
        unit = prior.parameter.unit
        low, high = number(prior.range.low, unit), number(prior.range.high, unit)
        made.append(f"{prior.parameter.name}: {low} to {high} (90 %): {prior.range.source}")
    return list(dict.fromkeys(made))


def _next(fitted: Fitted, models: Mapping[str, str], output: str | None) -> Sequence[str]:
    data = fitted.estimate.study.sets[fitted.main]
    cpus = data.scenario.machine.cpus
    model = models.get(data.file) or data.stock.name
    design = f"lockmodel design {model} --data {data.file} -n {cpus}"
    if output is None:
        save = "save the fitted scenario with -o fitted.toml; predictions from it have intervals"
        return [save, f"which measurement next: {design}"]
    if "/" not in output:
        output = f"./{output}"
    return [
        f"what levers buy, with intervals: lockmodel levers {output} -n {cpus}",
        f"which measurement next: {design}",
    ]
