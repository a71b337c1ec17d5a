"""The population in a command line that stands in a text: `--threads=16`, `-t 16`, `--fork 16`."""

from __future__ import annotations

import re

COMMANDS = (
    re.compile(r"(?:.*\s)?\S*_(?:processes|threads)\b.*\s-t\s*(\d+)"),  # will-it-scale's programs
    re.compile(r"(?:.*\s)?(?:\S*/)?perf bench .*\s-t\s*(\d+)"),
    re.compile(
        r".*\s--?(?:num-|nr-|n)?(?:threads|tasks|procs|processes|clients|copies)[= ](\d+)\b.*"
    ),
    re.compile(r"(?:.*\s)?(?:\S*/)?stress-ng\b.*?\s--(?!timeout|seq|sched|times)[a-z]+[= ](\d+)"),
    re.compile(r"(?:.*/)?Run .*-c (\d+)(?!.*-c )"),  # UnixBench
)
"""What a command looks like; its group is the population."""

LONGEST = 1000
MOST = 1_000_000


def population(command: str) -> int | None:
    """Return how many tasks a command runs; None where it does not say.

    Parameters
    ----------
    command : str
        As typed, without the prompt.
    """
    for pattern in COMMANDS:
        found = pattern.match(command[:LONGEST])
        if found is not None and 1 <= int(found[1][:9]) <= MOST:
            return int(found[1][:9])
    return None
