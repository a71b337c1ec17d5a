"""Fewer acquires, same held work: one patch on three robot machines and on about 20 CPUs."""

from __future__ import annotations

import math
from functools import partial

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL, text_of
from lockmodel.evaluate.backtest.case import Case, Predicted
from lockmodel.evaluate.backtest.counts import MODEL_ERROR, PARAMETERS, Setting, by, counted, solved
from lockmodel.evaluate.backtest.evidence import RUN_SD, Context
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.published import published_machines

PATCH = "batching"
SMALL = "guzik_batch_unlink"
ROBOTS = ("lkp_spr_224", "lkp_icl_64", "lkp_cpl_224")

EXIT, EXEC = "exit.teardown", "exec.teardown"
BATCHED = (lever("batch", ALL, 1.0, EXIT), lever("batch", ALL, 1.0, EXEC))
UNBATCHED = (lever("acquires", ALL, 5.0, EXIT), lever("acquires", ALL, 5.0, EXEC))
"""Kernel before 3577dbb19241: five acquires in a row for a file's five mappings (traced on 6.1,
and the author's histogram of May 2024). The lines are those of 6.12: like it, and unlike 6.1, the
kernels of mid 2024 do not hold the lock while they change the process's own tree."""

SMALL_BATCHED = (lever("batch", ALL, 1.0, EXIT),)
SMALL_BEFORE = (
    *(
        lever("skip", file, site=site)
        for file in ("libc.so.6", "ld-linux-x86-64.so.2")
        for site in ("fork.dup", EXEC)
    ),
    lever("exclude", "launcher"),
    lever("exclude", "executable"),
    lever("acquires", ALL, 5.0, EXIT),
)
"""From fork to vfork (traced: nothing is copied, nothing torn down at exec); every copy runs its
own executable, so that lock is never contended."""

CPUS_SD = 0.1
"""Relative standard deviation of "20-ish cores", and so of the throughput before."""

CASCADE_LAKE = "cascadelake"
"""Whose line times a Cooper Lake has: the same cores and mesh."""


def cooper_lake() -> Machine:
    """Return the four-socket machine, named as in data/computed/line_overlap.csv."""
    (kind,) = [m for m in published_machines() if m.kind == CASCADE_LAKE]
    return Machine(
        name="4 x Intel Xeon Platinum 8380H (Cooper Lake)",
        cpus=224,
        cores=112,
        sockets=4,
        nodes=4,
        smt_speedup=1.25,
        line=LineTimes(**{d: s.median for d, s in kind.times.items() if d != "cache"}),
    )


def small_machine() -> Machine:
    """Return about 20 CPUs in one socket, of no known kind."""
    return Machine(name="about 20 CPUs", cpus=20, cores=20)


def setting(name: str, context: Context) -> Setting:
    """Return a machine before batching, and the lever."""
    if name == SMALL:
        cpus = int(context.evidence.facts(name)["hw_threads"])
        made = counted("sysexec-spr224-v6.12", small_machine())
        return Setting(made, cpus, by(SMALL_BATCHED), by(SMALL_BEFORE))
    model, machine = {
        "lkp_spr_224": ("sysexec-spr224-v6.12", None),
        "lkp_icl_64": ("sysexec-icl64-v6.12", None),
        "lkp_cpl_224": ("sysexec-spr224-v6.12", cooper_lake()),
    }[name]
    n = int(context.evidence.facts(name)["N"])
    return Setting(counted(model, machine), n, by(BATCHED), by(UNBATCHED))


def _predict(name: str, context: Context) -> Predicted:
    noise = math.hypot(RUN_SD, CPUS_SD) if name == SMALL else RUN_SD
    return Predicted(*solved(context, setting(name, context), name, noise), MODEL_ERROR)


def _robot(name: str) -> Case:
    return Case(
        id=name,
        patch=PATCH,
        group="change",
        scenario="sysexec-icl64-v6.12" if name == "lkp_icl_64" else "sysexec-spr224-v6.12",
        lever=text_of(BATCHED),
        kind="batch",
        population=64 if name == "lkp_icl_64" else 224,
        parameters=f"{PARAMETERS}the other machines of line_overlap.csv (rates of kernels with "
        "the patch, none of this machine); draws weighted by this machine's throughput before the "
        "patch. No gain of another machine",
        reasoning="29 to 21 acquires of libc.so.6 (traced), same work under the lock",
        if_outside="not explained",
        predict=partial(_predict, name),
        setting=partial(setting, name),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    small = Case(
        id=SMALL,
        patch=PATCH,
        group="change",
        scenario="sysexec-spr224-v6.12 as vfork loop, on 20 CPUs of one socket",
        lever=text_of(SMALL_BATCHED),
        kind="batch",
        population=20,
        parameters=f"{PARAMETERS}four machines; line times of machines of any kind; draws "
        "weighted by 50,000 execs/s before",
        reasoning="19 to 15 acquires of libc.so.6 (vfork, traced); on few CPUs the lock is not "
        "everything, so less is gained than on 224",
        if_outside="not explained",
        predict=partial(_predict, SMALL),
        setting=partial(setting, SMALL),
    )
    return (*(_robot(name) for name in ROBOTS), small)
