"""Fixtures that run the command line, as a process and inside this one, and the golden option."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from lockmodel.cli import run

TIMEOUT_S = 120
"""Longer than a first run, which compiles the solver kernels."""

# No deadline: the first call of a compiled kernel takes seconds. Same examples on every run.
settings.register_profile("lockmodel", deadline=None, derandomize=True)
settings.load_profile("lockmodel")


@dataclass(frozen=True)
class Ran:
    """What a command gave back."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def fine(self) -> bool:
        """Whether it succeeded and said nothing on standard error but notes and files written."""
        said = self.stderr.splitlines()
        return self.returncode == 0 and all(s.startswith(("note: ", "written: ")) for s in said)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate", action="store_true", help="rewrite the golden files in tests/golden"
    )


def _no_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under CI what is skipped has failed: a machine that cannot run a test tests nothing."""
    if os.environ.get("CI") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI is set, so nothing may be skipped: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _no_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _no_skip(report)
    return report


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regenerate"))


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same terminal: 80 columns, no colour asked for or forbidden."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Ran]:
    """Run `python -m lockmodel ARGS...` as a process in a fresh folder."""

    def launch(*args: str, python: str | None = None) -> Ran:
        """Run the command line, or the program text `python`; a traceback fails the test."""
        program = ["-m", "lockmodel"] if python is None else ["-c", python]
        done = subprocess.run(
            [sys.executable, *program, *args],
            cwd=tmp_path,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return launch


@pytest.fixture
def hardly_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight draws for every interval, where what is asked is how reports are written."""
    monkeypatch.setattr("lockmodel.answers.intervals.COUNT", 8)


COARSE: dict[object, object] = {}
"""Simulations of `hardly_simulated`, apart from those that are as precise as they say."""


@pytest.fixture
def hardly_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short simulations where a report has some (more processes than CPUs, kept shards)."""
    monkeypatch.setattr("lockmodel.solvers.solve.PRECISION", 0.1)
    monkeypatch.setattr("lockmodel.solvers.simulation.replicate.BATCHES", 16)
    monkeypatch.setattr("lockmodel.solvers.simulation.simulate._kept", COARSE)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run the command line inside this process, in a fresh folder: 20 times faster than `cli`."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Ran:
        capsys.readouterr()
        code = run(list(args))
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call
