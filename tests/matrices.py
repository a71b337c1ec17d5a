"""Times of cache lines as `lockmodel bench --lines` measures them, on `benches.big`, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benches import big

from lockmodel.measure.bench.kinds import KINDS, Alike
from lockmodel.measure.bench.line_matrix import LineMatrix, Pair
from lockmodel.measure.bench.lines import Places, all_pairs
from lockmodel.model.published import published_machines

SOCKET_OF = {0: 0, 1: 0, 4: 0, 5: 0, 2: 1, 3: 1, 6: 1, 7: 1}


def where() -> Places:
    """Return eight CPUs: two sockets of one cache of two cores of two threads."""
    return Places(
        core={cpu: (socket, cpu % 4) for cpu, socket in SOCKET_OF.items()},
        cache={cpu: 2 * socket for cpu, socket in SOCKET_OF.items()},
        socket=SOCKET_OF,
        level=3,
    )


def matrix(
    visits: Mapping[tuple[int, int], Sequence[float]], kind: str = "zen3", **more
) -> LineMatrix:
    """Return the matrix of pairs of CPUs, each with the times of its visits in ns."""
    title = next(one.title for one in KINDS if one.key == kind)
    facts = {
        "machine": big(),
        "places": where(),
        "pairs": tuple(
            Pair(*pair, where().distance(*pair), tuple(float(f"{t}e-9") for t in times))
            for pair, times in visits.items()
        ),
        "all_pairs": all_pairs(where()),
        "alike": Alike(title, tuple(m for m in published_machines() if m.kind == kind)),
        "program": "lines.c, cc -O2",
        "repeats": 30,
        "seed": 1,
        "seconds": 5.0,
        "started": "2026-01-01T00:00:00Z",
    }
    return LineMatrix(**(facts | more))
