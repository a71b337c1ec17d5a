"""What the paper is made from, as hashes: so that nothing old can pass for new."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from lockmodel.model.shipped import shipped_dir

PACKAGE = Path(__file__).resolve().parent.parent

LIBRARIES = ("matplotlib", "msgspec", "numba", "numpy", "scipy", "sympy")
"""Whose versions count: another one may draw or round otherwise."""

IGNORED = {"__pycache__", "cli", "shipped"}

Stamp = dict[str, str]
"""Name of an input -> hash."""


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes, shortened to 20 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:20]


def digest_files(files: Iterable[Path], root: Path) -> str:
    """Return a hash of names and contents, whatever the order of the files."""
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:20]


def _files(root: Path, suffix: str = "") -> list[Path]:
    return [
        path
        for path in root.rglob(f"*{suffix}")
        if path.is_file() and not IGNORED & set(path.relative_to(root).parts)
    ]


def present() -> Stamp:
    """Return the hashes of all that every number rests on: data, models, modules, libraries."""
    data, models = shipped_dir("data"), shipped_dir("models")
    libraries = [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    libraries += [f"{name} {version(name)}" for name in LIBRARIES]
    modules = [*_files(PACKAGE, ".py"), *_files(PACKAGE, ".csv")]
    return {
        "data": digest_files(_files(data), data),
        "models": digest_files(_files(models), models),
        "lockmodel": digest_files(modules, PACKAGE),
        "libraries": digest("\n".join(libraries).encode()),
    }


def stamp_of(script: Path, common: Stamp) -> Stamp:
    """Return the stamp of what a script makes: the common inputs and the script itself."""
    return {**common, "script": digest(script.read_bytes())}


def differing(old: Stamp, new: Stamp) -> list[str]:
    """Return the names of the inputs that are not the same."""
    return [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
