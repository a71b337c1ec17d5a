"""`lockmodel doctor`: with everything there, and with one thing after the other taken away."""

from __future__ import annotations

import gzip
import json
import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from invoked import invoke
from places import ROOT

from lockmodel.evaluate import doctor
from lockmodel.evaluate.verify import agreement
from lockmodel.measure import parts
from lockmodel.measure.bench.machine import Host
from lockmodel.measure.bench.sources import Cpu
from lockmodel.measure.parts import Finding
from lockmodel.solvers import numba_cache

HOST = Host(
    model="Test CPU",
    kernel="6.1.0",
    command_line="",
    architecture="x86_64",
    cpus=tuple(Cpu(i, i // 2, i // 4, i // 4) for i in range(8)),
    allowed=tuple(range(8)),
)


@pytest.fixture(scope="module")
def tested():
    return doctor._self_test()


@pytest.fixture
def quick(monkeypatch, tested):
    """The self test as it was once, so that a test takes no time."""
    monkeypatch.setattr(doctor, "_self_test", lambda: tested)


def found(findings, what) -> Finding:
    (one,) = (each for each in findings if each.what == what)
    return one


def fake(tmp_path: Path, config: str = "", probes: bool = False) -> Path:
    """Return a root whose kernel has a .config, and whose tracefs may be there."""
    (tmp_path / "proc").mkdir()
    if config:
        (tmp_path / "proc/config.gz").write_bytes(gzip.compress(config.encode()))
    if probes:
        (tmp_path / "sys/kernel/tracing").mkdir(parents=True)
        (tmp_path / "sys/kernel/tracing/kprobe_events").touch()
        (tmp_path / "sys/kernel/btf").mkdir()
        (tmp_path / "sys/kernel/btf/vmlinux").touch()
    return tmp_path


def program(folder: Path, name: str, body: str = "exit 0") -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_the_self_test_knows_the_number_of_case_a(tested):
    judged, one = tested
    # 80-digit arithmetic, docs/DESIGN.md, section 5
    assert one.state == "ok"
    assert one.found.startswith("known 0.618299: product form 0.618299, markov 0.618299, simulat")
    rates = {c.solver: c.answer for c in judged.comparisons if c.quantity == "throughput"}
    for solver in ("product-form", "markov"):
        assert rates[solver] == pytest.approx(0.61829933268927907, rel=1e-9)
    assert rates["simulation"] == pytest.approx(0.61829933268927907, rel=0.02)


def test_the_packages_are_the_dependencies():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    stated = tomllib.loads(text)["project"]["dependencies"]
    assert {re.match(r"[\w-]+", one)[0] for one in stated} == set(doctor.PACKAGES)


def test_the_report_has_a_line_for_every_part_and_25_at_most(quick, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(numba_cache, "folder", lambda: None)
    ran = invoke("doctor")
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("lockmodel works here; missing, all optional: compiled code, ")
    said = " ".join(ran.stdout.split())
    for remedy in ("gcc libc6-dev", "bpftrace", "qemu-system-x86", "NUMBA_CACHE_DIR"):
        assert remedy in said
    data = json.loads(invoke("doctor", "--json").stdout)
    assert (data["schema"], data["works"]) == ("lockmodel.doctor/1", True)
    states = {one["what"]: one["state"] for one in data["findings"]}
    assert states["QEMU"] == states["C compiler"] == states["compiled code"] == "missing"
    assert states["self test"] == states["packages"] == "ok"
    assert data["versions"]["numpy"].count(".") == 2
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, invoke("doctor").stdout.splitlines())) <= 40


def test_a_wrong_number_fails(monkeypatch):
    true = agreement._answer

    def wrong(scenario, n, solver, max_error):
        if solver == "simulation":  # the known number and the chain are enough
            solver = "product-form"
        point = true(scenario, n, solver, max_error)
        off = 1.0 + 1e-6 * (solver == "markov")
        return replace(point, throughput_per_s=off * point.throughput_per_s)

    monkeypatch.setattr(agreement, "_answer", wrong)
    ran = invoke("doctor")
    assert ran.exit_code == 1
    assert ran.stdout.startswith("lockmodel does NOT work here")
    assert ran.stderr.startswith("lockmodel: self test: known 0.618299: product form 0.618299,")


def test_a_solver_that_cannot_start_is_a_finding(monkeypatch):
    def broken(*_):
        raise ImportError("numba needs NumPy 2.1 or less")

    monkeypatch.setattr(agreement, "compare", broken)
    ran = invoke("doctor")
    assert ran.exit_code == 1
    assert "self test: ImportError: numba needs NumPy 2.1 or less; install lock" in ran.stderr


def test_a_package_that_is_not_there_fails(quick, monkeypatch):
    true = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "lz4" else true(name))
    ran = invoke("doctor")
    assert (ran.exit_code, ran.stderr) == (1, "lockmodel: packages: lz4: not installed; pip "
                                              "install lz4\n")  # fmt: skip


@pytest.mark.parametrize(
    ("config", "probes", "uid", "state", "words"),
    [
        ("CONFIG_KPROBE_EVENTS=y\n", True, 0, "ok", "6.1.0, with BTF; kprobes can be set"),
        ("CONFIG_KPROBES=y\n", False, 0, "missing", "without BTF, has no CONFIG_KPROBE_EVENTS"),
        ("CONFIG_KPROBE_EVENTS=y\n", False, 1000, "missing", "only root may set kprobes"),
        ("", False, 1000, "missing", "only root may set kprobes"),
        ("CONFIG_KPROBE_EVENTS=y\n", False, 0, "missing", "tracefs cannot be written"),
    ],
)
def test_why_the_kernel_cannot_be_traced(config, probes, uid, state, words, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    one = found(parts.parts(HOST, fake(tmp_path, config, probes)), "tracing")
    assert (one.state, bool(one.remedy)) == (state, state == "missing")
    assert words in one.found


def test_the_machine_is_named_with_what_is_allowed():
    few = replace(HOST, allowed=(0, 1))
    one = found(parts.parts(few), "machine")
    assert one.found == (
        "Test CPU, 8 CPUs; 2 sockets x 2 cores x 2 threads, 2 nodes; 2 of the CPUs are allowed"
    )


def test_programs_are_found_on_the_path_and_what_they_lack_is_said(tmp_path, monkeypatch):
    bin_ = tmp_path / "bin"
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(bin_))
    program(bin_, "gcc", "echo libc.a")
    program(bin_, "bpftrace")
    # what a QEMU without --enable-plugins says, and one with them
    refuses = "case $* in *--version) echo QEMU emulator version 9.1.0;; *) echo '-plugin: "
    program(bin_, "qemu-system-x86_64", f"{refuses}invalid option' >&2; exit 1;; esac")
    made = parts.parts(HOST)
    assert found(made, "bpftrace") == Finding("bpftrace", "ok", str(bin_ / "bpftrace"))
    assert found(made, "C compiler").found == f"{bin_ / 'gcc'} without libc.a, which the lab's " + (
        "guest needs"
    )
    assert found(made, "QEMU").found.startswith("9.1.0 without plugins")
    loads = "Could not load plugin x.so: no such file"
    program(bin_, "qemu-system-x86_64", f"{refuses}' '{loads}' >&2; exit 1;; esac")
    program(bin_, "gcc", "echo /usr/lib/libc.a")
    made = parts.parts(HOST)
    assert found(made, "QEMU") == Finding("QEMU", "ok", "9.1.0, takes plugins")
    assert found(made, "C compiler").state == "ok"


def test_where_compiled_code_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "not" / "yet"))
    assert numba_cache.folder() == tmp_path / "not" / "yet"
    assert (tmp_path / "not" / "yet").is_dir()  # as numba makes it
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert numba_cache.folder() is None
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert numba_cache.folder() is None
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(numba_cache, "_place", lambda source: numba_cache.BESIDE)
    assert numba_cache.folder() == Path(numba_cache.__file__).parent / "__pycache__"

    def nowhere(source):
        raise RuntimeError("no folder")

    monkeypatch.setattr(numba_cache, "_place", nowhere)
    assert numba_cache.folder() is None


@pytest.mark.parametrize(("spent", "words"), [(0.4, "warm"), (14.2, "was cold: 14 s of compiling")])
def test_whether_it_was_warm(spent, words, monkeypatch, tmp_path):
    monkeypatch.setattr(numba_cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(numba_cache, "compile_s", lambda: spent)
    one = doctor._compiled()
    assert (one.state, one.found.startswith(f"{tmp_path}, writable, {words}")) == ("ok", True)
