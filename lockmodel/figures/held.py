"""Instructions under the lock: per site and kernel, and against the processes that map the file."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from lockmodel.figures import style
from lockmodel.figures.acquires import FILE, traced
from lockmodel.measure.acquires.held import TABLE, fitted_line
from lockmodel.measure.acquires.loops import SITES
from lockmodel.model.shipped import read_table, shipped_dir

KERNEL, LOOP = "6.12.107", "execl"
"""Whose growth with the mappings is drawn."""


@dataclass(frozen=True)
class SiteHeld:
    """One site of the file.

    Attributes
    ----------
    site : str
        phase.name.
    by_kernel : tuple of (str, float)
        Kernel and median instructions per acquire with no other mapper.
    mappers : tuple of int
        Processes that map the file, the traced one included.
    instructions : tuple of float
        Median per acquire on `HeldData.kernel` with so many.
    start, growth : float
        Least-squares line of these in log2(mappers): instructions with one mapper, and more for
        each doubling; a falling line is replaced by its mean, as in the models.
    """

    site: str
    by_kernel: tuple[tuple[str, float], ...]
    mappers: tuple[int, ...]
    instructions: tuple[float, ...]
    start: float
    growth: float


@dataclass(frozen=True)
class HeldData:
    """Held instructions of one file, traced."""

    file: str
    kernel: str
    loop: str
    sites: tuple[SiteHeld, ...]


def data() -> HeldData:
    """Return the traced medians of libc.so.6 in the execl loop, with their lines."""
    medians: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in read_table(shipped_dir("data") / "traced" / TABLE):
        if row["file"] == FILE and row["loop"] == LOOP:
            site = f"{row['phase']}.{row['site']}"
            mappers = int(row["other_mappers"]) + 1
            medians[row["kernel"], site].append((mappers, float(row["instructions_median"])))
    kernels = list(dict.fromkeys(kernel for kernel, _ in medians))
    sites = []
    for site in SITES:
        if site not in traced()[KERNEL, LOOP]:  # what a last exit leaves in the traces
            continue
        traces = sorted(medians[KERNEL, site])
        line = fitted_line([(math.log2(m), value) for m, value in traces])
        alone = tuple((k, dict(medians[k, site])[1]) for k in kernels if (k, site) in medians)
        sites.append(
            SiteHeld(
                site,
                alone,
                tuple(m for m, _ in traces),
                tuple(value for _, value in traces),
                line.start,
                line.growth,
            )
        )
    return HeldData(FILE, KERNEL, LOOP, tuple(sites))


def draw(figure: Any, drawn: HeldData) -> None:
    """Draw both panels into an empty matplotlib figure."""
    shape = (2, 1) if style.stacked(figure) else (1, 2)
    first, second = figure.subplots(*shape)
    _per_site(first, drawn)
    _against_mappers(second, drawn)


def _per_site(axes: Any, drawn: HeldData) -> None:
    names = [one.site for one in drawn.sites]
    kernels = list(dict.fromkeys(kernel for one in drawn.sites for kernel, _ in one.by_kernel))
    for i, kernel in enumerate(kernels):
        rows = [
            (value, place + (i - (len(kernels) - 1) / 2) * 0.22)
            for place, one in enumerate(drawn.sites)
            for name, value in one.by_kernel
            if name == kernel
        ]
        axes.plot(
            *zip(*rows, strict=True),
            ls="",
            marker=style.MARKERS[i],
            mfc="white" if i % 2 else style.COLOURS[i],
            mec=style.COLOURS[i],
            ms=4,
            label=f"Linux {'.'.join(kernel.split('.')[:2])}",
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=-60)
    axes.set_xlabel("held instructions, 1 mapper")
    axes.figure.legend(loc="outside upper center", ncols=len(kernels), columnspacing=1.2)


def _against_mappers(axes: Any, drawn: HeldData) -> None:
    last = max(one.mappers[-1] for one in drawn.sites)
    for i, one in enumerate(drawn.sites):
        look = style.line(i)
        axes.plot(
            [1, last],
            [one.start, one.start + one.growth * math.log2(last)],
            lw=1,
            **look,
        )
        axes.plot(
            one.mappers, one.instructions, ls="", marker=style.MARKERS[i], color=look["color"]
        )
    style.count_axis(axes.xaxis, 1, 1.2 * last, "processes that map the file", most=7)
    axes.set_xlim(0.85, last * 1.2)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("held instructions per acquire")
    style.end_labels(
        axes,
        last,
        [one.start + one.growth * math.log2(last) for one in drawn.sites],
        [one.site for one in drawn.sites],
        [style.line(i)["color"] for i in range(len(drawn.sites))],
    )
