"""Set the constants of the pool that predicts curves, with each host left out in turn.

    tools/curve_pool.py [DIR ...]    writes data/computed/curve_pool.csv

Folders of curves: `published` and those that may not be committed. Every curve is predicted from
its points up to 35, 50 and 62 % of its largest population; the constants maximise the mean log
score, hosts with many files weighted up to `MOST_FILES` times, less a penalty that keeps them
near `BEGIN`. The penalty was chosen, also leaving hosts out, among 0.02, 0.2, 0.5 and 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from lockmodel.evaluate.accuracy import chosen_curves
from lockmodel.evaluate.hosts import Hosts
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.outline import PREDICTORS, Outline
from lockmodel.fitting.curves.pool import ALL, NAMES, mixture
from lockmodel.model.shipped import shipped_dir

CUTS = (0.35, 0.5, 0.62)
CURVES_PER_FILE = 16
POINTS = 4
MOST_FILES = 3
PENALTY = 0.5

BEGIN = dict(
    zip(
        NAMES,
        (
            *(0.075, 0.075, 0.075, 0.075, 0.075, 0.625),
            *(0.15, 0.08, 0.006, 0.7),
            *(0.3, 0.15, 0.4, 0.15),
            *(0.45, 0.45, 0.3),
        ),
        strict=True,
    )
)
"""Most of the weight to the lock families, the rest even; at an edge a hazard of 15 to 40 % and a
fall of a third, give or take a third."""

Rows = tuple[np.ndarray, ...]


def rows_of(curve: Curve) -> list[Rows]:
    """Return what the mixture needs, and the outcome, for every cut of a curve."""
    made = []
    for cut in CUTS:
        near = curve.n <= cut * curve.n[-1]
        if near.sum() < 4:
            continue
        outline = Outline(curve.part(near))
        far = np.flatnonzero(~near)
        far = far[np.unique(np.linspace(0, len(far) - 1, POINTS).round().astype(int))]
        n, size = curve.n[far], np.ones(len(far))
        made.append(
            (
                outline.centres(n),
                outline.level * size,
                outline.noise * size,
                outline.reach(n),
                outline.crossed(n),
                np.log(curve.x[far]),
                (2.0 if cut == 0.5 else 1.0) * size / len(far),
            )
        )
    return made


def joined(parts: dict[tuple[str, str], list[Rows]], left_out: str) -> Rows:
    """Return the rows of all hosts but one, weights in the last place."""
    files: dict[str, int] = defaultdict(int)
    for _, host in parts:
        files[host] += 1
    made, weights = [], []
    for (_, host), rows in parts.items():
        if host == left_out or not rows:
            continue
        weight = np.concatenate([row[-1] for row in rows])
        weights.append(min(files[host], MOST_FILES) / files[host] * weight / weight.sum())
        made += rows
    columns = [np.concatenate(column) for column in zip(*made, strict=True)]
    weight = np.concatenate(weights)
    return (*columns[:-1], weight / weight.sum())


def set_constants(rows: Rows) -> dict[str, float]:
    """Return the constants with the best penalised log score."""
    *inputs, outcome, weight = rows
    begin = np.log([BEGIN[name] for name in NAMES])
    anchor = list(PREDICTORS).index("locks")
    free = np.arange(len(NAMES)) != anchor  # one weight is fixed: they count as shares

    def loss(values: np.ndarray) -> float:
        theta = begin.copy()
        theta[free] = values
        constants = dict(zip(NAMES, np.exp(theta).tolist(), strict=True))
        score = mixture(constants, *inputs).log_density(outcome)
        return float(-(weight @ score) + PENALTY * np.mean((values - begin[free]) ** 2))

    found = minimize(loss, begin[free], method="L-BFGS-B", options={"maxiter": 40})
    theta = begin.copy()
    theta[free] = found.x
    values = np.exp(theta)
    values[: len(PREDICTORS)] /= values[: len(PREDICTORS)].sum()
    return dict(zip(NAMES, values.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    folders = [shipped_dir("data") / "published", *parser.parse_args().folders]
    parts: dict[tuple[str, str], list[Rows]] = {}
    for folder in folders:
        hosts = Hosts.beside(folder)
        for name, curves in chosen_curves(folder, hosts)[0]:
            own: dict[str, list[Curve]] = defaultdict(list)
            for host, curve in curves:
                own[host].append(curve)
            for host, several in own.items():
                every = max(1, len(several) // CURVES_PER_FILE)
                parts[name, host] = [row for curve in several[::every] for row in rows_of(curve)]
            print(name, len(curves), file=sys.stderr, flush=True)
    with (shipped_dir("data") / "computed" / "curve_pool.csv").open("w", encoding="utf-8") as out:
        out.write(HEADER.format(hosts=len({host for _, host in parts}), files=len(parts)))
        out.write(",".join(("left_out", *NAMES)) + "\n")
        for host in (ALL, *sorted({host for _, host in parts})):
            made = set_constants(joined(parts, host))
            out.write(",".join((host, *(f"{made[name]:.4g}" for name in NAMES))) + "\n")
            print(host, file=sys.stderr, flush=True)


HEADER = """\
# what: constants of the pool that predicts a curve beyond its points, with each host left out
# where: computed from curves of {hosts} hosts ({files} files and hosts), most of them public but \
not ours to ship
# who: the lockmodel project
# when: 2026
# unit: weights and probabilities: 1; hazards: per edge, or per ln n; the rest: ln throughput
# source: tools/curve_pool.py DIR
# caveat: left_out = none is what fit uses; accuracy scores a host with the row that leaves it out
"""


if __name__ == "__main__":
    main()
