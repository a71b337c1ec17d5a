"""A file -> the profiles in it, by content."""

from __future__ import annotations

from pathlib import Path

from lockmodel.errors import ArgumentError, ScenarioError, nearest, shortened
from lockmodel.measure.shares import documents, folded, perf_report
from lockmodel.measure.shares.profile import Profile
from lockmodel.observe.text import Text, load

FORMATS = (documents, folded, perf_report)


def read_text(text: Text) -> tuple[str, list[Profile]]:
    """Return what a text was recognised as, and its profiles.

    Raises
    ------
    ScenarioError
        It is empty, not recognised, or not valid.
    """
    if not text.filled:
        raise ScenarioError(f"{text.origin}: is empty; {perf_report.REMEDY}")
    for form in FORMATS:
        if form.sniff(text):
            return form.TITLE, form.read(text)
    first = text.filled[0]
    raise ScenarioError(
        f"{text.origin}:{first.number}: {shortened(first.text.strip())!r}: not a profile of "
        f"waiting; known are {', '.join(form.TITLE for form in FORMATS)}; {perf_report.REMEDY}"
    )


def read_file(path: Path) -> tuple[str, list[Profile]]:
    """Return what a file says (see `read_text`); raises FileError if it cannot be read."""
    return read_text(load(path))


def choose(profiles: list[Profile], wanted: str | None) -> list[Profile]:
    """Return the profile of an id, or all for None; raises ArgumentError if there is none."""
    if wanted is None:
        return profiles
    chosen = [profile for profile in profiles if profile.name == wanted]
    if not chosen:
        known = [profile.name for profile in profiles]
        raise ArgumentError(f"--profile {wanted!r} is not in the file; {nearest(wanted, known)}")
    return chosen
