"""Observations -> CSV: the contract where all are throughput, else one row per observation."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from lockmodel.observe.observations import SCHEMA, Observation, to_plain

FIRST_COLUMNS = ("kind", "value", "unit")
COLUMNS = {
    "kind": "what was measured",
    "value": "the number, in base units",
    "unit": "its unit: s, 1/s, 1 ...",
    "n": "population",
    "per": "what a mean is taken over, or what a share is a share of",
    "what": "the test, loop or command",
    "lock": "the lock",
    "site": "the place that takes it",
    "mode": "how it was taken: read or write",
    "variant": "what distinguishes runs of one file",
    "kernel": "which kernel ran",
    "repeat": "number of the repeat, from 1",
    "sd": "standard deviation of the value",
    "uncertainty": "where sd comes from: given, repeats, none",
    "count": "events that a mean is taken over",
    "low": "smallest of these events",
    "high": "largest of these events",
    "bins": "the histogram, as JSON: [[low, high, count], ...], in s",
    "aggregated": "true: the tool made one number of several repeats",
    "traced": "true: measured while tracing, which slows the run down",
    "file": "the file that the number is from",
    "line": "its line there",
}
"""Column of the long form -> what it has."""

SCHEMA_LINE = f"# schema: {SCHEMA}; times in s, rates per s"
CONTRACT_COLUMNS = ("tasks", "throughput", "sd", "repeat", "variant", "kernel", "what")
CONTRACT_HELD = {"kind", "value", "unit", "n", "source", "what", "variant", "kernel", "repeat"} | {
    "sd",
    "uncertainty",
}
"""What the contract can carry; an observation with more goes into the long form."""


def fits_contract(observations: Sequence[Observation]) -> bool:
    """Return whether tasks,throughput,... can hold the observations without loss."""
    return all(
        o.kind == "throughput"
        and o.unit == "1/s"
        and o.n is not None
        and o.uncertainty != "repeats"
        and o.sd != 0
        and set(to_plain(o)) <= CONTRACT_HELD
        for o in observations
    ) and _repeats_are_kept(observations)


def _repeats_are_kept(observations: Sequence[Observation]) -> bool:
    keys = [(o.n, o.what, o.variant, o.kernel, o.repeat) for o in observations]
    return len(set(keys)) == len(keys)


def to_csv(observations: Sequence[Observation]) -> str:
    """Return observations as CSV that `lockmodel import` reads back.

    Parameters
    ----------
    observations : sequence of Observation
        At least one.

    Returns
    -------
    str
        `tasks,throughput,...` if all are throughput and nothing is lost (the sources are),
        else one row per observation with all that is known of it.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if fits_contract(observations):
        keys = ("n", "value", *CONTRACT_COLUMNS[2:])
        plain = [to_plain(o) for o in observations]
        used = [i for i, k in enumerate(keys) if i < 2 or any(p.get(k) is not None for p in plain)]
        buffer.write("# unit: iterations/s\n")
        writer.writerow([CONTRACT_COLUMNS[i] for i in used])
        writer.writerows([[_cell(p.get(keys[i])) for i in used] for p in plain])
        return buffer.getvalue()
    buffer.write(f"{SCHEMA_LINE}\n")
    writer.writerow(COLUMNS)
    for observation in observations:
        row = to_plain(observation)
        source = row.pop("source")
        writer.writerow([_cell((row | source).get(column)) for column in COLUMNS])
    return buffer.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, list):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else " ".join(str(value).split())
