"""Set the constants of the pool that predicts curves, with each host left out in turn.

    tools/curve_pool.py [DIR ...]    writes data/computed/curve_pool.csv

Folders of curves: `published` and those that may not be committed. Every curve is predicted from
its points up to 35, 50 and 62 % of its largest population; the constants maximise the mean log
score, hosts with many files weighted up to `MOST_FILES` times, less a penalty that keeps them
near a beginning. Beginning and penalty are chosen as well (`CHOICES`): by the log score on hosts
that the constants were not set on, in `FOLDS` parts. All of it is done anew for every host that
is left out, so that a host has no part in anything that it is scored with.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from lockmodel.evaluate.curve_files import chosen_curves
from lockmodel.evaluate.hosts import Hosts
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.outline import PREDICTORS, Outline
from lockmodel.fitting.curves.pool import ALL, NAMES, mixture
from lockmodel.model.shipped import shipped_dir

CUTS = (0.35, 0.5, 0.62)
CURVES_PER_FILE = 16
POINTS = 4
MOST_FILES = 3
FOLDS = 4

LOCKS = (0.4, 0.625)
PENALTIES = (0.5, 1.0, 2.0)
CHOICES = tuple((share, penalty) for share in LOCKS for penalty in PENALTIES)
"""Weight of the lock families to begin with, the rest even; and the penalty."""

REST = (0.15, 0.08, 0.006, 0.7, *(0.3, 0.15, 0.4, 0.15), *(0.45, 0.45, 0.3))
"""Where the other constants begin, as `NAMES`: at an edge a hazard of 15 to 40 % and a fall of a
third, give or take a third."""

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


Parts = dict[tuple[str, str], list[Rows]]
"""File and host -> rows."""


def joined(parts: Parts, hosts: Iterable[str]) -> Rows:
    """Return the rows of some hosts, weights in the last place."""
    taken = set(hosts)
    files = Counter(host for _, host in parts)
    made, weights = [], []
    for (_, host), rows in parts.items():
        if host not in taken or not rows:
            continue
        weight = np.concatenate([row[-1] for row in rows])
        weights.append(min(files[host], MOST_FILES) / files[host] * weight / weight.sum())
        made += rows
    columns = [np.concatenate(column) for column in zip(*made, strict=True)]
    weight = np.concatenate(weights)
    return (*columns[:-1], weight / weight.sum())


def set_constants(rows: Rows, locks: float, penalty: float) -> dict[str, float]:
    """Return the constants with the best penalised log score."""
    *inputs, outcome, weight = rows
    others = (1.0 - locks) / (len(PREDICTORS) - 1)
    shares = (locks if name == "locks" else others for name in PREDICTORS)
    begin = np.log([*shares, *REST])
    anchor = list(PREDICTORS).index("locks")
    free = np.arange(len(NAMES)) != anchor  # one weight is fixed: they count as shares

    def loss(values: np.ndarray) -> float:
        theta = begin.copy()
        theta[free] = values
        constants = dict(zip(NAMES, np.exp(theta).tolist(), strict=True))
        score = mixture(constants, *inputs).log_density(outcome)
        return float(-(weight @ score) + penalty * np.mean((values - begin[free]) ** 2))

    found = minimize(loss, begin[free], method="L-BFGS-B", options={"maxiter": 40})
    theta = begin.copy()
    theta[free] = found.x
    values = np.exp(theta)
    values[: len(PREDICTORS)] /= values[: len(PREDICTORS)].sum()
    return dict(zip(NAMES, values.tolist(), strict=True))


def log_score(constants: dict[str, float], rows: Rows) -> float:
    """Return the mean log score."""
    *inputs, outcome, weight = rows
    return float(weight @ mixture(constants, *inputs).log_density(outcome))


def chosen(parts: Parts, hosts: Sequence[str]) -> tuple[float, float]:
    """Return the beginning and the penalty that predict hosts best which they were not set on."""
    scores = dict.fromkeys(CHOICES, 0.0)
    for choice in CHOICES:
        for fold in range(FOLDS):
            held = hosts[fold::FOLDS]
            constants = set_constants(joined(parts, set(hosts) - set(held)), *choice)
            scores[choice] += sum(log_score(constants, joined(parts, [host])) for host in held)
    return max(CHOICES, key=lambda choice: scores[choice])


def without(parts: Parts, host: str) -> tuple[str, tuple[float, float], dict[str, float]]:
    """Return a host, what is chosen without it, and the constants set without it."""
    hosts = sorted({other for _, other in parts} - {host})
    choice = chosen(parts, hosts)
    return host, choice, set_constants(joined(parts, hosts), *choice)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    folders = [shipped_dir("data") / "published", *parser.parse_args().folders]
    parts: Parts = {}
    for folder in folders:
        table = Hosts.beside(folder)
        for name, curves in chosen_curves(folder, table)[0]:
            own: dict[str, list[Curve]] = defaultdict(list)
            for host, curve in curves:
                own[host].append(curve)
            for host, several in own.items():
                every = max(1, len(several) // CURVES_PER_FILE)
                rows = [row for curve in several[::every] for row in rows_of(curve)]
                if rows:
                    parts[name, host] = rows
            print(name, len(curves), file=sys.stderr, flush=True)
    hosts = sorted({host for _, host in parts})
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
        (shipped_dir("data") / "computed" / "curve_pool.csv").open("w", encoding="utf-8") as out,
    ):
        out.write(HEADER.format(hosts=len(hosts), files=len(parts)))
        out.write(",".join(("left_out", "locks_prior", "penalty", *NAMES)) + "\n")
        for host, choice, made in pool.map(partial(without, parts), (ALL, *hosts)):
            numbers = (f"{value:.4g}" for value in (*choice, *(made[name] for name in NAMES)))
            out.write(",".join((host, *numbers)) + "\n")
            print(host, *choice, file=sys.stderr, flush=True)


HEADER = """\
# what: constants of the pool that predicts a curve beyond its points, with each host left out
# where: computed from curves of {hosts} hosts ({files} files and hosts), most of them public but \
not ours to ship
# who: the lockmodel project
# when: 2026
# unit: weights and probabilities: 1; hazards: per edge, or per ln n; the rest: ln throughput
# source: tools/curve_pool.py DIR
# caveat: left_out = none is what fit uses; accuracy scores a host with the row that leaves it out
# caveat: locks_prior and penalty (see source) were chosen without the host as well
"""


if __name__ == "__main__":
    main()
