"""What may be seen: facts of every record, and results of those that are not being predicted.

A record of interventions.json mixes both. `facts` strips everything that was known only after the
change: an allowlist of keys, the first of every [before, after] pair, and of the profiles what is
named "before". `result` gives the gain, unless the record is hidden. A curve file mixes variants:
rows of those that were measured after the change (`AFTER`) are as hidden as results are, whoever
reads the file.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

AFTER = {
    "cna_v3_": re.compile("patch_CNA"),
    "rqspin_": re.compile("rqspinlock"),
    "vfs_inode_cache_": re.compile("/scale$"),
    "futex_hash_": re.compile(r"buckets=(?!2/|global_hash/)"),
}
"""Beginning of a curve file's name -> variants that were measured after the change."""

BATCHES = "pcp_batch_hold_vs_acquires"
"""File in which the smallest batch of a machine is the state before the change."""


class LeakError(LockmodelError):
    """A prediction asked for a result, its own or another: a bug of the case."""


@dataclass(frozen=True)
class Published:
    """A published gain.

    Attributes
    ----------
    low, high : float or None
        What the source prints, as a fraction: a range, or a number give or take its rounding.
        `high` is None for a lower bound ("more than"), `low` for an upper one ("up to").
    noise : float
        Relative standard deviation of after over before, from run to run.
    """

    low: float | None
    high: float | None
    noise: float

    @property
    def middle(self) -> float | None:
        """The logarithm of 1 + gain in the middle of the range; None of a bound."""
        if self.low is None or self.high is None:
            return None
        return 0.5 * (math.log1p(self.low) + math.log1p(self.high))


@dataclass(frozen=True)
class Evidence:
    """Records by id, most of whose results are hidden.

    Attributes
    ----------
    _records : dict of str to dict
    _folder : Path
        Of the published curves. Nobody else reads from either: what is hidden is hidden here.
    seen : frozenset of str or None
        Records and curve files whose results may be asked for; None for all.
    """

    _records: Mapping[str, Mapping[str, Any]]
    _folder: Path
    seen: frozenset[str] | None = None

    def seeing(self, *names: str) -> Evidence:
        """Return the same facts with every result hidden but those of some records."""
        return replace(self, seen=frozenset(names))

    def _record(self, name: str) -> Mapping[str, Any]:
        if name not in self._records:
            raise ScenarioError(
                f"interventions.json has no record {name!r}; the back-test needs it"
            )
        return self._records[name]

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
                f"back-test: a prediction asked for the result of {name}, which is hidden from it"
            )

    def curve(self, file: str, variant: str) -> dict[int, float]:
        """Return threads -> throughput of one variant."""
        return {int(r["threads"]): float(r["throughput"]) for r in self.rows(file, variant)}

    def rows(self, file: str, variant: str = "") -> list[dict[str, str]]:
        """Return the rows of a published CSV that may be seen, all or those of a variant.

        Raises
        ------
        FileError
            The file cannot be read.
        LeakError
            The variant was measured after the change, and the file is hidden.
        """
        rows = read_table(self._folder / file)
        wanted = [row for row in rows if variant in ("", row.get("variant"))]
        if not wanted:
            raise ScenarioError(f"{self._folder / file}: no row of variant {variant!r}")
        shown = self._shown(file, wanted)
        if not shown:
            self.check(file)
        return shown

    def _shown(self, file: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return the rows that are no hidden result."""
        if self.seen is None or file in self.seen:
            return rows
        if file.startswith(BATCHES):
            first: dict[str, int] = {}
            for row in rows:
                size = int(row["batch"])
                first[row["variant"]] = min(size, first.get(row["variant"], size))
            return [
                row
                if int(row["batch"]) == first[row["variant"]]
                else {key: row[key] for key in ("batch", "variant")}  # how much, not what it did
                for row in rows
            ]
        later = next((rule for start, rule in AFTER.items() if file.startswith(start)), None)
        return [row for row in rows if later is None or not later.search(row["variant"])]

    @contextmanager
    def visible(self, file: str) -> Iterator[Path]:
        """Yield a copy of a published CSV, for readers of files, without its hidden rows."""
        text = (self._folder / file).read_text(encoding="utf-8").splitlines(keepends=True)
        rows = read_table(self._folder / file)
        shown = {tuple(row.values()) for row in self._shown(file, rows)}
        keep = iter(tuple(row.values()) in shown for row in rows)
        head = sum(1 for line in text if line.startswith("#")) + 1
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / file
            body = [line for line in text[head:] if line.strip() and next(keep)]
            copy.write_text("".join([*text[:head], *body]), encoding="utf-8")
            yield copy


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


def _printed(record: Mapping[str, Any]) -> tuple[float | None, float | None]:
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
    if record.get("gain_is_upper_bound"):
        return None, printed / 100.0
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
