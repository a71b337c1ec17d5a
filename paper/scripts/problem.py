"""The published curve and the profiles of waiting: what there is to explain."""

import json
import re

from lockmodel.figures.curve import data as curve
from lockmodel.model.shipped import find_data, shipped_dir
from paper.tools.fits import CURVE
from paper.tools.out import Out

PROFILED = "osq_lock ([0-9.]+)"


def make(out: Out) -> None:
    """Name peak, fall and profile."""
    measured = curve()
    rates = dict(zip(measured.measured_n, measured.measured_per_s, strict=True))
    peak, last = max(rates, key=lambda n: rates[n]), max(rates)
    out.si("peak", rates[peak], "/s")
    out.count("peak_n", peak)
    out.si("at_all", rates[last], "/s")
    out.count("all_n", last)
    out.share("drop", 1 - rates[last] / rates[peak])
    out.si("at_one", rates[1], "/s")
    profiled = re.search(PROFILED, find_data(CURVE).read_text(encoding="utf-8"))
    if profiled is None:
        raise ValueError(f"{CURVE}: its header has no profile")
    out.share("osq", float(profiled.group(1)) / 100, 1)
    records = json.loads((find_data("interventions.json")).read_text(encoding="utf-8"))
    robot = next(r for r in records if r["id"] == "lkp_spr_224")
    out.share("slept", 1 - robot["extra"]["percent_cpu"][0] / (100 * robot["hw_threads"]))
    path = shipped_dir("data") / "published" / "profiles.json"
    profiles = json.loads(path.read_text(encoding="utf-8"))["profiles"]
    total = next(p["total_osq_lock_pct"] for p in profiles if "total_osq_lock_pct" in p)
    out.share("osq_emr", total / 100, 1)
