"""The command line as a whole: what every command does with -h, nothing, and what is wrong."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT, timed_path

from lockmodel.cli.app import COMMANDS, HEADINGS
from lockmodel.errors import ArgumentError

MODEL = timed_path("execl-xeon8369b")

BARE = {
    "models": "name ",
    "machines": "A cache line takes ",
    "theory": "17 statements;",
    "figure": "figure ",
    "trace": "Usage: lockmodel trace ",
}
"""Commands that answer at once without any argument, and how they begin."""

LONG = ("doctor", "verify", "backtest", "bench")
"""Commands that need no argument and take their time."""

EVERY = [*COMMANDS, "trace read", "trace lab"]

TAKES_MODEL = {
    "predict": "MODEL",
    "ceiling": "MODEL",
    "levers": "MODEL",
    "shards": "MODEL",
    "simulate": "MODEL",
    "show": "MODEL",
    "verify": "MODEL",
    "whatif": "MODEL --lever shard:all=2",
    "sweep": "MODEL --over shards=1,2",
    "design": "MODEL --data unixbench_execl_xeon8369b.csv",
    "fit": "unixbench_execl_xeon8369b.csv --model MODEL",
    "figure": "curve --model MODEL --json",
}


def lockmodel(*args: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockmodel", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("name", EVERY)
def test_every_command_explains_itself(name, command):
    for option in ("-h", "--help"):
        ran = command(*name.split(), option)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert COMMANDS.get(name, "") in ran.stdout
        assert f"lockmodel {name}" in ran.stdout.partition("xample")[2]
        assert "Options:" in ran.stdout


@pytest.mark.parametrize("name", EVERY)
def test_every_command_refuses_an_unknown_option_by_its_name(name, command):
    ran = command(*name.split(), "--no-such-option")
    assert ran.returncode == ArgumentError.exit_code
    assert "No such option: --no-such-option" in ran.stderr
    assert f"lockmodel {name} -h" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("name", TAKES_MODEL)
def test_every_command_names_the_nearest_model(name, command):
    line = TAKES_MODEL[name].replace("MODEL", "execl-xeon8369")
    ran = command(name, *line.split())
    assert ran.returncode == ArgumentError.exit_code
    assert ran.stderr.startswith("lockmodel: MODEL 'execl-xeon8369' is not shipped; did you mean")
    assert ran.stdout == ""


@pytest.mark.parametrize("name", BARE)
def test_what_needs_no_argument_answers(name, command):
    ran = command(name)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.lstrip().startswith(BARE[name])


@pytest.mark.parametrize("name", [name for name in EVERY if name not in (*BARE, *LONG)])
def test_what_is_missing_is_named(name, command):
    ran = command(*name.split())
    assert ran.returncode == ArgumentError.exit_code
    assert re.search(r"Missing (argument|option)|BINARY", ran.stderr), ran.stderr
    assert ran.stdout == ""


def test_the_help_has_five_headings_and_every_command():
    ran = lockmodel()
    assert ran.returncode == 0
    assert list(HEADINGS) == ["Ask", "Measure", "Fit", "Check", "Show"]
    for heading, commands in HEADINGS.items():
        block = ran.stdout.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  ([a-z]+)  ", block, re.MULTILINE) == list(commands)
        assert len(block.strip().splitlines()) == len(commands)  # one line each
    assert ran.stdout == lockmodel("-h").stdout


def test_the_help_imports_no_command_and_nothing_heavy():
    """What keeps --help within 1.5 times a one-command Typer program."""
    program = (
        "import sys; from lockmodel.cli import run; run(['--help']); "
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'rich', 'msgspec', 'scipy')"
        " or m.startswith('lockmodel.') and m.split('.')[1] not in ('cli', 'errors')], "
        "sorted(m for m in sys.modules if m.startswith('lockmodel.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] ['lockmodel.cli.app']"


ONE_COMMAND = """
import typer
app = typer.Typer()
@app.command()
def main(name: str, count: int = 1):
    print(name, count)
app()
"""


@pytest.mark.alone
def test_it_starts_as_fast_as_typer_lets_it(tmp_path):
    """Medians of interleaved runs: --help within 1.5 times, predict within 3 times."""
    (tmp_path / "one.py").write_text(ONE_COMMAND)
    commands = {
        "typer": [str(tmp_path / "one.py"), "--help"],
        "help": ["-m", "lockmodel", "--help"],
        "predict": ["-m", "lockmodel", "predict", MODEL, "-n", "128"],
    }
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")  # an installed program is compiled
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(10):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, check=True, env=kept)
            spent[name].append(time.perf_counter() - start)
    typer, help_, predict = (statistics.median(times[1:]) for times in spent.values())
    assert help_ <= 1.5 * typer
    assert predict <= 3.0 * typer


QUESTIONS = {
    f"levers {MODEL}": ["shard:libc.so.6=2", "+148 %", "ld-linux"],  # how many shards
    f"ceiling {MODEL}": ["Shorter holds approach", "fewer acquires", "44.2"],  # does it help
    f"ceiling {MODEL} -n 128": ["35.1", "k / (W + m c)"],  # where is the ceiling
    f"whatif {MODEL} --lever exclude:libc.so.6 -n 128": ["ld-linux-x86-64.so.2 binds"],  # what next
    f"predict {MODEL} -n 8": ["error", "16 %"],  # how sure is this
}
"""A person's five questions -> what the first lines of one command say."""


@pytest.mark.parametrize("line", QUESTIONS)
def test_five_questions_are_answered_at_the_top(line, command):
    ran = command(*line.split())
    lines = ran.stdout.splitlines()
    top = " ".join(lines[: 7 if line.startswith("predict") else 4])
    for word in QUESTIONS[line]:
        assert word in top


@pytest.mark.parametrize(
    "line",
    [
        f"predict {MODEL}",
        f"levers {MODEL}",
        f"ceiling {MODEL}",
        f"whatif {MODEL} --lever shard:all=4",
        f"whatif {MODEL} --lever shard:all=4 --lever batch:all=1",
        f"simulate {MODEL} -n 1,8",
        "predict sysexec-spr224-v6.1",
        "levers sysexec-spr224-v6.1",
        "ceiling sysexec-icl64-v6.12",
        "levers doexec-20",
    ],
)
@pytest.mark.usefixtures("hardly_drawn", "hardly_simulated")
def test_reports_are_short_and_fold(line, command, monkeypatch):
    for width, most in ((80, 25), (40, 200)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = command(*line.split()).stdout.splitlines()
        assert len(lines) <= most
        assert max(map(len, lines)) <= width
    monkeypatch.setenv("COLUMNS", "80")
    assert len(command(*line.split(), "--explain").stdout.splitlines()) > 5


def test_explain_says_what_the_last_line_counts(command):
    short = command("predict", MODEL).stdout
    assert short.splitlines()[-1] == "4 approximations, worth at most 16 % (n = 8): --explain"
    full = command("predict", MODEL, "--explain").stdout
    assert full.partition("is weak here:")[2].partition("assumed:")[0].count("\n  - ") == 4


@pytest.mark.parametrize(
    ("line", "columns", "rows"),
    [
        (f"predict {MODEL} -n 1,64", ["n", "throughput_per_s", "ceiling_at_n_per_s"], 2),
        (f"levers {MODEL} -n 64", ["lever", "gain", "at_least", "beyond_measured"], 46),
        (f"whatif {MODEL} -n 8,64 --lever shard:all=2", ["n", "before_per_s", "gain"], 2),
        (f"ceiling {MODEL}", ["axis", "value", "ceiling_at_n_per_s", "binding"], 15),
    ],
)
def test_a_csv_file_is_the_table_in_base_units(line, columns, rows, command, tmp_path):
    ran = command(*line.split(), "-o", "x.csv")
    assert ran.fine
    written = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert set(columns) <= set(written[0])
    assert len(written) == rows


def test_a_scenario_and_data_come_from_standard_input(command):
    text = Path(MODEL).read_text()
    ran = lockmodel("predict", "-", "-n", "128", input=text)
    assert ran.stdout == command("predict", MODEL, "-n", "128").stdout
    curve = (ROOT / "data/published/unixbench_execl_xeon8369b.csv").read_text()
    ran = lockmodel("import", "-", input=curve)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "8" in ran.stdout
    bad = lockmodel("predict", "-", input="cpus = [")
    assert bad.returncode == 2
    assert bad.stderr.startswith("lockmodel: standard input: not valid TOML")


def test_populations_are_doublings_up_to_all_cpus_unless_said(command):
    rows = command("predict", "sysexec-spr224-v6.12", "-o", "p.csv")
    assert rows.fine
    listed = [int(r.split(",")[0]) for r in Path("p.csv").read_text().splitlines()[1:]]
    assert listed == [1, 2, 4, 8, 16, 32, 64, 128, 224]


def test_walkers_at_all_locks_are_those_at_each(command):
    one = ["--walks", "all=900,read_us=64"]
    assert (
        command("predict", MODEL, "-n", "64", *one).stdout
        != command("predict", MODEL, "-n", "64", "--walks", "libc.so.6=900,read_us=64").stdout
    )


def test_an_old_plot_file_is_taken_and_the_new_word_said(command, tmp_path):
    for words in (["--plot", "a.svg"], ["--plot=b.svg"]):
        ran = command("predict", MODEL, "-n", "1,8", *words)
        name = words[-1].removeprefix("--plot=")
        assert ran.returncode == 0
        assert ran.stderr.startswith(f"note: write --plot-file {name}; --plot alone draws in the")
        assert (tmp_path / name).read_text().startswith("<?xml")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_works_in_the_shell(shell, tmp_path):
    program = shutil.which(shell)
    assert program, f"{shell} is not installed; .ci/run installs it"
    # What --show-completion prints, asked for by name: under make it would find the shell of make.
    script = lockmodel(env={**os.environ, "_LOCKMODEL_COMPLETE": f"source_{shell}"}).stdout
    asked = subprocess.run(
        [sys.executable, "-m", "lockmodel"],
        env={
            **os.environ,
            "_LOCKMODEL_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": "lockmodel lev",
            "COMP_CWORD": "1",
            "_TYPER_COMPLETE_ARGS": "lockmodel lev",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "levers" in asked.stdout
    assert "whatif" not in asked.stdout
    (tmp_path / "complete").write_text(script)
    loaded = subprocess.run(
        [program, "-c", f"autoload -U compinit 2>/dev/null && compinit -u; . {tmp_path}/complete"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_lockmodel_completion" in script
    assert "error" not in loaded.stderr.lower()


def test_a_measured_rate_above_the_ceiling_contradicts_the_model(command, tmp_path):
    text = Path(MODEL).read_text()
    high = re.sub(r"(throughput_per_s = )[0-9.]+", r"\g<1>90000.0", text)
    assert high != text
    (tmp_path / "high.toml").write_text(high)
    for name in ("predict", "ceiling", "levers"):
        out = " ".join(command(name, "./high.toml", "-n", "64").stdout.split())
        assert "! 90,000 per s were measured here, above the peak ceiling of 53," in out
        assert "the data contradict the model" in out
    assert "contradict" not in command("predict", MODEL).stdout


def test_shards_that_no_process_reaches_are_said(command):
    """By cpu with placement fill, 32 copies sit on one of two shards; by hash on both."""
    line = ["whatif", MODEL, "-n", "32", "--lever"]
    default = " ".join(command(*line, "shard:libc.so.6=2").stdout.split())
    assert "0 % at 32 processes" in default
    assert "a shard is chosen by cpu" in default
    assert "at n = 32 the processes reach 1 of the 2 shards of libc.so.6 (by cpu," in default
    hashed = " ".join(command(*line, "shard:libc.so.6=2,by=hash").stdout.split())
    assert "+87 % at 32 processes" in hashed
    assert "reach" not in hashed


def test_levers_shows_the_three_keys_side_by_side(command):
    out = command("levers", MODEL, "-n", "32").stdout
    table = out.partition("shards of libc.so.6")[2]
    rows = {line.split()[1]: line for line in table.splitlines()[1:4]}
    assert set(rows) == {"cpu", "node", "hash"}
    assert rows["hash"].split()[2] == "+87"
    assert rows["cpu"].split()[2] == "0"


def test_an_unknown_model_is_answered_in_sentences(command):
    ran = command("predict", "zzz")
    assert ran.stderr.endswith("sysexec-spr224-v6.12. A file needs its path, e.g. ./zzz.toml\n")
    ran = command("predict", "doexec")
    assert ran.stderr.endswith(
        "did you mean 'doexec-20'? A file needs its path, e.g. ./doexec.toml\n"
    )
