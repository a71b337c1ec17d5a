"""Record what the commands print, so that a rebuilding can be shown to have changed nothing.

Usage: python tools/record.py DIR

Runs every line of `COMMANDS` as text and as --json in a folder of its own and writes standard
output, standard error, the exit code and all files made to DIR/NAME. `diff -r` compares two
records. To record another checkout put it first: PYTHONPATH=../old python tools/record.py DIR
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lockmodel

ROOT = Path(lockmodel.__file__).resolve().parents[1]
TESTS = Path(__file__).resolve().parent.parent / "tests"

EXECL = "execl-xeon8369b"
SPR = "sysexec-spr224-v6.12"
CURVE = "unixbench_execl_xeon8369b.csv"
JOINT = (
    f"fit {EXECL}={CURVE} {SPR}=robot_sysexec_spr224.csv "
    "sysexec-icl64-v6.12=robot_sysexec_icl64.csv "
    "--variant before=acquires:all/exit.teardown=5;acquires:all/exec.teardown=5 "
    "--free think,think_remote,hold,handoff_instructions"
)
SMALL = "-n 2 --lever shard:libc.so.6=2"

COMMANDS = {
    "models": "models",
    "machines": "machines",
    "show": f"show {EXECL} -n 64",
    "show_sysexec": f"show {SPR}",
    "predict": f"predict {EXECL} -n 1,16,64,128",
    "predict_range": f"predict {SPR} -n 1..224:31",
    "predict_plot": f"predict {SPR} -n 1..224:31 --plot",
    "predict_bounds": f"predict {EXECL} -n 1,16,64,128 --method bounds",
    "predict_product_form": "predict doexec-20 -n 1..40*2 --method product-form",
    "predict_markov": f"predict {EXECL} -n 1,2 --method markov",
    "predict_simulation": f"predict {EXECL} -n 8,64 --method simulation",
    "predict_auto": f"predict {EXECL} -n 4,8 --max-error 0.05",
    "predict_walks": f"predict {EXECL} -n 32 --walks libc.so.6=900,read_us=64",
    "predict_fitted": "predict ./fitted.toml -n 1,16,64,128,256",
    "simulate": f"simulate {EXECL} -n 2,16",
    "simulate_trace": f"simulate {EXECL} -n 8 --trace convoy.json",
    "simulate_walks": f"simulate {EXECL} -n 16 --walks libc.so.6=900,read_us=64 --seed 7",
    "verify": "verify",
    "verify_model": f"verify {EXECL} -n 1,8",
    "import_curve": f"import {CURVE}",
    "import_unixbench": "import samples/unixbench_report_v6_spawn_execl.log "
    "samples/unixbench_report_v6_spawn_execl.html samples/unixbench_report_v6_spawn_execl.csv",
    "import_locks": "import samples/own_lock_stat.txt samples/own_klockstat_bcc.txt "
    "samples/own_perf_lock_contention_x.csv samples/perf_lock_report_perf61.txt",
    "import_bpftrace": "import samples/own_bpftrace_hold.json --unit ns --quantity hold",
    "import_counters": "import samples/perf_stat_j_perf61.ndjson samples/own_perf_stat_x.csv",
    "import_lkp": "import samples/own_lkp_matrix.json samples/own_lkp_mail.txt "
    "samples/own_will_it_scale.csv samples/own_hyperfine.json --iterations 100",
    "import_write": "import samples/own_curve.csv samples/own_curve.jsonl -o obs.csv",
    "import_refused": "import samples/README.md",
    "fit": f"fit {CURVE} --model {EXECL}",
    "fit_write": f"fit {CURVE} --model {EXECL} -o curve.toml --report curve.md --plot curve.svg",
    "fit_joint": JOINT,
    "fit_bootstrap": f"fit {CURVE} --model {EXECL} --bootstrap parametric --no-priors",
    "fit_curves": f"fit {CURVE}",
    "fit_curves_plot": f"fit {CURVE} --plot",
    "fit_curves_write": "fit rqspin_x86_lock1_threads.csv --only qspinlock -o generic.toml",
    "design": f"design {EXECL} --data {CURVE} -n 128",
    "gate": "gate cna_v3_locktorture.csv:stock :patch_CNA --fail-below -15%",
    "gate_failed": "gate rqspin_x86_lock1_threads.csv:qspinlock :rqspinlock",
    "accuracy": "accuracy published",
    "backtest": "backtest --only lkp_spr_224 --only huang_v1_tree_split --only guzik_batch_unlink",
    "backtest_plot": "backtest --only lkp_spr_224 --plot gains.svg",
    "acquires": "acquires /bin/true --kernel 6.12 --loop fork",
    "acquires_toml": "acquires /bin/bash --kernel 6.1 --loop execl --toml bash.toml",
    "acquires_shares": "acquires --from-shares profiles.json --profile lkp_sysexec_spr_before",
    "trace_probes": "trace --print-probes --kernel 6.12 --as script",
    "trace_read": "trace read trace_fork_6.1.txt",
    "trace_read_bpftrace": "trace read trace_bpftrace_6.12.txt",
    "ceiling": f"ceiling {EXECL}",
    "ceiling_fitted": "ceiling ./fitted.toml -n 64",
    "explain": f"explain {EXECL}",
    "quick": "quick --think 5us --hold 1us --machine 2x32x1",
    "whatif": f"whatif {EXECL} -n 64,128 --lever batch:libc.so.6/exec.map_split=1 "
    "--lever shard:libc.so.6=8",
    "whatif_fitted": "whatif ./fitted.toml -n 16,128 --lever shorten_hold:all=0.5 "
    "--lever less_think=0.9",
    "whatif_bounds": f"whatif {EXECL} -n 64 --method bounds --lever exclude:libc.so.6",
    "whatif_simulation": f"whatif {EXECL} -n 16 --method simulation --lever shard:all=4",
    "whatif_markov": f"whatif {EXECL} {SMALL} --method markov",
    "levers": f"levers {EXECL} -n 128",
    "levers_walks": f"levers {EXECL} -n 128 --walks libc.so.6=5000,read_us=64 --top 0",
    "levers_fitted": "levers ./fitted.toml -n 128",
    "shards": f"shards {EXECL}",
    "shards_walks": f"shards {EXECL} -n 16 --walks libc.so.6=900,read_us=64 --counts 2,8",
    "sweep": f"sweep {EXECL} --over acquires=1,15,30 --over shards=1,2 -n 16,128",
    "sweep_fitted": "sweep ./fitted.toml --over hold=0..1:5 -n 64,128",
    "sweep_plot": f"sweep {EXECL} --over acquires=1..15 --over shards=1,2,4 -n 128 --plot",
    "theory": "theory",
    "theory_ceiling": "theory ceiling",
    "theory_patch": "theory same-patch",
    "theory_shards": "theory best-shards --walks libc.so.6=5000,read_us=64",
    "theory_python": "theory comparison --format python",
    "theory_typst": "theory any-change --model doexec-20 --format typst",
    "figure": "figure",
    "figure_chain": f"figure chain --model {SPR} --json",
    "figure_curve": "figure curve -o curve.svg",
    "figure_hold": "figure hold -o hold.svg",
    "figure_acquires": "figure acquires -o acquires.svg",
    "bad_command": "predikt",
    "bad_model": f"predict {EXECL[:-1]} -n 1",
    "bad_option": f"predict {EXECL} -n 0",
    "bad_lever": f"whatif {EXECL} -n 4 --lever shrad:all=2",
    "bad_chain": f"predict {EXECL} -n 64 --method markov",
}
"""Name -> command line; `samples` is tests/samples, fitted.toml a fit of the published curve."""

ONCE = (" -o ", "--plot", "--json", "trace --print")
"""What a line has that is not to be run again with --json."""


def prepare(folder: Path) -> None:
    """Put what the commands read into `folder`."""
    (folder / "samples").symlink_to(TESTS / "samples")
    for trace in ("trace_fork_6.1", "trace_bpftrace_6.12"):
        packed = (TESTS / "recorded" / f"{trace}.txt.gz").read_bytes()
        (folder / f"{trace}.txt").write_bytes(gzip.decompress(packed))


def run(line: str, folder: Path) -> str:
    """Run a command line; return its exit code, output and error output."""
    done = subprocess.run(
        [sys.executable, "-m", "lockmodel", *line.split()],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {done.returncode}\n--- output\n{done.stdout}--- error\n{done.stderr}"


def record(name: str, line: str, base: Path, target: Path) -> None:
    """Record one command as text and as JSON, each in a copy of the folder `base`."""
    forms = {"text": line}
    if not any(part in line for part in ONCE) and not name.startswith("bad"):
        forms["json"] = f"{line} --json"
    for form, full in forms.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "run"
            shutil.copytree(base, folder, symlinks=True)
            before = {path.name for path in folder.iterdir()}
            text = f"$ lockmodel {full}\n{run(full, folder)}"
            text = text.replace(made, "TMP").replace(str(ROOT), "CHECKOUT")
            (target / f"{name}.{form}").write_text(text, encoding="utf-8")
            for path in folder.iterdir():
                if path.name not in before:
                    shutil.copy(path, target / f"{name}.{form}.{path.name}")


def main(target: Path) -> None:
    """Record every command into `target`, two at a time."""
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        prepare(base)
        print(run(f"fit {CURVE} --model {EXECL} -o fitted.toml", base).splitlines()[0])
        with ThreadPoolExecutor(2) as pool:
            jobs = {
                name: pool.submit(record, name, line, base, target)
                for name, line in COMMANDS.items()
            }
            for name, job in jobs.items():
                job.result()
                print(name, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
