"""Whether lockmodel works here: versions, compiled code, optional parts, a number by three solvers.

The self test is case A of `verify` at one population: 80-digit arithmetic has its throughput, which
product form and the chain must give to 1e-9 and simulation within its 99 % interval.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockmodel import __version__
from lockmodel.measure.bench.machine import Host, read_machine
from lockmodel.measure.parts import Finding, parts
from lockmodel.solvers import numba_cache

if TYPE_CHECKING:
    from lockmodel.evaluate.verify.agreement import Agreement

SCHEMA = "lockmodel.doctor/1"

PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "typer",
    "msgspec",
    "tomli-w",
    "rich",
    "plotext",
    "matplotlib",
    "pyelftools",
    "zstandard",
    "lz4",
    "sympy",
)
"""The dependencies of pyproject.toml; those that the solvers compute with first."""

NAMED = 3
"""Packages whose versions are printed; JSON has all."""

POPULATION = 8

AGAIN = "install lockmodel again; `lockmodel verify` says more"

COMPILED_S = 3.0
"""Compiling from which on nothing had been kept: loading what was takes a second at most, compiling
15 s to a minute."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes
    ----------
    findings : tuple of Finding
    versions : dict of str to str or None
        Package -> version; None where it is not installed.
    machine : Host
    self_test : Agreement or None
        None where it could not run.
    """

    findings: tuple[Finding, ...]
    versions: dict[str, str | None]
    machine: Host
    self_test: Agreement | None

    @property
    def works(self) -> bool:
        """Whether the solvers give the known number, and no package is missing."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        """What has failed."""
        return tuple(one for one in self.findings if one.state == "FAILED")

    @property
    def missing(self) -> tuple[Finding, ...]:
        """The optional parts that are missing."""
        return tuple(one for one in self.findings if one.state == "missing")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "schema": SCHEMA,
            "works": self.works,
            "findings": [asdict(one) for one in self.findings],
            "versions": {"lockmodel": __version__, "python": platform.python_version()}
            | self.versions,
            "machine": self.machine.to_json(),
            "self_test": None
            if self.self_test is None
            else [one.to_json() for one in self.self_test.comparisons],
        }


def diagnose(root: Path = Path("/")) -> Diagnosis:
    """Return whether lockmodel works here, and what is missing.

    Parameters
    ----------
    root : Path
        Below which /proc, /sys and /boot stand.
    """
    versions = {name: _version(name) for name in PACKAGES}
    machine = read_machine(root)
    agreement, tested = _self_test()
    return Diagnosis(
        (
            Finding("lockmodel", "ok", f"{__version__} in {Path(__file__).parents[1]}"),
            Finding("Python", "ok", f"{platform.python_version()}, {sys.executable or 'embedded'}"),
            _packages(versions),
            _compiled(),
            *parts(machine, root),
            tested,
        ),
        versions,
        machine,
        agreement,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages(versions: dict[str, str | None]) -> Finding:
    absent = [name for name, version in versions.items() if version is None]
    if absent:
        named = ", ".join(absent)
        return Finding("packages", "FAILED", f"{named}: not installed", f"pip install {named}")
    first = [f"{name} {versions[name]}" for name in PACKAGES[:NAMED]]
    return Finding("packages", "ok", f"{', '.join(first)}, {len(PACKAGES) - NAMED} others")


def _compiled() -> Finding:
    """Return where compiled code is kept, after the self test has used it."""
    folder, spent = numba_cache.folder(), numba_cache.compile_s()
    if folder is None:
        return Finding(
            "compiled code",
            "missing",
            "no folder that this user alone can write to: every run compiles",
            "set NUMBA_CACHE_DIR to one",
        )
    how = "warm" if spent < COMPILED_S else f"was cold: {spent:.0f} s of compiling, now warm"
    return Finding("compiled code", "ok", f"{folder}, writable, {how}")


def _self_test() -> tuple[Agreement | None, Finding]:
    """Solve a known number by product form, chain and simulation."""
    try:
        from lockmodel.evaluate.verify.agreement import compare, judge
        from lockmodel.evaluate.verify.cases import cases

        agreement = judge(compare(cases()[0], POPULATION))
    except Exception as error:  # whatever it is, it is the finding
        found = f"{type(error).__name__}: {error}"
        return None, Finding("self test", "FAILED", found, AGAIN)
    said = _throughputs(agreement)
    if agreement.agrees:
        return agreement, Finding("self test", "ok", said)
    return agreement, Finding("self test", "FAILED", said, AGAIN)


def _throughputs(agreement: Agreement) -> str:
    rows: Sequence[Any] = [c for c in agreement.comparisons if c.quantity == "throughput"]
    known = next(c.expected for c in rows if c.reference == "known")
    each = ", ".join(f"{c.solver.replace('-', ' ')} {c.answer:.6f}" for c in rows)
    return f"known {known:.6f}: {each}"
