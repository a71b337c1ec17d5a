"""Files -> data sets: which scenario describes which runs.

Runs of one file that differ in variant or kernel are data sets of their own. A variant is the
model after the levers it stands for; exactly one variant of a file may be the model as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.errors import ArgumentError, ScenarioError, nearest
from lockmodel.fitting.study import DataSet
from lockmodel.model.scenario import Scenario
from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Observation, Reading
from lockmodel.observe.readers import read_file
from lockmodel.observe.summary import summarise

FORM = "--variant NAME=LEVER[;LEVER...]"


@dataclass(frozen=True)
class Wanted:
    """A file and the model that describes it.

    Attributes
    ----------
    path : Path
    name : str
        The file as it was given.
    scenario : Scenario
    model : str
        The model as it was given, for what to do next; empty is the scenario's name.
    """

    path: Path
    name: str
    scenario: Scenario
    model: str = ""


@dataclass(frozen=True)
class Loaded:
    """What the files hold.

    Attributes
    ----------
    sets : tuple of DataSet
    digests : dict of str to str
        File -> SHA-256 of its bytes.
    warnings : tuple of str
        Of the readers, with the file.
    """

    sets: tuple[DataSet, ...]
    digests: dict[str, str]
    warnings: tuple[str, ...]


def load_sets(
    wanted: Sequence[Wanted],
    variants: Mapping[str, Sequence[Lever]] | None = None,
    what: str | None = None,
    only: Sequence[str] = (),
    options: Options | None = None,
    apart: bool = False,
) -> Loaded:
    """Return the data sets of some files.

    Parameters
    ----------
    wanted : sequence of Wanted
        At least one.
    variants : mapping of str to sequence of Lever, optional
        Variant or kernel -> what it changes; no lever for the model as it is.
    what : str, optional
        The test to take where a file holds several.
    only : sequence of str
        Variants or kernels to take; all when empty.
    options : Options, optional
        For the readers.
    apart : bool
        Whether a parameter of its own tells the variants apart, so that no lever has to.

    Raises
    ------
    ArgumentError
        A variant or test that no file has, or variants of which nobody said what they change.
    ScenarioError, FileError
        As the readers.
    """
    _check_once(wanted)
    changes = dict(variants or {})
    readings = [read_file(one.path, options or Options()) for one in wanted]
    _check_known("--variant", list(changes), readings)
    _check_known("--only", list(only), readings)
    sets: list[DataSet] = []
    warnings: list[str] = []
    for one, reading in zip(wanted, readings, strict=True):
        observations = _of_test(one, reading, what)
        groups: dict[tuple[str, str], list[Observation]] = {}
        for o in observations:
            named = {o.variant, o.kernel} - {""}
            if not only or named & set(only) or not (named or o.kind == "throughput"):
                groups.setdefault((o.variant, o.kernel), []).append(o)
        if not apart:
            _check_described(one, groups, changes)
        for (variant, kernel), own in groups.items():
            name = variant if variant in changes else kernel
            described = apply_all(one.scenario, changes.get(name, ()))
            summed = summarise(own)
            sets.append(
                DataSet(
                    file=one.name,
                    variant=variant,
                    kernel=kernel,
                    scenario=described,
                    observations=tuple(o for o, _ in summed),
                    repeats=tuple(count for _, count in summed),
                    stock=one.scenario,
                )
            )
        warnings += [f"{one.name}: {text}" for text in reading.warnings]
    if not sets:
        raise ScenarioError(
            f"{', '.join(one.name for one in wanted)}: no observation is left to fit; see "
            f"`lockmodel import` for what was read"
        )
    digests = {one.name: hashlib.sha256(one.path.read_bytes()).hexdigest() for one in wanted}
    return Loaded(tuple(sets), digests, tuple(warnings))


def _check_once(wanted: Sequence[Wanted]) -> None:
    """Raise if a file is given twice: its numbers would count as two measurements."""
    seen: set[Path] = set()
    for one in wanted:
        if one.path.resolve() in seen:
            raise ArgumentError(f"DATA: {one.name} is given twice; name every file once")
        seen.add(one.path.resolve())


def _check_known(option: str, names: Sequence[str], readings: Sequence[Reading]) -> None:
    known = sorted(
        {name for r in readings for o in r.observations for name in (o.variant, o.kernel) if name}
    )
    for name in names:
        if name not in known:
            raise ArgumentError(f"{option} {name!r}: no file has it; {nearest(name, known)}")


def _of_test(one: Wanted, reading: Reading, what: str | None) -> list[Observation]:
    """Return the observations of one test; what is no throughput belongs to every test."""
    tests = sorted({o.what for o in reading.observations if o.kind == "throughput"})
    if what is not None and tests:
        chosen = [test for test in tests if what == test] or [t for t in tests if what in t]
        if len(chosen) != 1:
            raise ArgumentError(
                f"--what {what!r}: {one.name} has {', '.join(map(repr, tests))}; name one of them"
            )
        tests = chosen
    if len(tests) > 1:
        raise ArgumentError(
            f"{one.name} holds several tests ({', '.join(map(repr, tests))}); choose the one that "
            f"the model describes: --what {tests[0]!r}"
        )
    return [o for o in reading.observations if o.kind != "throughput" or o.what in tests]


def _check_described(
    one: Wanted,
    groups: Mapping[tuple[str, str], Sequence[Observation]],
    changes: Mapping[str, Sequence[Lever]],
) -> None:
    """Raise if two variants with throughputs would be described by one and the same scenario."""
    plain = [
        " ".join(filter(None, key)) or "(none)"
        for key, own in groups.items()
        if any(o.kind == "throughput" for o in own)
        and key[0] not in changes
        and key[1] not in changes
    ]
    if len(plain) > 1:
        raise ArgumentError(
            f"{one.name}: {', '.join(plain)} are different runs, and nothing says what "
            f"distinguishes them; say it ({FORM}, one may stay the model as it is; or free what "
            f"differs and --share NAME=variant), or take one "
            f"(--only {plain[0]!r})"
        )
