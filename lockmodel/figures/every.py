"""Every figure as the paper has it: in processes side by side, each given out when it is finished.

draw_all(lambda drawn: ..., progress=progress)
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass

from lockmodel.figures import registry
from lockmodel.progress import Progress, quietly
from lockmodel.workers import cpus, pool

KINDS = ("svg", "pdf")
"""What a figure is drawn as: one to look at and to put into web pages, one to print."""

MOST_WORKERS = 2


@dataclass(frozen=True)
class Drawn:
    """A finished figure.

    Attributes
    ----------
    name : str
    files : dict of str to bytes
        File name -> contents, one for each of `KINDS`.
    flags : tuple of str
        What its fit is said to lack.
    """

    name: str
    files: dict[str, bytes]
    flags: tuple[str, ...]


def file_names() -> list[str]:
    """Return the names of all files, in the order of the figures."""
    return [f"{name}.{kind}" for name in registry.NAMES for kind in KINDS]


def draw_one(name: str, width: str | None = None) -> Drawn:
    """Draw a figure from the paper's data.

    Parameters
    ----------
    name : str
    width : {'page', 'column'}, optional
        That of the paper if not given.
    """
    entry = registry.find(name)
    alone = {registry.WORKERS: 1} if registry.WORKERS in entry.takes else {}
    data = registry.make(name, **alone)
    files = {}
    for kind in KINDS:
        stream = io.BytesIO()
        registry.draw(name, data, stream, kind, width or entry.printed)
        files[f"{name}.{kind}"] = stream.getvalue()
    return Drawn(name, files, tuple(getattr(data, "flags", ())))


def draw_all(
    keep: Callable[[Drawn], None], width: str | None = None, progress: Progress = quietly
) -> None:
    """Draw every figure from the paper's data, the slow ones first.

    Parameters
    ----------
    keep : callable
        Takes each figure as soon as it is finished, in this process.
    width : {'page', 'column'}, optional
        Of every figure; that of the paper if not given.
    progress : callable
        Wraps the loop over figures.

    Notes
    -----
    At most `MOST_WORKERS` processes, which end with this one.
    """
    slow_first = sorted(registry.ENTRIES, key=lambda one: registry.PROGRESS not in one.takes)
    count = min(cpus(), MOST_WORKERS)
    with pool(count) as processes:
        running = [processes.submit(draw_one, one.name, width) for one in slow_first]
        for done in progress(as_completed(running), len(running), "figures"):
            keep(done.result())
