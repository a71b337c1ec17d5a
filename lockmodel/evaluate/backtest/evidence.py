"""What may be seen: facts of every record, and results of those that are not being predicted.

A record of interventions.json mixes both. `facts` strips everything that was known only after the
change: an allowlist of keys, the first of every [before, after] pair, and of the profiles what is
named "before". `result` gives the gain, unless the record is hidden.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockmodel.errors import ArgumentError, FileError, LockmodelError, ScenarioError
from lockmodel.evaluate.backtest.draws import Hypercube
from lockmodel.model.shipped import read_table

RUN_SD = 0.02
"""Relative sd of one throughput where none is printed: what the test robot prints for its own."""

FACTS = (
    *("id", "machine", "hw_threads", "sockets", "nodes", "N", "before", "workload", "kernel"),
    *("lever", "lock", "patch", "shards_data", "shards_lock", "acquires_before", "acquires_after"),
)
"""Keys of a record that were known without its result."""

AVERAGED = "average of 10 runs"
"""In the unit of a record: its noise is that of a mean."""

PAIRS_BEFORE = ("system_time_s", "user_time_s", "workload_iters", "path_length_instr_per_iter",
                "cpi", "percent_cpu")  # fmt: skip
"""Keys of `extra` with [before, after], of which the first is a fact."""

PAIRED_SHARES = ("osq_lock_self_pct",)
"""The same among the contention figures."""


class LeakError(LockmodelError):
    """A case asked for a result that it does not name, such as its own: a bug of the case."""


@dataclass(frozen=True)
class Published:
    """A published gain.

    Attributes
    ----------
    low, high : float or None
        What the source prints, as a fraction: a range, or a number give or take its rounding.
        `high` is None for a lower bound.
    noise : float
        Relative standard deviation of after over before, from run to run.
    """

    low: float
    high: float | None
    noise: float


@dataclass(frozen=True)
class Evidence:
    """Records by id, most of whose results are hidden.

    Attributes
    ----------
    records : dict of str to dict
    folder : Path
        Of the published curves.
    seen : frozenset of str or None
        Records and curve files whose results may be asked for; None for all.
    """

    records: Mapping[str, Mapping[str, Any]]
    folder: Path
    seen: frozenset[str] | None = None

    def seeing(self, *names: str) -> Evidence:
        """Return the same facts with every result hidden but those of some records."""
        return replace(self, seen=frozenset(names))

    def _record(self, name: str) -> Mapping[str, Any]:
        if name not in self.records:
            raise ScenarioError(
                f"interventions.json has no record {name!r}; the back-test needs it"
            )
        return self.records[name]

    def facts(self, name: str) -> dict[str, Any]:
        """Return what was known of a record without its result."""
        record = self._record(name)
        made = {key: record[key] for key in FACTS if key in record}
        extra = record.get("extra", {})
        made["extra"] = {key: extra[key][0] for key in PAIRS_BEFORE if key in extra}
        shares: dict[str, Any] = {}
        for key, value in record.get("contention", {}).items():
            if key in PAIRED_SHARES and isinstance(value, list):
                shares[key] = value[0]
            elif "after" not in key and not isinstance(value, list | str):
                shares[key] = value
        made["contention"] = shares
        return made

    def result(self, name: str) -> Published:
        """Return the published gain of a record.

        Raises
        ------
        LeakError
            It is hidden.
        """
        self.check(name)
        record = self._record(name)
        stated = record.get("stddev_pct", [None, None])
        runs = [RUN_SD if sd is None else sd / 100.0 for sd in stated]
        noise = math.hypot(*runs)
        if AVERAGED in record.get("unit", ""):
            noise /= math.sqrt(10.0)
        low, high = _printed(record)
        return Published(low, high, noise)

    def check(self, name: str) -> None:
        """Raise LeakError if the result of `name` is hidden."""
        if self.seen is not None and name not in self.seen:
            raise LeakError(
                f"back-test: a prediction asked for the result of {name}, which its case does not "
                f"name among {', '.join(sorted(self.seen)) or 'none'}"
            )

    def curve(self, file: str, variant: str) -> dict[int, float]:
        """Return threads -> throughput of one variant; check `result` variants with `check`."""
        return {int(r["threads"]): float(r["throughput"]) for r in self.rows(file, variant)}

    def rows(self, file: str, variant: str = "") -> list[dict[str, str]]:
        """Return the rows of a published CSV, all or those of a variant.

        Raises
        ------
        FileError
            The file cannot be read.
        """
        rows = read_table(self.folder / file)
        wanted = [row for row in rows if variant in ("", row.get("variant"))]
        if not wanted:
            raise ScenarioError(f"{self.folder / file}: no row of variant {variant!r}")
        return wanted


@dataclass(frozen=True)
class Context:
    """All that a case works with.

    Attributes
    ----------
    evidence : Evidence
    draws : Hypercube
    """

    evidence: Evidence
    draws: Hypercube


def load(folder: Path) -> Evidence:
    """Return the evidence in a folder like data/published.

    Raises
    ------
    FileError, ScenarioError
        interventions.json is missing, or is not a list of records with an id.
    """
    path = folder / "interventions.json"
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        return Evidence({record["id"]: record for record in records}, folder)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ScenarioError(
            f"{path}: must be a JSON list of records with an id ({error})"
        ) from None


def _printed(record: Mapping[str, Any]) -> tuple[float, float | None]:
    """Return the range that the printed figures leave open.

    Two throughputs give their gain, widened by their rounding where they are said to be
    approximate. A single percentage is good to half of its last digit, one said to be about so
    much and ending in 0 to half of ten.
    """
    before, after = record.get("before"), record.get("after")
    if before and after:
        if not record.get("approx"):
            return (after / before - 1.0,) * 2
        half = _rounding(before, after) / 2.0
        return (after - half) / (before + half) - 1.0, (after + half) / (before - half) - 1.0
    printed = record["gain_pct"]
    if isinstance(printed, dict):
        printed = sorted(printed.values())
    if isinstance(printed, list):
        return printed[0] / 100.0, printed[-1] / 100.0
    if record.get("gain_is_lower_bound"):
        return printed / 100.0, None
    digits = len(f"{printed:g}".partition(".")[2])
    half = 0.5 * 10.0**-digits
    if record.get("approx") and printed >= 10 and printed % 10 == 0:
        half = 5.0
    return (printed - half) / 100.0, (printed + half) / 100.0


def _rounding(*values: float) -> float:
    """Return the largest power of ten that divides all values."""
    unit = 1.0
    while all(value % (unit * 10.0) == 0 for value in values):
        unit *= 10.0
        if unit > 1e12:
            raise ArgumentError(f"throughputs {values} must not all be 0")
    return unit
