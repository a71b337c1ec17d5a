"""Why one patch gains 4 % on 20 CPUs and 11 % on 224."""

from __future__ import annotations

import json
from functools import cache

import sympy as sp

from lockmodel.changes.levers import batch
from lockmodel.model.network import Network, build
from lockmodel.model.scenario import Scenario, Site
from lockmodel.model.shipped import shipped_dir
from lockmodel.solvers.solve import points
from lockmodel.statements import STATEMENTS
from lockmodel.statements.elasticities import PINNED, station_elasticities
from lockmodel.statements.light_load import light_load
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import terms

m, m_new, c, D, delta, e = symbols("m m_new c D delta e")

PATCH = "3577dbb19241, batching of unlink_file_vma"
TEARDOWN = "teardown"
"""Name of the sites that the patch batches: all mappings of one file in a row."""

PUBLISHED = {
    "doexec-20": "guzik_batch_unlink",
    "sysexec-spr224-v6.1": "lkp_spr_224",
}
"""Scenario -> entry of data/published/interventions.json that was measured with it."""


def power_law() -> dict[str, sp.Expr]:
    """Return the gain of relieving a lock of a share delta of its demand, at exponent e.

    d ln X = -e d ln D, integrated from D to (1 - delta) D with e kept.
    """
    at = sp.Symbol("at", positive=True)
    logarithm = sp.integrate(e / at, (at, D * (1 - delta), D))
    logarithm = sp.expand_log(logarithm, force=True)
    derived(logarithm, -e * sp.log(1 - delta), "logarithm of the gain")
    gain = (1 - delta) ** (-e)
    return {
        "gain": gain,
        "saturated": derived(gain.subs(e, 1), 1 / (1 - delta), "gain at saturation"),
        "batched": derived(
            1 - (D - (m - m_new) * c) / D, (m - m_new) * c / D, "relief by batching"
        ),
    }


def batched_sites(scenario: Scenario) -> tuple[Site, ...]:
    """Return the sites that the patch makes one acquire each."""
    return tuple(s for s in scenario.sites if s.name == TEARDOWN and s.acquires > 1)


def patched(scenario: Scenario) -> Scenario:
    """Return the scenario with the patch: one acquire per teardown for the same held work."""
    for site in batched_sites(scenario):
        scenario = batch(scenario, site.lock, 1, site.label)
    return scenario


def published_gain(scenario: str) -> float | None:
    """Return what was measured with the workload of a scenario; None if nothing was."""
    if scenario not in PUBLISHED:
        return None
    text = (shipped_dir("data") / "published" / "interventions.json").read_text(encoding="utf-8")
    (gain,) = (one["gain_pct"] for one in json.loads(text) if one["id"] == PUBLISHED[scenario])
    return float(gain) / 100


def reliefs(before: Network, after: Network) -> dict[str, float]:
    """Return delta of every lock: the share of its demand, a waiter about, that a change saves."""

    def demand(network: Network, lock: str) -> float:
        return sum(s.contended * s.copies * s.share for s in network.of(lock))

    return {lock: 1 - demand(after, lock) / demand(before, lock)
            for lock in before.hold if before.of(lock)}  # fmt: skip


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    if not batched_sites(scenario):
        note = "no site named teardown takes a lock more than once here: the patch is in already"
        return Numbers(scenario.name, t.population, "", (), (*t.notes, note))
    rows = station_elasticities(build(scenario, population))
    if rows is None:
        return Numbers(scenario.name, t.population, "", (), (*t.notes, PINNED))
    made = same_patch()
    changed = patched(scenario)
    saved = reliefs(build(scenario, population), build(changed, population))
    exponents = {name: -slope for name, _, slope in rows}
    values: list[Value] = []
    product = 1.0
    for lock, share in saved.items():
        gain = made.formula("gain").at(delta=share, e=exponents[lock])
        product *= gain
        if lock == t.lock.name:
            values += [
                Value("delta: demand saved at the binding lock", share, "share"),
                Value("e: its exponent, Q(N) - Q(N-1)", exponents[lock], "number"),
                Value("gain by that", gain - 1, "gain"),
            ]
    before = points(scenario, [population])[0].throughput_per_s
    after = points(changed, [population])[0].throughput_per_s
    values += [
        Value("gain with the other locks'", product - 1, "gain"),
        Value("gain, solved before and after", after / before - 1, "gain"),
    ]
    notes = [*t.notes]
    measured = published_gain(scenario.name)
    if measured is not None:
        values.append(Value("gain, published", measured, "gain"))
        notes.append(
            "the times of this scenario were fitted to the published gain, so that it is met says "
            "nothing; the split into delta and e does"
        )
    return t.numbers(values, notes)


@cache
def same_patch() -> Statement:
    """Return why the same patch gains more on more CPUs."""
    forms = power_law()
    light = light_load().formula("exponent_light")
    return Statement(
        name="same-patch",
        title=STATEMENTS["same-patch"].title,
        says=(
            f"{PATCH}, was +4 % on 20 CPUs and +11 % on 224. Two things differ: delta, the share "
            "of the demand that it saves (it batches twice per fork + exec + exit, once per "
            "vfork + exec), and e, the exponent of the lock, which is 1 at saturation and less "
            "before it.",
            "A gain published from a small machine is therefore no evidence about a large one: "
            "divide its logarithm by e to get what saturation would show at the same delta.",
        ),
        formulae=(
            Formula("relief", "share saved by batching m to m'", "delta", "=", forms["batched"]),
            Formula("gain", "gain", "G", "~", forms["gain"]),
            Formula("gain_saturated", "gain at saturation, exact", "G", "=", forms["saturated"]),
            Formula("exponent_light", "exponent of few processes", "e", "~", light.expression),
        ),
        conditions=(
            "e is that before the change and taken as constant along it: it falls as the lock "
            "gets lighter, so the true gain is a little less",
            "of several locks the factors multiply; batching saves hand-offs only where somebody "
            "waits, which e, of the whole station, counts as always",
        ),
        derivation="d ln X = -e d ln D integrated from D to (1 - delta) D",
        source="data/published/interventions.json: lkp_spr_224, guzik_batch_unlink",
        numbers=_numbers,
        models=("doexec-20", "sysexec-spr224-v6.1"),
    )
