"""A short window of a simulation as Chrome trace events, for Perfetto (ui.perfetto.dev).

One row per process; its states think, wait, sleep, hand-off and hold follow each other. A
convoy is seen at a glance. Format: "Trace Event Format", complete events (ph X), times in us.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.model.class_network import classes_of
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.simulation.engine import run
from lockmodel.solvers.simulation.locks import HOLD, PASS, SLEEP, THINK, WAIT
from lockmodel.solvers.simulation.world import NOTE, make

STATES = {THINK: "think", WAIT: "wait", SLEEP: "sleep", PASS: "hand-off", HOLD: "hold"}
COLOURS = {
    THINK: "grey",
    WAIT: "terrible",
    SLEEP: "bad",
    PASS: "yellow",
    HOLD: "good",
}
"""Colour names of the trace viewer (Perfetto colours by name)."""

NOTES = 20_000
"""Changes of state recorded: some 4 MB of JSON."""

SETTLING = 50
"""Iterations per process before the window begins."""

SETTLED = 20_000_000
"""Events after which it begins in any case: some seconds."""


def record(scenario: Scenario, population: int, seed: int = 1) -> np.ndarray:
    """Return the changes of state of a window, in the order of time, shape (notes,) of NOTE.

    Parameters
    ----------
    scenario : Scenario
    population : int
    seed : int
        The window is one of replication 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ArgumentError(f"seed = {seed!r} must be a whole number >= 0")
    w = make(scenario, population, seed, 0)
    run(w, SETTLING * population, SETTLED)
    w = w._replace(trace=np.zeros(NOTES, NOTE))
    per_iteration = 3 * (w.stages.size + 1)
    while w.clock[0]["traced"] < NOTES:
        run(w, max(1, NOTES // per_iteration), NOTES)
    notes = w.trace[w.trace["who"] < population]
    return notes[np.argsort(notes["time"], kind="stable")]


def chrome(scenario: Scenario, notes: np.ndarray) -> dict[str, Any]:
    """Return notes as a JSON-ready Chrome trace.

    Parameters
    ----------
    scenario : Scenario
    notes : ndarray of NOTE
        As `record` returns them.
    """
    stage_site = [
        (site.lock, site.label)
        for view in classes_of(scenario)
        for site in view.sites
        for _ in range(int(site.acquires) + (site.acquires > int(site.acquires)))
    ]
    begin = float(notes["time"][0])
    end = float(notes["time"][-1])
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": scenario.name}}
    ]
    for who in np.unique(notes["who"]):
        own = notes[notes["who"] == who]
        events.append(
            {
                "ph": "M",
                "pid": 1,
                "tid": int(who),
                "name": "thread_name",
                "args": {"name": f"process {who}"},
            }
        )
        until = np.append(own["time"][1:], max(end, own["time"][-1]))
        for note, stop in zip(own, until, strict=True):
            state = int(note["state"])
            event: dict[str, Any] = {
                "ph": "X",
                "pid": 1,
                "tid": int(who),
                "ts": round((float(note["time"]) - begin) * 1e6, 4),
                "dur": round((float(stop) - float(note["time"])) * 1e6, 4),
                "name": STATES[state],
                "cname": COLOURS[state],
            }
            if state != THINK:
                lock, site = stage_site[int(note["stage"])]
                event["name"] = f"{STATES[state]} {lock}"
                event["args"] = {"lock": lock, "site": site}
            events.append(event)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"scenario": scenario.name, "title": scenario.title},
    }
