"""What levers buy, with intervals from the carried fit: ranked, and combined into designs."""

from lockmodel.answers.gains import Gains
from lockmodel.answers.intervals import COUNT
from lockmodel.changes.grammar import parse
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.solve import points
from lockmodel.units import gain
from paper.tools.fits import (
    EXECL_SET,
    SYSEXEC_SET,
    Change,
    after,
    carried,
    mapped_directly,
    together,
)
from paper.tools.out import Out, gain_range

LIBC = "libc.so.6"

RANKED = (
    ("free hand-off", f"cheaper_handoff:{LIBC}=none"),
    ("one acquire", f"batch:{LIBC}=1"),
    ("hold halved", f"shorten_hold:{LIBC}=0.5"),
    ("no hold at all", f"shorten_hold:{LIBC}=0"),
    ("no splits", f"skip:{LIBC}/exec.map_split"),
    ("splits batched", f"batch:{LIBC}/exec.map_split=1"),
    ("fork batched", f"batch:{LIBC}/fork.dup=1"),
    ("lock not taken", f"exclude:{LIBC}"),
    ("shards, this lock", f"shard:{LIBC}=4"),
    ("hold halved, every file", "shorten_hold:all=0.5"),
    ("no hold, every file", "shorten_hold:all=0"),
    ("shards, every file", "shard:all=8"),
)
NAMED = {
    "free hand-off": ("free", False),
    "one acquire": ("one", True),
    "hold halved": ("half", True),
    "no splits": ("nosplit", True),
    "splits batched": ("splitbatch", False),
    "lock not taken": ("without", True),
    "shards, every file": ("shards_all", True),
}
"""Row -> name in the text, and whether its interval is said."""

BATCHED = ("batch:all/exec.map_split=1", "batch:all/exec.map_link=1", "batch:all/exec.map_unlink=1")
FORK = "batch:all/fork.dup=1"
SHARDS = "shard:all=8"
NODES = "shard:all=2,by=node"

DESIGNS: tuple[tuple[str, str, Change, Change], ...] = (
    ("fork batched as well", "fork", together(FORK), together()),
    ("every site batched", "batched", together(FORK, *BATCHED), together(*BATCHED)),
    ("a lock and tree per node", "node", together(NODES), together(NODES)),
    ("shards by CPU", "sharded", together(SHARDS), together(SHARDS)),
    ("mapped directly", "direct", mapped_directly, mapped_directly),
    (
        "mapped directly, fork batched",
        "direct_fork",
        after(mapped_directly, together(FORK)),
        mapped_directly,
    ),
    (
        "the same, and shards by CPU",
        "direct_sharded",
        after(mapped_directly, together(FORK), together(SHARDS)),
        after(mapped_directly, together(SHARDS)),
    ),
)
"""What it is, its name, the change to fork + exec + exit, the change to execl (which forks not)."""

SAID = {
    *((name, "sysexec") for name in ("fork", "batched", "node", "sharded", "direct_fork")),
    *((name, "execl") for name in ("sharded", "direct")),
}
"""Designs that the text speaks of."""


def make(out: Out) -> None:
    """Write both tables and name what the text says of them."""
    fitted = carried()
    execl, sysexec = fitted.scenarios[EXECL_SET], fitted.scenarios[SYSEXEC_SET]
    for name, scenario in (("execl", execl), ("sysexec", sysexec)):
        out.si(f"{name}_now", _rate(scenario, scenario.machine.cpus), "/s")
    drawn = {s.name: _gains(s) for s in (execl, sysexec)}
    rows = []
    for title, lever in RANKED:
        row = [title + (" *" if parse(lever).is_limit else "")]
        for name, scenario in (("execl", execl), ("sysexec", sysexec)):
            if "fork.dup" in lever and name == "execl":
                row.append("-")
                continue
            change = together(lever)
            value, ends, _, _ = _gain(scenario, drawn[scenario.name], change)
            row.append(_cell(value, ends))
            if title in NAMED and name == "sysexec":
                said, interval = NAMED[title]
                out.gain(f"l_{said}", value, ends if interval else None)
        rows.append(row)
    out.table("levers", ["lever", "execl", "fork + exec + exit"], rows)
    _designs(out, execl, sysexec, drawn)


def _designs(out: Out, execl: Scenario, sysexec: Scenario, drawn: dict[str, Gains]) -> None:
    now = _acquires(sysexec), _acquires(execl)
    rows = [["as it is", f"{now[0]:.0f}", "", "", f"{now[1]:.0f}", "", ""]]
    for title, name, change, execl_change in DESIGNS:
        row = [title]
        for which, scenario, one in (
            ("sysexec", sysexec, change),
            ("execl", execl, execl_change),
        ):
            if which == "execl" and name in ("fork", "direct_fork"):
                row += ["-", "-", "-"]
                continue
            value, ends, binding, acquires = _gain(scenario, drawn[scenario.name], one)
            row += [f"{acquires:.0f}", _cell(value, ends), _binds(binding)]
            if (name, which) in SAID:
                out.gain(f"d_{name}_{which}", value, ends)
        rows.append(row)
    heads = ["", "acquires", "fork + exec + exit", "binds", "acquires", "execl", "binds"]
    out.table("designs", heads, rows)
    direct = mapped_directly(execl)
    out.number("direct_acquires", _acquires(direct), f"{_acquires(direct):.0f}")
    out.si("direct_rate", _rate(direct, execl.machine.cpus), "/s")


def _binds(binding: str) -> str:
    return "CPUs" if binding == "cpu" else binding.partition(".")[0].partition("-")[0]


def _acquires(scenario: Scenario) -> float:
    return scenario.acquires(LIBC)


def _rate(scenario: Scenario, n: int) -> float:
    return points(scenario, [n], "product-form")[0].throughput_per_s


def _gains(scenario: Scenario) -> Gains:
    n = scenario.machine.cpus
    if scenario.fit is None:
        raise ValueError(f"{scenario.name} has no fit")
    return Gains(scenario, scenario.fit, [n], COUNT)


def _gain(
    scenario: Scenario, drawn: Gains, change: Change
) -> tuple[float, tuple[float, float], str, float]:
    """Return gain, interval, what binds after the change, and acquires of libc.so.6."""
    n = scenario.machine.cpus
    changed = change(scenario)
    (point,) = points(changed, [n], "product-form")
    value = point.throughput_per_s / _rate(scenario, n) - 1
    (ends,) = drawn.of(change, [value])
    return value, ends, point.binding, _acquires(changed)


def _cell(value: float, ends: tuple[float, float]) -> str:
    return f"{gain(value)} ({gain_range(*ends)})"
