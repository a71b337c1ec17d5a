"""JSON with shares per site: one profile, or several with an id each.

    {"profiles": [{"id": "..", "site_pct": {"SITE": 24.82, ..}, "machine": "..", ..}, ..]}

`site_samples` instead of `site_pct` gives numbers of samples.
"""

from __future__ import annotations

import json
from typing import Any

from lockmodel.errors import ScenarioError, shown
from lockmodel.measure.shares.profile import MOST_NAME, Profile, ProfileSite, make
from lockmodel.observe.profiles import stacks
from lockmodel.observe.text import Text

TITLE = "JSON with shares per site"
REMEDY = 'write {"site_pct": {"SITE": percent, ..}} or {"site_samples": {"SITE": samples, ..}}'

KEYS = {"site_pct": False, "site_share": False, "site_samples": True}
"""Key of the sites -> whether the numbers are samples."""

FACTS = ("machine", "workload", "kernel", "throughput", "author", "date", "source", "note")
MOST_PROFILES = 100
MOST_SITES = 100_000
DEFAULT_DIGITS = 0
MOST_DIGITS = 12


class Printed(float):
    """A number of the file that remembers its digits after the point."""

    digits = 0


def _float(text: str) -> Printed:
    made = Printed(text)
    mantissa, _, exponent = text.lower().partition("e")
    power = int(exponent) if exponent and len(exponent) < 6 else 0
    made.digits = len(mantissa.partition(".")[2]) - power
    return made


def _int(text: str) -> float:
    return float(text) if len(text) < 400 else float("inf")


def sniff(text: Text) -> bool:
    """Return whether the text begins as JSON."""
    return bool(text.filled) and text.filled[0].text.lstrip()[:1] in ("{", "[")


def read(text: Text) -> list[Profile]:
    """Return the profiles of a document.

    Raises
    ------
    ScenarioError
        It is not JSON, or has no sites where expected.
    """
    try:
        document = json.loads(text.whole, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        raise ScenarioError(
            f"{text.origin}:{error.lineno}: not JSON ({error.msg}); {REMEDY}"
        ) from None
    except RecursionError:
        raise ScenarioError(f"{text.origin}: nested too deeply; {REMEDY}") from None
    if isinstance(document, dict) and "profiles" in document:
        document = document["profiles"]
    several = document if isinstance(document, list) else [document]
    if not several or len(several) > MOST_PROFILES:
        raise ScenarioError(
            f"{text.origin}: {len(several)} profiles; 1 to {MOST_PROFILES} are read; {REMEDY}"
        )
    return [_profile(text.origin, i, one) for i, one in enumerate(several)]


def _profile(origin: str, index: int, one: Any) -> Profile:
    where = f"{origin}: profile {index + 1}"
    if not isinstance(one, dict):
        raise ScenarioError(f"{where}: {shown(one)} is not an object; {REMEDY}")
    keys = [key for key in KEYS if key in one]
    if len(keys) != 1:
        seen = ", ".join(keys) or "none of " + ", ".join(KEYS)
        raise ScenarioError(f"{where}: one key with sites is needed, there is {seen}; {REMEDY}")
    name = str(one.get("id") or (origin if index == 0 else f"{index + 1}"))[:MOST_NAME]
    values = one[keys[0]]
    if not isinstance(values, dict) or not 0 < len(values) <= MOST_SITES:
        raise ScenarioError(f"{where}: {keys[0]} must map sites to numbers; {REMEDY}")
    for site, value in values.items():
        if not isinstance(value, float):
            raise ScenarioError(
                f"{where}: {keys[0]}.{site[:60]} = {shown(value)} is not a number; {REMEDY}"
            )
    digits = max(getattr(value, "digits", DEFAULT_DIGITS) for value in values.values())
    sites = [
        ProfileSite(site[:MOST_NAME], float(value), stacks.from_name(site[:1000]))
        for site, value in values.items()
    ]
    samples = KEYS[keys[0]]
    facts = {key: str(one[key])[:500] for key in FACTS if key in one}
    step = 0.0 if samples else 10.0 ** -max(-MOST_DIGITS, min(MOST_DIGITS, digits))
    return make(name, sites, counted=1.0 if samples else None, step=step, facts=facts)
