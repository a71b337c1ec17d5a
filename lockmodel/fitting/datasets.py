"""Files -> data sets: which scenario describes which runs.

Runs of one file that differ in variant or kernel are data sets of their own. A variant is the
model after the levers it stands for; exactly one variant of a file may be the model as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.errors import ArgumentError, ScenarioError, nearest
from lockmodel.fitting.study import DataSet
from lockmodel.model.scenario import Scenario
from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Observation, Reading
from lockmodel.observe.readers import read_file
from lockmodel.observe.readers.settings import is_part
from lockmodel.observe.summary import apart, summarise

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
        Variants, parts of their names, or kernels to take; all when empty. Of a file that has
        variants and kernels, what is named of both.
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
    check_once((one.name, one.path) for one in wanted)
    changes = dict(variants or {})
    readings = [read_file(one.path, options or Options()) for one in wanted]
    _check_known("--variant", list(changes), readings)
    _check_known("--only", list(only), readings, parts=True)
    chosen = _Chosen(only, readings)
    sets: list[DataSet] = []
    warnings: list[str] = []
    for one, reading in zip(wanted, readings, strict=True):
        observations = _of_test(one, reading, what)
        groups: dict[tuple[str, str], list[Observation]] = {}
        for o in observations:
            if chosen.has(o):
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
    warnings += _apart(sets)
    if not sets:
        raise ScenarioError(
            f"{', '.join(one.name for one in wanted)}: no observation is left to fit; see "
            f"`lockmodel import` for what was read"
        )
    digests = {one.name: hashlib.sha256(one.path.read_bytes()).hexdigest() for one in wanted}
    return Loaded(tuple(sets), digests, tuple(warnings))


def check_once(files: Iterable[tuple[str, Path]]) -> None:
    """Raise if a file is given twice: its numbers would count as two measurements."""
    seen: set[Path] = set()
    for name, path in files:
        if path.resolve() in seen:
            raise ArgumentError(f"DATA: {name} is given twice; name every file once")
        seen.add(path.resolve())


class _Chosen:
    """What --only names: variants, in whole or by a part where none has the name, and kernels."""

    def __init__(self, only: Sequence[str], readings: Sequence[Reading]) -> None:
        every = [o for reading in readings for o in reading.observations]
        whole = {o.variant for o in every}
        variants = whole & set(only)
        parts = [text for text in only if text not in whole]
        variants |= {v for v in whole for text in parts if is_part(text, v)}
        self._variants = variants
        self._kernels = {o.kernel for o in every} & set(only)
        self._all = not only

    def has(self, o: Observation) -> bool:
        """Return whether an observation is to be taken."""
        if self._all or not (o.variant or o.kernel or o.kind == "throughput"):
            return True
        if self._variants and self._kernels:
            return o.variant in self._variants and o.kernel in self._kernels
        return o.variant in self._variants or o.kernel in self._kernels


def _apart(sets: Sequence[DataSet]) -> list[str]:
    """Return the sentence on files that are described by one scenario and hardly measured one."""
    alike: dict[Scenario, list[Observation]] = {}
    files: dict[Scenario, list[str]] = {}
    for data in sets:
        plain = [replace(o, variant="", kernel="", what="") for o in data.observations]
        alike.setdefault(data.scenario, []).extend(plain)
        files.setdefault(data.scenario, []).append(data.file)
    return [
        sentence
        for scenario, own in alike.items()
        if len(set(files[scenario])) > 1
        for sentence in apart(own)
    ]


def _check_known(
    option: str, names: Sequence[str], readings: Sequence[Reading], parts: bool = False
) -> None:
    known = sorted(
        {name for r in readings for o in r.observations for name in (o.variant, o.kernel) if name}
    )
    for name in names:
        if name not in known and not (parts and any(is_part(name, one) for one in known)):
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
