"""What is written where: JSON schemas, -o FILE, --force, failures and what they leave behind."""

from __future__ import annotations

import json
import math
import os
import re
import stat

import pytest
from places import timed_path

from lockmodel.model.shipped import find_scenario, model_names
from lockmodel.model.toml import SCHEMA as SCENARIO_SCHEMA

pytestmark = pytest.mark.usefixtures("hardly_drawn")

MODEL = timed_path("execl-xeon8369b")
LEVERS = ("--lever", "batch:libc.so.6/exec.map_split=1", "--lever", "shard:libc.so.6=8")
COMMANDS = {
    "models": ("models",),
    "show": ("show", MODEL),
    "predict": ("predict", MODEL, "-n", "1,64"),
    "ceiling": ("ceiling", MODEL),
    "whatif": ("whatif", MODEL, "-n", "1,64", *LEVERS),
    "levers": ("levers", MODEL, "-n", "64"),
    "shards": ("shards", MODEL, "-n", "64", "--counts", "2"),
    "sweep": ("sweep", MODEL, "-n", "1,64", "--over", "shards=1,2"),
}


def strict(text):
    """Parse JSON; NaN and infinities, which JSON does not have, fail."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_every_json_names_its_schema_and_no_two_share_one(command):
    schemas = {}
    for name, args in COMMANDS.items():
        data = strict(command(*args, "--json").stdout)
        assert re.fullmatch(r"lockmodel\.[a-z]+/[1-9]\d*", data["schema"])
        assert all(math.isfinite(number) for number in numbers(data))
        schemas[name] = data["schema"]
    assert len(set(schemas.values())) == len(COMMANDS)
    assert schemas["predict"] == "lockmodel.prediction/1"
    assert SCENARIO_SCHEMA not in schemas.values()  # that is the TOML file, with other keys


@pytest.mark.parametrize("method", ["auto", "product-form", "bounds"])
@pytest.mark.parametrize("model", [m for m in model_names() if not find_scenario(m).classes])
def test_json_of_predict(model, method, command):
    scenario = find_scenario(model)
    asked = [1, 2, 3, scenario.machine.cpus // 2, scenario.machine.cpus]
    counts = ",".join(map(str, asked))
    data = strict(command("predict", model, "-n", counts, "--json", "--method", method).stdout)
    assert data["schema"] == "lockmodel.prediction/1"
    assert data["scenario"] == model
    allowed = {"bounds": {"bounds"}, "product-form": {"product-form"}}
    assert data["method"] in allowed.get(method, {"product-form", "simulation"})
    assert bool(data["chosen_because"]) == (method == "auto")
    error = data["error_estimate"]
    assert error is None if method == "bounds" else error is None or 0 < error < 0.3
    fitted = scenario.fit is not None and scenario.fit.method  # then it answers for the fit
    assert method != "auto" or fitted or error <= 0.2
    assert data["exact"] is False
    assert all(isinstance(text, str) and text for text in data["warnings"])
    assert len(data["warnings"]) >= 1
    names = {lock.name for lock in scenario.locks}
    assert data["ceiling"]["binding"] in names
    assert data["ceiling"]["knee"] > 1
    assert [point["n"] for point in data["points"]] == asked
    for point in data["points"]:
        n, rate = point["n"], point["throughput_per_s"]
        assert point["iteration_s"] == pytest.approx(n / rate, rel=1e-12)
        assert point["binding"] in names | {"cpu"}
        assert set(point["locks"]) == names
        for lock in point["locks"].values():
            assert set(lock) >= {"utilisation", "wait_s", "wait_share", "cycles_share", "queue"}
            assert 0 <= lock["utilisation"] <= 1
            assert lock["wait_share"] == pytest.approx(lock["wait_s"] / point["iteration_s"])
            assert 0 <= lock["wait_share"] <= lock["cycles_share"] * (1 + 1e-12) <= 1 + 1e-12
            assert 0 <= lock["queue"] <= n * (1 + 1e-12)
        if method != "bounds":
            assert rate <= data["ceiling"]["throughput_per_s"]
    first = data["points"][0]
    assert 1e-5 < first["iteration_s"] < 1e-2  # seconds: an execl takes some 0.1 ms


def test_waiting_shares_of_the_issue_are_in_the_json(command):
    """89.7 % of the cycles (osq_lock) at 128 copies: published, the model is to come near."""
    data = strict(command("predict", MODEL, "-n", "128", "--json").stdout)
    shares = [lock["cycles_share"] for lock in data["points"][0]["locks"].values()]
    assert sum(shares) == pytest.approx(0.897, abs=0.05)
    assert sum(shares) < 1


def test_json_of_whatif(command):
    ran = command("whatif", MODEL, "-n", "1,64,128", *LEVERS, "--json")
    data = strict(ran.stdout)
    assert data["schema"] == "lockmodel.whatif/1"
    assert data["scenario"] == "execl-xeon8369b"
    assert data["levers"] == [LEVERS[1], LEVERS[3]]
    assert [point["n"] for point in data["points"]] == [1, 64, 128]
    for point in data["points"]:
        assert set(point) >= {"n", "before_per_s", "after_per_s", "gain"}
        gain = point["after_per_s"] / point["before_per_s"] - 1
        assert point["gain"] == pytest.approx(gain, abs=1e-12)
    assert data["binding_before"] == "libc.so.6"
    assert data["binding_after"] == "ld-linux-x86-64.so.2"
    before = strict(command("predict", MODEL, "-n", "1,64,128", "--json").stdout)["points"]
    assert [p["before_per_s"] for p in data["points"]] == [p["throughput_per_s"] for p in before]


@pytest.mark.parametrize("name", COMMANDS)
def test_output_file_has_the_bytes_of_standard_output(name, command, tmp_path):
    args = COMMANDS[name]
    text, as_json = (command(*args, *options).stdout.encode() for options in ((), ("--json",)))
    for options, file, same in (
        ((), "r.txt", text),
        (("--json",), "r", as_json),
        ((), "r.json", as_json),
    ):
        ran = command(*args, *options, "-o", file)
        assert (ran.returncode, ran.stdout) == (0, "")
        assert (tmp_path / file).read_bytes() == same
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r", "r.json", "r.txt"]


def test_exit_code_4_for_an_existing_file_unless_forced(cli, tmp_path):
    (tmp_path / "kept.json").write_text("old")
    ran = cli("models", "-o", "kept.json")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert "kept.json" in ran.stderr
    assert "--force" in ran.stderr
    assert (tmp_path / "kept.json").read_text() == "old"
    assert cli("models", "-o", "kept.json", "--force").returncode == 0
    assert strict((tmp_path / "kept.json").read_text())["schema"] == "lockmodel.models/1"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("show", "./missing.toml"), ["missing.toml", "No such file"]),
        (("show", "./"), ["directory"]),
        (("show", "file/below.toml"), ["file/below.toml", "cannot be read"]),
        (("models", "-o", "folder"), ["folder", "give a file name"]),
        (("models", "-o", "file/below.json"), ["file/below.json", "cannot be written"]),
        (("models", "-o", "none/new.json"), ["none/new.json", "cannot be written"]),
        (("models", "-o", "/proc/new.json"), ["/proc/new.json", "cannot be written"]),
        (("predict", MODEL, "-n", "1", "--plot", "none/new.svg"), ["none/new.svg"]),
        (("predict", MODEL, "-n", "1", "--plot", "folder.svg"), ["folder.svg"]),
    ],
)
def test_exit_code_4_for_files(args, words, cli, tmp_path):
    (tmp_path / "file").write_text("a file has no files below it, whoever asks")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.svg").mkdir()
    ran = cli(*args)
    assert (ran.returncode, ran.stdout) == (4, "")
    for word in words:
        assert word in ran.stderr
    assert len(list(tmp_path.iterdir())) == 3


def test_exit_code_4_when_standard_output_is_full(cli):
    program = (
        "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); "
        "from lockmodel.cli import main; main(sys.argv[1:])"
    )
    ran = cli("models", python=program)
    assert ran.returncode == 4
    assert "No space left" in ran.stderr


def test_a_reader_that_stops_early_is_no_error(cli):
    program = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "from lockmodel.cli import main; main(sys.argv[1:])"
    )
    ran = cli("models", python=program)
    assert (ran.returncode, ran.stderr) == (0, "")


SATURATED = ("--set", "libc.so.6.kind=fifo", "--walks", "libc.so.6=1e6,read_us=64")
"""Walkers that need more than there is, each alone, as those of a semaphore are not."""


@pytest.mark.parametrize(
    "args",
    [
        ("predict", MODEL, "-n", "9", *SATURATED),
        ("predict", MODEL, "-n", "9", *SATURATED, "--plot", "new.svg"),
        ("whatif", MODEL, "-n", "9", "--lever", "exclude:libc.so.7"),
        ("levers", MODEL, "-n", "9", *SATURATED),
        ("sweep", MODEL, "-n", "9", "--over", "libc:shards=1"),
        ("sweep", MODEL, "-n", "9", "--over", "hold=0,2"),
        ("sweep", MODEL, "-n", "9", "--over=hold=1", "--over=shards=1", "--over=think=1", "--plot"),
    ],
)
def test_a_command_that_fails_leaves_nothing_behind(args, command, tmp_path):
    ran = command(*args, "-o", "new.json") if args[-1] != "--plot" else command(*args, "new.svg")
    assert ran.returncode in (1, 3)
    assert ran.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", ["0", "100"])
def test_a_write_that_fails_leaves_the_old_file_intact(limit, cli, tmp_path):
    (tmp_path / "old.json").write_text("old")
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "from lockmodel.cli import main; main(sys.argv[1:])"
    )
    ran = cli("models", "-o", "old.json", "--force", python=program)
    assert (ran.returncode, ran.stdout) == (4, "")
    assert "old.json: cannot be written: File too large" in ran.stderr
    assert (tmp_path / "old.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_a_file_that_appears_during_the_work_is_kept(command, tmp_path, monkeypatch):
    def meanwhile(items, total, label):
        (tmp_path / "new.json").write_text("somebody else's")
        return items

    monkeypatch.setattr("lockmodel.cli.common.progress", meanwhile)
    ran = command("predict", MODEL, "-n", "1..4", "-o", "new.json")
    assert ran.returncode == 4
    assert "new.json: appeared meanwhile" in ran.stderr
    assert (tmp_path / "new.json").read_text() == "somebody else's"
    assert [path.name for path in tmp_path.iterdir()] == ["new.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(umask, mode, command, tmp_path):
    old = os.umask(umask)
    try:
        assert command("models", "-o", "new.json").returncode == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == mode


def test_the_error_names_the_plot_file_when_that_is_the_one_that_exists(command, tmp_path):
    """Used to say: new.json: cannot be written: old.svg: exists."""
    (tmp_path / "old.svg").write_text("old")
    ran = command("predict", MODEL, "-n", "1", "-o", "new.json", "--plot-file", "old.svg")
    assert ran.returncode == 4
    assert ran.stderr.startswith("lockmodel: old.svg: exists and is kept")
    assert [path.name for path in tmp_path.iterdir()] == ["old.svg"]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_one_file_cannot_be_report_and_plot(force, command, tmp_path):
    ran = command("predict", MODEL, "-n", "1", "-o", "a.svg", "--plot", "./a.svg", *force)
    assert ran.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_never_replaced(command, tmp_path):
    """As root, -o /dev/null --force used to replace the device by a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    ran = command("models", "-o", "pipe", "--force")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert ran.returncode == 4
    command("models", "--json", "-o", "link", "--force")
    assert (tmp_path / "link").is_symlink()


def test_an_interrupted_sweep_keeps_its_finished_rows(command, monkeypatch, tmp_path):
    monkeypatch.setattr("lockmodel.cli.common.progress", _stops_after(3))
    sweep = ("sweep", MODEL, "-n", "1,8", "--over", "shards=1,2,4,8,16")
    ran = command(*sweep, "-o", "rows.csv")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "6 rows" in ran.stderr
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 6
    ran = command(*sweep, "--json")
    assert ran.returncode == 1
    assert strict(ran.stdout)["complete"] is False
    assert len(strict(ran.stdout)["rows"]) == 6
    ran = command(*sweep, "-o", "plotted.csv", "--plot", "lines.svg")
    assert ran.returncode == 1
    assert len((tmp_path / "plotted.csv").read_text().splitlines()) == 1 + 6


def _stops_after(count):
    def progress(items, total, label):
        for i, item in enumerate(items):
            if i == count:
                raise KeyboardInterrupt
            yield item

    return progress


def test_a_closed_standard_output_is_said(cli):
    """Used to be a traceback; the next file opened got its number."""
    closed = "import os, sys; os.close({}); os.execv(sys.executable, {})"
    call = f"[sys.executable, '-m', 'lockmodel', *{('models',)!r}, *sys.argv[1:]]"
    ran = cli(python=closed.format(1, call))
    said = "lockmodel: standard output cannot be written: Bad file descriptor\n"
    assert (ran.returncode, ran.stderr) == (4, said)
    ran = cli("-o", "new.json", python=closed.format(1, call))
    assert (ran.returncode, ran.stderr) == (0, "written: new.json\n")
    ran = cli(python=closed.format(2, call))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("name ")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("models", "-o", "n" * 300), 4),
        (("predict", MODEL, "-n", "1", "--plot-file", "n" * 300 + ".svg"), 4),
        (("figure", "all", "-o", "n" * 300), 4),
        (("import", "n" * 300), 4),
        (("fit", "n" * 300), 4),
        (("show", "./" + "n" * 300), 4),
    ],
)
def test_a_name_that_is_too_long_is_named(args, code, command, tmp_path):
    """Used to say: standard output cannot be written."""
    ran = command(*args)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert "nnnnnnnn" in ran.stderr
    assert re.search("name too long|a part of the name has 30. bytes, at most 255 are", ran.stderr)
    assert "standard output" not in ran.stderr


def test_the_longest_name_that_is_possible_is_written(command, tmp_path):
    name = "n" * 250 + ".json"
    assert command("models", "-o", name).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
