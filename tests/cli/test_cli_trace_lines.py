"""`lockmodel trace lab --lines` as people type it; the guest is made up."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import elf_files
import kernel_images as made
import pytest
import traces
from lab_answers import Ran, instead_of

from lockmodel.measure.trace import reading, windows
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.experiment import Experiment
from lockmodel.measure.trace.lab.lines import experiment
from lockmodel.measure.trace.lab.lines.counts import Counts, SiteLines
from lockmodel.measure.trace.lab.lines.experiment import LinesExperiment, Measured
from lockmodel.measure.trace.lab.lines.settings import Setting
from lockmodel.measure.trace.offsets import stated

Command = Callable[..., Any]
LIBC, LD, LOOP = "libc.so.6", "ld-linux-x86-64.so.2", "loop"
NAMES = {"/lab/loop": LOOP, f"/lib/{LIBC}": LIBC, f"/lib64/{LD}": LD}


def site(file: int, name: str, acquires: int, operations: int, per: float) -> SiteLines:
    """A site that moves `per` lines per acquire, touches four times as many, writes twice."""
    return SiteLines(
        *(file, name, acquires, operations, 90, 10),
        before=12_345.0,
        locking=23.0,
        held=600.0,
        touched=4 * per,
        written=2 * per,
        foreign=1.5 * per,
        transferred=per,
        fetched=per,
        lock=1.0,
        lock_transferred=1.0,
    )


def setting(loops: int, saturated: str | None, per: float, mappers: int = 0) -> Measured:
    """Acquires and operations of an execl loop; the saturated lock moves twice as many lines."""
    paths = list(NAMES)

    def of(path: str) -> float:
        return 2 * per if path == saturated else per

    sites = (
        site(0, "exec.map_link", 8, 16, of(paths[0])),
        site(1, "exec.map_link", 10, 12, of(paths[1])),
        site(1, "exec.map_split", 5, 20, 2 * of(paths[1])),
        site(2, "exec.map_link", 8, 16, of(paths[2])),
    )
    served = None if saturated is None else loops - 1.25
    return Measured(
        Setting(loops, mappers, saturated), Counts(sites, 64, 63, 800_000.0, 780_000.0, served)
    )


def made_up(measured: tuple[Measured, ...], planned: int, stopped: str = "") -> LinesExperiment:
    text = traces.sample("trace_vfork_6.12")
    recorded = reading.parse(text.splitlines(), "sample")
    traced = Experiment(
        *("6.12.107", stated("6.12"), windows.count(recorded), recorded.names, (), 0, text)
    )
    return LinesExperiment(traced, NAMES, LOOP, planned, measured, stopped)


LIBC_PATH = f"/lib/{LIBC}"
WHOLE = (
    setting(1, None, 0.0),
    *(setting(8, path, 3.0) for path in NAMES),
    *(setting(16, path, 5.0) for path in NAMES),
)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    return instead_of(experiment, tmp_path, monkeypatch)


LINES = ("trace", "lab", "--kernel-deb", "k.deb", "--loop", "execl", "--lines")


def test_the_answer(command: Command, ran: Ran) -> None:
    """libc.so.6 at 16 loops: 10 acquires x 10 lines + 5 x 20 = 200; loop 8 x 10 = 80."""
    ran(made_up(WHOLE, 7))
    done = command(*LINES, "--loops", "8,16")
    assert done.fine
    lines = done.stdout.splitlines()
    assert " ".join(lines[:2]) == (
        "libc.so.6: 200 lines transferred per iteration at 16 loops, 2.5 x the executable's."
    )
    assert len(lines) <= 25
    cells = {line.split()[0]: line.split() for line in lines if line}
    rows = [line.split() for line in lines]
    assert [LIBC, "15", "32", "9,000", "800", "400", "200", "6.2"] in rows
    assert [LOOP, "8", "16", "4,800", "320", "160", "80", "5.0"] in rows
    assert [LIBC, "/", LOOP, "1.88", "2.00", "1.88", "2.50", "2.50", "2.50", "1.25"] in rows
    assert ["8", "0", "120", "48", "48"] in rows  # at 8 loops; libc.so.6, then the others
    assert ["16", "0", "200", "80", "80"] in rows
    assert cells["Outside"][-4:] == ["per", "iteration", "(98", "%)."]
    assert [LIBC, "exec.map_split", "5/20", "12,345", "600", "80", "20.0"] in rows


def test_explain_says_how_it_went(command: Command, ran: Ran) -> None:
    ran(made_up(WHOLE, 7))
    text = command(*LINES, "--explain").stdout
    rows = [line.split() for line in text.splitlines()]
    assert ["1", "0", "-", "-", "63/64", "360", "40"] in rows
    assert ["16", "0", LIBC, "14.8", "63/64", "360", "40"] in rows
    assert "another CPU wrote them" in " ".join(text.split())
    assert sum(row[:1] == ["ld-linux"] for row in rows) == 2  # the file, and its site


def test_one_loop_transfers_nothing(command: Command, ran: Ran) -> None:
    alone = setting(1, None, 5.0)
    sites = tuple(replace(each, transferred=0.0) for each in alone.counts.sites)
    ran(made_up((replace(alone, counts=replace(alone.counts, sites=sites)),), 1))
    done = command(*LINES, "--loops", "1")
    assert done.fine
    assert done.stdout.startswith("libc.so.6: 400 lines touched under its lock per iteration; one")


def test_json(command: Command, ran: Ran) -> None:
    ran(made_up(WHOLE, 7))
    data = json.loads(command(*LINES, "--json").stdout)
    assert (data["schema"], data["complete"], data["qemu"]) == ("lockmodel.lines/1", True, "7.2.22")
    assert data["kprobes"][LIBC]["acquires"] == 15
    assert [(s["loops"], s["saturated"]) for s in data["settings"]][:3] == [
        (1, None),
        (8, LOOP),
        (8, LIBC),
    ]
    last = data["settings"][5]
    assert (last["instructions"], last["instructions_outside"]) == (800_000, 780_000)
    assert (last["iterations"], last["agreeing"], last["others_served"]) == (64, 63, 14.75)
    libc = last["files"][LIBC]
    assert (libc["lines_transferred"], libc["lines_touched"], libc["operations"]) == (200, 800, 32)
    assert libc["sites"]["exec.map_split"] == {
        "acquires": 5,
        "operations": 20,
        "samples": 90,
        "left_out": 10,
        "instructions_before": 12_345,
        "instructions_locking": 23,
        "instructions": 600,
        "lines_touched": 80,
        "lines_written": 40,
        "lines_foreign": 30,
        "lines_transferred": 20,
        "lines_fetched": 20,
        "lock_lines": 1,
        "lock_lines_transferred": 1,
    }


def test_csv_has_the_form_of_the_shipped_table(command: Command, ran: Ran, tmp_path: Path) -> None:
    ran(made_up(WHOLE, 7))
    assert command(*LINES, "-o", "x.csv").fine
    written = (tmp_path / "x.csv").read_text().splitlines()
    shipped = (traces.TRACED / "lines_held.csv").read_text().splitlines()
    heads = [next(line for line in text if line[0] != "#") for text in (written, shipped)]
    assert heads[0].startswith(heads[1])
    keys = [line.partition(":")[0] for line in written if line[0] == "#"]
    assert keys == ["# what", "# where", "# who", "# when", "# unit", "# source"]
    rows = list(csv.DictReader(line for line in written if line[0] != "#"))
    assert len(rows) == 7 * 4
    (row,) = [
        row
        for row in rows
        if (row["active_loops"], row["saturated_lock"], row["site"]) == ("16", LIBC, "map_split")
    ]
    assert (row["file"], row["phase"], row["acquires"], row["tree_operations"]) == (
        LIBC,
        "exec",
        "5",
        "20",
    )
    assert (row["lines_transferred"], row["instructions_outside"]) == ("20.0", "780000")


def test_what_was_finished_before_an_interrupt_is_kept(
    command: Command, ran: Ran, tmp_path: Path
) -> None:
    ran(made_up(WHOLE[:3], 7, "interrupted"))
    done = command(*LINES, "-o", "x.json")
    assert done.returncode == 1
    assert "interrupted: 3 of 7 settings were finished and kept" in done.stderr
    data = json.loads((tmp_path / "x.json").read_text())
    assert (len(data["settings"]), data["complete"]) == (3, False)
    text = command(*LINES).stdout
    assert text.startswith("libc.so.6: 120 lines transferred per iteration at 8 loops, 2.5 x")


def test_an_interrupt_before_the_first_setting_leaves_nothing(
    command: Command, ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran(made_up(WHOLE, 7))

    def interrupted(*arguments: Any) -> LinesExperiment:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    done = command(*LINES, "-o", "x.json")
    assert done.returncode == 1
    assert "interrupted; nothing was written" in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_what_is_asked(command: Command, ran: Ran) -> None:
    asked = ran(made_up(WHOLE, 7))
    assert command(*LINES).fine
    assert command(*LINES, "--loops", "8, 2,8", "--mappers", "100,0", "--time-limit", "60").fine
    assert [call[6:9] for call in asked] == [([16], [0], 1800.0), ([2, 8], [0, 100], 60.0)]
    assert asked[0][1:3] == ("execl", None)


def test_the_trace_is_kept_as_well(command: Command, ran: Ran, tmp_path: Path) -> None:
    ran(made_up(WHOLE, 7))
    assert command(*LINES, "--keep", "trace.txt").fine
    assert (tmp_path / "trace.txt").read_text() == traces.sample("trace_vfork_6.12")


BAD = {
    "--loops 0": "--loops 0: 1 to 48 loops",
    "--loops 49": "--loops 49: 1 to 48 loops",
    "--loops many": "--loops 'many': write whole numbers with commas: 8,16",
    "--mappers 9000": "--mappers 9000: at most 8000",
    "--no-held": "leave one out",
    "--time-limit 0": "--time-limit 0 must be",
}


@pytest.mark.parametrize("options", BAD)
def test_errors_say_what_to_do(command: Command, ran: Ran, options: str) -> None:
    asked = ran(made_up(WHOLE, 7))
    done = command(*LINES, *options.split())
    assert (done.returncode, done.stdout) == (3, "")
    assert BAD[options] in " ".join(done.stderr.split())
    assert asked == []


def test_loops_without_lines_are_refused(command: Command, ran: Ran) -> None:
    ran(made_up(WHOLE, 7))
    done = command("trace", "lab", "--kernel-deb", "k.deb", "--loops", "4")
    assert done.returncode == 3
    assert "--loops '4' belongs to --lines or --stations; add one" in done.stderr


@pytest.mark.parametrize("missing", ["compiler", "qemu", "plugins"])
def test_what_it_needs_is_named_before_a_kernel_boots(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / "k.deb").write_bytes(made.PACKAGE)
    root = elf_files.system(tmp_path / "root")
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setattr(qemu, "boot", lambda *_: pytest.fail("booted"))
    if missing != "qemu":
        program = empty / "qemu-system-x86_64"
        program.write_text("#!/bin/sh\necho '-plugin: invalid option' >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{empty}:/usr/bin:/bin" if missing == "plugins" else str(empty))
    done = command(*LINES, "--sysroot", str(root))
    assert (done.returncode, done.stdout) == (3, "")
    words = {
        "compiler": ("C compiler", "gcc"),
        "qemu": ("qemu-system-x86",),
        "plugins": ("-plugin: invalid option", "--enable-plugins"),
    }
    for word in words[missing]:
        assert word in done.stderr
