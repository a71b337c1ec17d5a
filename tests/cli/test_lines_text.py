"""The report of `lockmodel bench --lines`: the answer, what is missing or strange, the keys."""

from __future__ import annotations

import tomllib

from benches import big
from matrices import matrix

from lockmodel.cli.lines_text import report, scenario


def flat(visits, explain=False, **more):
    return " ".join(report(matrix(visits, **more), explain, False).split())


ALL = {(0, 4): [10], (0, 1): [25], (0, 2): [300]}


def test_the_answer_is_the_mean_or_the_only_distance():
    """4 pairs of threads, 8 of cores, 16 of sockets: (40 + 200 + 4800) / 28."""
    assert flat(ALL).startswith(
        "A cache line takes 180 ns on average over all pairs of 8 CPUs, 10.0 to 300 ns by distance."
    )
    assert flat({(0, 1): [25]}).startswith(
        "A cache line takes 25.0 ns from the same cache, on 8 CPUs."
    )


def test_published_times_of_the_kind_stand_beside():
    rows = [line.split() for line in report(matrix(ALL), False, False).splitlines()]
    row = next(row for row in rows if row[:2] == ["same", "core"])
    assert " ".join(row[2:]) == "10.0 10.0 10.0 1 of 4 9.00 to 10.2 ns"
    assert "published: Zen 3" in flat(ALL)
    assert "19.8 to 24.9 ns" in flat(ALL)
    assert "47.8 to 51.1 ns" in flat({(0, 1): [50]}, kind="icelake")  # one cache per socket


def test_distances_that_are_not_here_are_named():
    assert "not here: same socket" in flat(ALL)


def test_times_of_another_distance_are_said_on_top():
    said = flat({(0, 1): [25] * 7 + [110] * 3}).partition("! ")[2]
    assert said.startswith(
        "same cache: of 10 visits 3 took what same socket takes (99.6 to 123 ns) on machines "
        "of its kind (Zen 3), not 19.8 to 24.9 ns: the stated topology is made up, or a host "
        "moves CPUs about"
    )
    both = flat({(0, 1): [25] * 6 + [110] * 2 + [10] * 2})
    assert "2 took what same core takes (9.00 to 10.2 ns), 2 took what same socket takes" in both


def test_the_topology_says_where_it_is_from():
    bare = "topology: cores, sockets and last-level cache (L3) as the kernel states them"
    assert f"{bare} machine:" in flat(ALL, explain=True)
    assert bare not in flat(ALL)


def test_a_virtual_machine_has_its_topology_from_the_hypervisor():
    said = flat(ALL, explain=True, machine=big(hypervisor="KVM"))
    assert "as the kernel states them, which has them from the hypervisor" in said


def test_the_keys_are_toml_below_comments_on_where_they_are_from():
    text = scenario(matrix({**ALL, (0, 1): [25] * 7 + [110] * 3}), False, False)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments[0].startswith(
        "# measured by lockmodel bench --lines, 2026-01-01T00:00:00Z: CPU X, 8 CPUs; 2 sockets"
    )
    assert comments[1].startswith("# same cache: of 10 visits 3 took what same socket takes")
    assert tomllib.loads(text) == {
        "caches": 2,
        "line_ns": {"smt": 10, "cache": 25, "remote": 300},
    }
