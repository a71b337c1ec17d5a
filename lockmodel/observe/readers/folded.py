"""Folded stacks, the input of flame graphs: where the samples wait for a lock."""

from __future__ import annotations

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.profiles import folded
from lockmodel.observe.readers import profile_stacks
from lockmodel.observe.text import Text

TITLE = folded.TITLE
READS = "the share of the samples that waits for a lock, by site"
GIVES = ("wait_share",)
REMEDY = folded.REMEDY

LEAST = 3
"""Stacks from which on lines with a semicolon and a number are no CSV."""


def sniff(text: Text) -> bool:
    """Return whether lines are functions with ';' between them, and a number."""
    lines = [line.text for line in text.filled[:LEAST] if not line.text.startswith("#")]
    return folded.sniff(text) and all(
        ";" in line and folded.split(line) is not None for line in lines
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of folded stacks (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    if not sniff(text):
        raise collector.error(text.filled[0], "`function;..;function samples` was expected")
    paths = folded.paths(text)
    whole = sum(value for _, _, value in paths)
    if whole > 0:
        profile_stacks.observe(collector, paths, whole)
        collector.fact("samples", whole, "", paths[0][0])
    if not collector.observations:
        raise collector.error(None, profile_stacks.NONE)
    return collector.reading()
