"""Which published machines are like this one: the design of its cores, from /proc/cpuinfo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.model.published import PublishedMachine


@dataclass(frozen=True)
class Kind:
    """A design of cores, as the CPU identifies itself.

    Attributes
    ----------
    key, title : str
        As in data/published/core_to_core_ns.csv, and for people.
    vendor : str
    family : int
    models : tuple of (int, int)
        First and last model numbers.
    """

    key: str
    title: str
    vendor: str
    family: int
    models: tuple[tuple[int, int], ...]


AMD, HYGON, INTEL = "AuthenticAMD", "HygonGenuine", "GenuineIntel"

KINDS = (
    Kind("zen1", "Zen 1", AMD, 0x17, ((0x00, 0x2F),)),
    Kind("zen1", "Zen 1", HYGON, 0x18, ((0x00, 0x03),)),
    Kind("zen2", "Zen 2", AMD, 0x17, ((0x30, 0xFF),)),
    Kind("zen3", "Zen 3", AMD, 0x19, ((0x00, 0x0F), (0x20, 0x5F))),
    Kind("zen4c", "Zen 4c", AMD, 0x19, ((0xA0, 0xAF),)),
    Kind("zen4", "Zen 4", AMD, 0x19, ((0x10, 0x1F), (0x60, 0x7F))),
    Kind("ivybridge", "Ivy Bridge", INTEL, 6, ((0x3A, 0x3A), (0x3E, 0x3E))),
    Kind("cascadelake", "Cascade Lake (or Skylake)", INTEL, 6, ((0x55, 0x55),)),
    Kind("icelake", "Ice Lake", INTEL, 6, ((0x6A, 0x6A), (0x6C, 0x6C))),
    Kind("sapphirerapids", "Sapphire Rapids", INTEL, 6, ((0x8F, 0x8F),)),
)
"""Family and model numbers of Linux (arch/x86/include/asm/intel-family.h, kernel/cpu/amd.c)."""


@dataclass(frozen=True)
class Alike:
    """Published machines to stand beside this one, and what they have in common with it."""

    title: str
    machines: tuple[PublishedMachine, ...]


def alike(cpuinfo: str, machines: Sequence[PublishedMachine]) -> Alike:
    """Return the published machines of the same kind; else of the vendor; else all.

    Parameters
    ----------
    cpuinfo : str
        Text of /proc/cpuinfo.
    machines : sequence of PublishedMachine
    """
    vendor, family, model = (
        _field(cpuinfo, "vendor_id"),
        *(
            int(text) if (text := _field(cpuinfo, key)).isdigit() else -1
            for key in ("cpu family", "model")
        ),
    )
    of_vendor = [kind for kind in KINDS if kind.vendor == vendor]
    for kind in of_vendor:
        if kind.family == family and any(low <= model <= high for low, high in kind.models):
            same = tuple(m for m in machines if m.kind == kind.key)
            if same:
                return Alike(kind.title, same)
    keys = {kind.key for kind in of_vendor}
    same = tuple(m for m in machines if m.kind in keys)
    return Alike(f"all of {vendor}", same) if same else Alike("all", tuple(machines))


def _field(cpuinfo: str, key: str) -> str:
    match = re.search(rf"(?m)^{key}\s*:\s*(.+)$", cpuinfo)
    return match[1].strip() if match else ""
