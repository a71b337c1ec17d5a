"""An answer in the place of an experiment in QEMU, for commands that only print it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import kernel_images as made
import pytest

from lockmodel.measure.trace.lab import experiment as lab
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.plugin import build

Ran = Callable[[Any], list[tuple[Any, ...]]]
"""Puts an answer there, and returns what will have been asked."""


def instead_of(experiment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Return what puts an answer in the place of an experiment; k.deb is its kernel's package."""

    def put(given: Any) -> list[tuple[Any, ...]]:
        asked: list[tuple[Any, ...]] = []

        def run(*arguments: Any) -> Any:
            asked.append(arguments)
            return given

        (folder / "k.deb").write_bytes(made.PACKAGE)
        monkeypatch.setattr(experiment, "run", run)
        monkeypatch.setattr(build, "build", lambda source, folder: folder / "x.so")
        monkeypatch.setattr(lab, "build", lambda folder: (folder / "init", Path("/bin/true")))
        monkeypatch.setattr(qemu, "version", lambda: "7.2.22")
        return asked

    return put
