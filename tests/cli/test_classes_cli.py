"""Commands on scenarios of several classes: columns, JSON, refusals."""

from __future__ import annotations

import csv
import io
import json

import pytest

MIX = """
name = "mix"
[machine]
name = "m"
cpus = 16
cores = 16
[[locks]]
name = "a"
[[locks]]
name = "b"
[[classes]]
name = "exec"
{first}
think_us = 10
[[classes.sites]]
lock = "a"
name = "s"
acquires = 2
hold_us = 1
[[classes]]
name = "mapper"
{second}
think_us = 5
[[classes.sites]]
lock = "a"
name = "t"
acquires = 1
hold_us = 1
[[classes.sites]]
lock = "b"
name = "t"
acquires = 1
hold_us = 0.5
"""


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "mix.toml"
    path.write_text(MIX.format(first="share = 0.5", second="share = 0.5"))
    return str(path)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predict_has_each_class_in_every_form(mix, command, tmp_path):
    data = json.loads(command("predict", mix, "-n", "1,8", "--json").stdout)
    assert (data["method"], data["exact"]) == ("product-form", True)
    last = data["points"][1]
    assert last["classes"]["exec"]["n"] == last["classes"]["mapper"]["n"] == 4
    total = sum(own["throughput_per_s"] for own in last["classes"].values())
    assert last["throughput_per_s"] == pytest.approx(total)
    one = data["points"][0]["classes"]
    assert (one["mapper"]["n"], one["mapper"]["throughput_per_s"]) == (0, 0.0)
    assert one["exec"]["throughput_per_s"] == pytest.approx(1 / 12e-6)
    out = tmp_path / "p.csv"
    assert command("predict", mix, "-n", "8", "-o", str(out)).fine
    (row,) = rows(out.read_text())
    assert float(row["throughput_per_s exec"]) == pytest.approx(
        last["classes"]["exec"]["throughput_per_s"]
    )
    assert float(row["waits a exec"]) == pytest.approx(last["classes"]["exec"]["wait_shares"]["a"])
    printed = command("predict", mix, "-n", "8").stdout
    assert "total" in printed
    assert "mapper" in printed


def test_without_classes_there_is_no_key_for_them(command):
    for line in (("predict", "-n", "2"), ("whatif", "-n", "2", "--lever", "less_think=0.5")):
        text = command(line[0], "execl-direct", *line[1:], "--json").stdout
        assert '"classes"' not in text


def test_whatif_levers_and_ceiling_have_each_class(mix, command, tmp_path):
    out = tmp_path / "w.csv"
    assert command("whatif", mix, "-n", "8", "--lever", "exclude:b", "-o", str(out)).fine
    (row,) = rows(out.read_text())
    assert float(row["gain mapper"]) > 0 > float(row["gain exec"])
    table = tmp_path / "l.csv"
    ran = command("levers", mix, "-n", "8", "-o", str(table))
    assert ran.fine
    found = {row["lever"]: row for row in rows(table.read_text())}
    assert float(found["exclude:b"]["gain mapper"]) == pytest.approx(float(row["gain mapper"]))
    ends = json.loads(command("ceiling", mix, "-n", "8", "--json").stdout)
    a = next(station for station in ends["stations"] if station["name"] == "a")
    assert sum(a["shares"].values()) == pytest.approx(1.0)
    assert ends["classes"]["exec"]["alone_ceiling_per_s"] == pytest.approx(1 / 2e-6)


@pytest.mark.parametrize(
    "line",
    ["predict", "predict --explain", "whatif --lever shard:all=2", "levers", "ceiling", "show",
     "show --explain", "simulate --precision 0.05", "whatif --explain --lever less_think=0.5"],
)  # fmt: skip
def test_reports_of_classes_fit_80_columns_and_25_lines(line, mix, command):
    name, *more = line.split()
    ran = command(name, mix, "-n", "8", *more)
    assert ran.fine
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= (25 if "--explain" not in line else 60)
    assert "mapper" in ran.stdout


@pytest.mark.parametrize(
    "line",
    ["sweep MIX -n 8 --over hold=0,1", "shards MIX -n 8", "explain MIX -n 8",
     "fit unixbench_execl_xeon8369b.csv --model MIX", "ceiling MIX --over shards=1,2",
     "design MIX --data unixbench_execl_xeon8369b.csv -n 8", "predict MIX --from-counts"],
)  # fmt: skip
def test_commands_about_one_iteration_say_so(line, mix, command):
    ran = command(*line.replace("MIX", mix).split())
    assert ran.returncode == 2
    assert "several classes (exec, mapper), and this is about one kind of iteration" in ran.stderr
    assert "predict, simulate, whatif, levers, ceiling and show take several" in ran.stderr


def test_populations_are_those_that_classes_state(tmp_path, command):
    path = tmp_path / "stated.toml"
    path.write_text(MIX.format(first="population = 5", second="population = 3"))
    data = json.loads(command("predict", str(path), "--json").stdout)
    assert [p["n"] for p in data["points"]] == [8]
    ran = command("predict", str(path), "-n", "9")
    assert ran.returncode == 3
    assert "the classes have 8 processes together (exec 5, mapper 3); ask for 8" in ran.stderr


def test_simulate_has_each_class_with_its_interval(mix, command):
    line = ("simulate", mix, "-n", "8", "--precision", "0.05", "--json")
    (point,) = json.loads(command(*line).stdout)["points"]
    exact = json.loads(command("predict", mix, "-n", "8", "--json").stdout)["points"][0]
    for name, own in point["classes"].items():
        rate = exact["classes"][name]["throughput_per_s"]
        assert own["throughput_per_s"]["value"] == pytest.approx(rate, rel=0.1)
        assert own["throughput_per_s"]["half_width"] > 0
