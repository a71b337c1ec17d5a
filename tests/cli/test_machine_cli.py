"""--machine: what each command that takes it makes of another machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import timed_path

from lockmodel.model.toml import load

MODEL = timed_path("execl-xeon8369b")
CURVE = "unixbench_execl_xeon8369b.csv"
STAY = (
    "times and hand-off costs stay those of 2 x Intel Xeon Platinum 8369B (Ice Lake); 2x20x2 only "
    "sets the CPUs and where they are"
)
ASK = {
    "predict": (),
    "predict simulated": ("-n", "2", "--method", "simulation", "--max-error", "0.1"),
    "whatif": ("--lever", "shard:all=2"),
    "levers": (),
    "ceiling": (),
    "show": (),
    "simulate": ("-n", "2", "--precision", "0.05"),
    "sweep": ("-n", "2", "--over", "shards=1,2"),
}


@pytest.mark.parametrize("name", ASK)
def test_the_report_says_once_whose_times_they_are(name, command):
    ran = command(name.split()[0], MODEL, *ASK[name], "--machine", "2x20x2")
    assert ran.fine
    said = " ".join((ran.stdout + ran.stderr).split())
    assert said.count(STAY) == 1
    assert STAY not in " ".join(command(name.split()[0], MODEL, *ASK[name]).stdout.split())


@pytest.mark.parametrize("name", ["predict", "predict simulated", "whatif", "levers", "sweep"])
def test_json_has_it_among_the_warnings(name, command):
    data = json.loads(
        command(name.split()[0], MODEL, *ASK[name], "--machine", "2x20x2", "--json").stdout
    )
    assert data["warnings"].count(STAY) == 1


def test_without_n_it_is_all_cpus_of_the_new_machine(command):
    data = json.loads(command("predict", MODEL, "--machine", "1x12x2", "--json").stdout)
    assert [point["n"] for point in data["points"]] == [1, 2, 4, 8, 16, 24]
    assert json.loads(command("show", MODEL, "--machine", "spr224", "--json").stdout)["n"] == 224


@pytest.mark.parametrize("name", [*ASK, "design", "fit", "acquires"])
def test_what_is_no_machine_is_an_argument_error(name, command):
    args = {
        "design": (MODEL, "--data", CURVE),
        "fit": (CURVE,),
        "acquires": ("/bin/true", "--kernel", "6.12", "--toml", "x.toml"),
    }.get(name, (MODEL, *ASK.get(name, ())))
    for text in ("0x2x2", "nowhere"):
        ran = command(name.split()[0], *args, "--machine", text)
        assert (ran.returncode, ran.stdout) == (3, "")
        assert ran.stderr.startswith(f"lockmodel: --machine {text!r}: ")
    assert not Path("x.toml").exists()


def test_a_curve_competes_on_the_machine_that_is_stated(command):
    header, rows = "# unit: ops/s\n", "threads,throughput\n1,100\n2,190\n4,330\n8,420\n"
    Path("told.csv").write_text(f"{header}# machine: 2 sockets x 2 cores x 2 HT\n{rows}")
    Path("bare.csv").write_text(f"{header}{rows}")
    told = command("fit", "told.csv", "--explain").stdout.replace("told.csv", "bare.csv")
    assert "2 x 2 x 2 (sockets x cores x threads)" in " ".join(told.split())
    assert command("fit", "bare.csv", "--explain", "--machine", "2x2x2").stdout == told
    assert "topology" in told
    assert "topology" not in command("fit", "bare.csv", "--explain").stdout
    other = command("fit", "told.csv", "--explain", "--machine", "4x4x1").stdout
    assert "4 x 4 x 1 (sockets x cores x threads)" in " ".join(other.split())


LSCPU = "CPU(s): 80\nThread(s) per core: 2\nCore(s) per socket: 20\nSocket(s): 2\nNUMA node(s): 4\n"


@pytest.mark.parametrize("pasted", [True, False])
def test_what_lscpu_prints_is_kept_with_the_lock(pasted, command):
    comments = "".join(f"# {line}\n" for line in LSCPU.splitlines()) if pasted else ""
    rows = "threads,throughput\n1,100\n2,190\n4,330\n8,420\n16,450\n"
    Path("curve.csv").write_text(f"# unit: ops/s\n{comments}{rows}")
    Path("lscpu.txt").write_text(LSCPU)
    asked = () if pasted else ("--machine", "lscpu.txt")
    assert command("fit", "curve.csv", *asked, "-o", "lock.toml").fine
    machine = load(Path("lock.toml")).machine
    assert (machine.cpus, machine.cores, machine.sockets, machine.nodes) == (80, 40, 2, 4)


def test_a_fit_there_makes_the_times_its_own(command):
    ran = command("fit", CURVE, "--model", MODEL, "--machine", "2x40x2", "-o", "there.toml")
    assert ran.fine
    machine = load(Path("there.toml")).machine
    assert (machine.name, machine.cpus, machine.times_of) == ("2x40x2", 160, "")


def test_design_predicts_at_all_cpus_there(command):
    ran = command("design", MODEL, "--data", CURVE, "--machine", "2x40x2", "--json")
    assert ran.fine
    assert json.loads(ran.stdout)["n"] == 160


def test_acquires_writes_the_machine_asked_for(command):
    args = ("acquires", "/bin/true", "--kernel", "6.12", "--machine", "2x20x2")
    assert command(*args, "--toml", "new.toml").fine
    machine = load(Path("new.toml")).machine
    assert (machine.name, machine.cpus, machine.nodes, machine.smt_speedup) == (
        "2x20x2",
        80,
        2,
        1.25,
    )
    bare = command(*args)
    assert bare.returncode == 3
    assert "--machine 2x20x2: is that of a scenario; add --toml FILE" in bare.stderr
