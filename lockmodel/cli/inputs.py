"""What the arguments mean: scenarios, data files, populations; - is standard input."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.regular import is_open_pipe, reading

if TYPE_CHECKING:
    from lockmodel.model.scenario import Lock, Scenario

STDIN = "-"
MOST_STDIN = 64 << 20
"""Bytes that are read from standard input at the most."""


def scenario(
    model: str,
    walks: str | None = None,
    machine: str | None = None,
    measured: bool = False,
    counts: bool = False,
    edits: Sequence[str] | None = None,
    classes: bool = False,
) -> Scenario:
    """Return the scenario that MODEL names, as the options want it (see `adapted`)."""
    from lockmodel.model.shipped import find_scenario

    made = _from_stdin() if model == STDIN else find_scenario(model)
    return adapted(made, walks, machine, measured, counts, edits, classes)


def adapted(
    made: Scenario,
    walks: str | None = None,
    machine: str | None = None,
    measured: bool = False,
    counts: bool = False,
    edits: Sequence[str] | None = None,
    classes: bool = False,
) -> Scenario:
    """Return a scenario with the walkers of --walks, on --machine.

    The keys of --set come last: they are what is asked about.
    Data that it is fitted to are `measured` on that machine; its holds are then instructions (see
    `model.held.as_instructions`). With `counts` it has no time of its own: see
    `measure.acquires.from_counts`. Several classes are refused unless `classes`.
    """
    from lockmodel.model.scenario import one_class, plain

    made = plain(made) if classes else one_class(made)
    if counts and made.classes:
        one_class(made)
    made = _with_walkers(made, walks)
    if machine is not None:
        from lockmodel.model.machines import move

        made = move(made, machine, measured)
    if counts:
        from lockmodel.measure.acquires.from_counts import from_counts

        made = from_counts(made)
    if edits:
        from lockmodel.answers.quick import retitled
        from lockmodel.model.edit import edited

        made = retitled(made, edited(made, edits))
    if measured:
        from lockmodel.model.held import as_instructions

        made = as_instructions(made)
    return made


def _from_stdin() -> Scenario:
    from lockmodel.model.toml import loads

    try:
        text = _standard_input().decode("utf-8")
    except UnicodeDecodeError:
        raise ScenarioError("standard input: not UTF-8; a scenario is a TOML text") from None
    return loads(text, "standard input")


def data(name: str) -> Path:
    """Return the path of a data file: its own, a shipped one's, or a copy of what is piped in.

    A pipe can be read once, a data file is read again for its checksum.
    """
    from lockmodel.model.shipped import find_data

    piped = is_open_pipe(name)
    if name != STDIN and not piped:
        return find_data(name)
    content = _content(name) if piped else _standard_input()
    folder = Path(tempfile.mkdtemp(prefix="lockmodel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / ("pipe" if piped else "standard input")
    path.write_bytes(content)
    return path


@lru_cache(maxsize=1)
def _standard_input() -> bytes:
    """Return all of standard input, which can be read once."""
    if sys.stdin is None or sys.stdin.isatty():
        raise ArgumentError("-: standard input is a terminal; pipe a file into it")
    return _bounded(sys.stdin.buffer, "-: standard input")


def _content(name: str) -> bytes:
    """Return all of a pipe that the shell has opened."""
    with reading(name) as stream:
        return _bounded(stream, name)


def _bounded(stream: IO[bytes], called: str) -> bytes:
    content = stream.read(MOST_STDIN + 1)
    if len(content) > MOST_STDIN:
        raise ArgumentError(f"{called} has more than the {MOST_STDIN >> 20} MiB accepted")
    return content


def populations(text: str | None, scenario: Scenario) -> tuple[int, ...]:
    """Return the populations of -n; without it doublings up to all CPUs."""
    from lockmodel.model.populations import parse_counts

    if text is not None:
        return parse_counts(text)
    from lockmodel.model.classes import stated_population

    stated = stated_population(scenario.classes)
    if stated is not None:
        return (stated,)
    cpus = scenario.machine.cpus
    return (*(2**i for i in range(cpus.bit_length()) if 2**i < cpus), cpus)


def population(text: str | None, scenario: Scenario) -> int:
    """Return the population of -n; without it all CPUs."""
    from lockmodel.model.populations import parse_one

    if text is not None:
        return parse_one(text)
    return populations(None, scenario)[-1]


def _with_walkers(scenario: Scenario, text: str | None) -> Scenario:
    """Return the scenario with walkers at one lock, or at all that are taken."""
    if text is None:
        return scenario
    import msgspec

    from lockmodel.changes.lever import ALL
    from lockmodel.model.scenario import Walkers, merged

    name, _, rest = text.partition("=")
    rest, gives_up, after = rest.partition(",give_up")
    rate, _, read = rest.partition(",read_us=")
    try:
        if after:
            raise ValueError(after)
        walkers = Walkers(float(rate), float(read) * 1e-6, bool(gives_up))
        if name != ALL:
            scenario.lock(name)
    except ScenarioError as error:
        raise ArgumentError(f"--walks {text!r}: {error}") from None
    except ValueError:
        raise ArgumentError(
            f"--walks {text!r}: write LOCK=RATE,read_us=T, e.g. libc.so.6=1000,read_us=64, "
            f"and ,give_up where walkers do not wait"
        ) from None

    def walked(lock: Lock) -> Lock:
        meant = lock.name == name or (name == ALL and lock in merged(scenario).taken)
        return msgspec.structs.replace(lock, walkers=walkers) if meant else lock

    return msgspec.structs.replace(scenario, locks=tuple(walked(lock) for lock in scenario.locks))
