"""Acquires of libc.so.6 per site, counted three ways: traced, from the ELF files, from shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockmodel.figures import style
from lockmodel.measure.acquires.loops import SITES
from lockmodel.measure.shares.integers import search
from lockmodel.measure.shares.reading import read_file
from lockmodel.model.shipped import read_table, shipped_dir

if TYPE_CHECKING:
    pass

FILE = "libc.so.6"
ELF_TABLE = Path(__file__).with_name("acquires_elf.csv")
"""What the rules say of the traced binaries, which are not on every machine."""

TRACED_BINARY = {"fork": "dyntrue", "execl": "dynloop"}


@dataclass(frozen=True)
class ProfiledLoop:
    """A published profile, and the traced loop that it is compared with.

    Attributes
    ----------
    profile : str
        Id in data/published/profiles.json.
    kernel, loop : str
        Of the traced tables.
    title : str
    """

    profile: str
    kernel: str
    loop: str
    title: str


CASES = (
    ProfiledLoop("lkp_sysexec_spr_before", "6.1.187", "fork", "sysexec,\nnot batched"),
    ProfiledLoop("lkp_sysexec_spr_after", "6.12.107", "fork", "sysexec,\nbatched"),
    ProfiledLoop("yibin_execl_emr_c220", "7.2.13", "execl", "execl,\nbatched"),
)


@dataclass(frozen=True)
class AcquiresPanel:
    """One workload; tuples are per site of `sites`.

    Attributes
    ----------
    title, kernel, loop, profile : str
    sites : tuple of str
        phase.name, in the order of the iteration.
    traced, elf : tuple of int
        Acquires per iteration.
    shares : tuple of float
        Share of the waiting over that of one acquire: what is rounded to an integer. 0 where the
        profile names no such site.
    from_shares : tuple of int
        The integers.
    """

    title: str
    kernel: str
    loop: str
    profile: str
    sites: tuple[str, ...]
    traced: tuple[int, ...]
    elf: tuple[int, ...]
    shares: tuple[float, ...]
    from_shares: tuple[int, ...]


@dataclass(frozen=True)
class AcquiresData:
    """Three counts of the same acquires, for some workloads."""

    file: str
    panels: tuple[AcquiresPanel, ...]


def data() -> AcquiresData:
    """Return the three counts for the published profiles."""
    counted = shipped_elf()
    _, profiles = read_file(shipped_dir("data") / "published" / "profiles.json")
    by_profile = {profile.name: search(profile) for profile in profiles}
    seen_by_loop = traced()
    panels = []
    for case in CASES:
        shares = by_profile[case.profile]
        ratios: dict[str, float] = {}
        for site, ratio in zip(shares.profile.sites, shares.ratios, strict=True):
            if site.model_site is not None:
                ratios[site.model_site] = ratios.get(site.model_site, 0.0) + ratio
        whole, rules = shares.by_model_site, counted[case.kernel, case.loop]
        seen = seen_by_loop[case.kernel, case.loop]
        sites = tuple(site for site in SITES if site in seen or site in ratios or site in rules)
        panels.append(
            AcquiresPanel(
                case.title,
                case.kernel,
                case.loop,
                case.profile,
                sites,
                tuple(seen.get(site, 0) for site in sites),
                tuple(rules.get(site, 0) for site in sites),
                tuple(ratios.get(site, 0.0) for site in sites),
                tuple(whole.get(site, 0) for site in sites),
            )
        )
    return AcquiresData(FILE, tuple(panels))


def shipped_elf() -> dict[tuple[str, str], dict[str, int]]:
    """Return what the rules say of the traced binaries (see `ELF_TABLE`)."""
    acquires: dict[tuple[str, str], dict[str, int]] = {}
    for row in read_table(ELF_TABLE):
        acquires.setdefault((row["kernel"], row["loop"]), {})[row["site"]] = int(row["acquires"])
    return acquires


def traced() -> dict[tuple[str, str], dict[str, int]]:
    """Return the traced acquires of libc.so.6: (kernel, loop) -> site -> acquires."""
    acquires: dict[tuple[str, str], dict[str, int]] = {}
    for row in read_table(shipped_dir("data") / "traced" / "acquires_traced.csv"):
        if row["file"] == FILE and row["binary"] == TRACED_BINARY.get(row["loop"]):
            site = f"{row['phase']}.{row['site']}"
            acquires.setdefault((row["kernel"], row["loop"]), {})[site] = int(row["acquires"])
    return acquires


WAYS = ("traced", "from the ELF files", "from wait shares")
LOOKS: tuple[dict[str, Any], ...] = (
    {"marker": "s", "mfc": "white", "mec": style.COLOURS[0], "ms": 4.5},
    {"marker": "x", "mec": "black", "ms": 4.5},
    {"marker": "o", "mfc": style.COLOURS[1], "mec": style.COLOURS[1], "ms": 4},
)
STEP = 0.24
"""Rows between the marks of one site."""


def draw(figure: Any, drawn: AcquiresData) -> None:
    """Draw the counts, a panel per workload, into an empty matplotlib figure."""
    sites = [site for site in SITES if any(site in panel.sites for panel in drawn.panels)]
    panels = figure.subplots(1, len(drawn.panels), sharey=True, squeeze=False).ravel()
    most = max(max(panel.traced) for panel in drawn.panels)
    for axes, panel in zip(panels, drawn.panels, strict=True):
        for i, (look, counts) in enumerate(
            zip(LOOKS, (panel.traced, panel.elf, panel.shares), strict=True)
        ):
            marks = [
                (count, sites.index(site) + (i - 1) * STEP)
                for site, count in zip(panel.sites, counts, strict=True)
                if count > 0
            ]
            axes.plot(*zip(*marks, strict=True), ls="", label=WAYS[i], **look)
        totals = [sum(counts) for counts in (panel.traced, panel.elf, panel.from_shares)]
        axes.text(
            (most + 1) / 2,
            len(sites),
            ", ".join(map(str, totals)),
            ha="center",
            va="center",
            fontsize=style.SMALL,
        )
        axes.axhline(len(sites) - 0.5, color="0.7", lw=0.6)
        axes.set_title(panel.title, fontsize=style.SMALL, pad=3)
        axes.set_xlim(0, most + 1)
        axes.set_xticks(range(most + 1))
    panels[0].set_yticks([*range(len(sites) + 1)], [*sites, "all sites"])
    panels[0].set_ylim(len(sites) + 0.5, -0.6)
    figure.supxlabel(f"acquires of {drawn.file} per iteration", fontsize=style.TEXT)
    handles, _ = panels[0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper right", ncols=3, columnspacing=1.0)
