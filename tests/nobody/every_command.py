"""Every command once as in a container: user nobody, no HOME, an installation owned by root.

Run by `make nobody` only (the name hides it from `make test`), as root. What one run compiles, the
others load: numba's cache is then in a folder of nobody's below TMPDIR.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockmodel.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534
TIMEOUT_S = 300

EXECL, CURVE = "execl-xeon8369b", "unixbench_execl_xeon8369b.csv"
GATED = "cna_v3_locktorture.csv:stock :patch_CNA --fail-below -15%"
CALLS = {
    "quick": "quick --think 5us --hold 1us --machine 1x4x1",
    "predict": f"predict {EXECL} -n 1,2 --method markov",
    "ceiling": f"ceiling {EXECL}",
    "whatif": f"whatif {EXECL} -n 2 --lever shard:all=2 --method simulation",
    "explain": f"explain {EXECL} -n 2 --mail",
    "levers": f"levers {EXECL}",
    "shards": f"shards {EXECL} -n 2 --lock libc.so.6 --counts 2",
    "sweep": f"sweep {EXECL} --over shards=1,2 -n 64 --json",
    "simulate": f"simulate {EXECL} -n 2",
    "acquires": "acquires /bin/true --kernel 6.12 --loop fork",
    "trace": "trace --print-probes --kernel 6.12 --as script",
    "bench": "bench -n 1 --seconds 0.1 --repeats 2",
    "bench --lines": "bench --lines --seconds 20 --repeats 2",
    "import": f"import {CURVE}",
    "fit": f"fit {CURVE} --model {EXECL}",
    "design": f"design {EXECL} --data {CURVE} -n 128",
    "doctor": "doctor",
    "verify": f"verify {EXECL} -n 1",
    "gate": f"gate {GATED}",
    "accuracy": "accuracy published",
    "backtest": "backtest --only guzik_batch_unlink",
    "models": "models",
    "machines": "machines",
    "show": f"show {EXECL}",
    "theory": "theory ceiling",
    "figure": "figure hold --json",
}
"""The quickest call of every command, and of what it measures besides, that reaches its solvers."""


def _readable(path: str) -> bool:
    """Return whether nobody can read a file or enter a folder."""
    call = ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", path]
    return subprocess.run(call, user=NOBODY, group=NOBODY, extra_groups=[]).returncode == 0


def _installed(folder: str, to: Path) -> str:
    """Return a folder that nobody can read: itself, or a copy (of links where that is possible)."""
    if _readable(folder):
        return folder
    linked = subprocess.run(["cp", "-al", folder, to], capture_output=True)
    if linked.returncode:
        subprocess.run(["cp", "-a", folder, to], check=True)
    return str(to / Path(folder).name)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with the installation, root's, and two folders that anybody can write to."""
    assert os.getuid() == 0, "only root can become nobody"
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    for name in ("lockmodel", "models", "data"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, made / "installed" / name, ignore=ignored)
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", made / "installed"], check=True)
    for name in ("tmp", "fresh"):
        (made / name).mkdir()
        (made / name).chmod(0o1777)
    yield made
    shutil.rmtree(made)


Run = Callable[[str, str], subprocess.CompletedProcess[str]]
"""A call and the name of its temporary folder -> what it gave back."""


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    pythons = (sys._base_executable, f"/usr/bin/python3.{sys.version_info[1]}")
    python = next(path for path in pythons if _readable(path))
    packages = [_installed(path, place) for path in sys.path if path.endswith("site-packages")]

    def call(line: str, temporary: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(place / temporary),
            "PYTHONPATH": ":".join([str(place / "installed"), *packages]),
        }
        return subprocess.run(
            [python, "-m", "lockmodel", *line.split()],
            env=environment,
            cwd="/",
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    return call


@pytest.fixture(scope="module")
def ran(run: Run) -> dict[str, subprocess.CompletedProcess[str]]:
    """What each command gave back; as many at a time as there are CPUs, first runs included."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(run, CALLS.values(), ["tmp"] * len(CALLS))
        return dict(zip(CALLS, done, strict=True))


def test_all_commands_are_here():
    assert {name.split()[0] for name in CALLS} == set(COMMANDS)


@pytest.mark.parametrize("name", CALLS)
def test_runs(ran, name):
    assert ran[name].returncode == 0, ran[name].stderr
    assert ran[name].stdout
    assert ran[name].stderr == ""


def test_what_was_compiled_is_nobodys_alone(ran, place):
    """And nothing else is left behind."""
    (folder,) = (place / "tmp").iterdir()
    assert folder.name == f"lockmodel-{NOBODY}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == NOBODY
    assert list(folder.rglob("*.nbc"))


def test_six_first_runs_at_once_compile_once_and_have_their_time(run):
    """All six used to end by the time limit, which was spent compiling."""
    with ThreadPoolExecutor(6) as pool:
        line = f"simulate {EXECL} -n 2 --time-limit 15"
        done = list(pool.map(run, [line] * 6, ["fresh"] * 6))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 6
    assert len({one.stdout for one in done}) == 1
