"""Stations of a recorded run: 4 execl loops in 6.12.117, whose counts are in tests/recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import traces
from kernel_images import kernel_btf

from lockmodel.errors import NotTrustworthyError
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.measure.trace.kallsyms import Symbol
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.guest import Guest
from lockmodel.measure.trace.lab.stations import experiment, records, rules
from lockmodel.measure.trace.lab.stations.experiment import StationsExperiment
from lockmodel.measure.trace.lab.stations.places import Layout, Places
from lockmodel.measure.trace.lab.stations.ranking import Ranked, Station, merged, order_of, ranked

NAMES = {0: "the executable", 1: "libc.so.6", 2: "ld.so", 3: "ld.so.cache"}
LAYOUT = Layout(
    (
        *((-720, "xattr_sem"), (-340, "i_mode"), (-176, "i_count"), (-168, "i_writecount")),
        *((-164, "i_readcount"), (-136, "i_pages"), (-72, "i_mmap"), (-56, "nrpages")),
        *((-48, "a_ops"), (0, "i_mmap_rwsem"), (40, "i_private_list")),
    ),
    112,
)
"""Of struct inode and its surroundings in 6.12, from the lock, as its BTF has them."""


@pytest.fixture(scope="module")
def orders() -> tuple[Ranked, ...]:
    lines = traces.sample("stations_execl_6.12").splitlines()
    symbols = [
        Symbol(int(address, 16), kind, name)
        for what, address, kind, name in (line.split() for line in lines if line[:7] == "symbol ")
        if what == "symbol"
    ]
    found = records.parse((line for line in lines if line[:7] != "symbol "), "sample")
    places = Places(symbols, LAYOUT, {word: NAMES[number] for number, word in found.files.items()})
    return tuple(ranked(each, places, order_of(each.number, NAMES)) for each in found.phases)


@pytest.fixture(scope="module")
def stations(orders: tuple[Ranked, ...]) -> dict[str, Station]:
    return {each.name: each for each in merged(orders)}


def test_the_order_of_the_stations(stations: dict[str, Station]) -> None:
    assert list(stations)[:12] == [
        "i_mmap_rwsem of libc.so.6",
        "i_mmap_rwsem of the executable",
        "i_mmap_rwsem of ld.so",
        "lruvec lru_lock",
        "pcpu_lock",
        "folio lock of a page copied on write",
        "i_mmap_rwsem of ld.so.cache",
        "pgd_lock",
        "percpu_counters_lock",
        "memory cgroup's mm_list.lock",
        "aa_buffers_lock",
        "pcpu_alloc_mutex",
    ]


@pytest.mark.parametrize(
    ("name", "acquires", "scope"),
    [
        ("i_mmap_rwsem of libc.so.6", 15, "file"),
        ("i_mmap_rwsem of ld.so", 8, "file"),
        ("i_mmap_rwsem of the executable", 8, "file"),
        ("i_mmap_rwsem of ld.so.cache", 2, "file"),
        ("lruvec lru_lock", 8, "node"),
        ("pcpu_lock", 4, "machine"),
        ("memory cgroup's mm_list.lock", 2, "cgroup"),
        ("folio lock of a page copied on write", 3, "page"),
    ],
)
def test_acquires_are_those_of_whole_iterations(
    stations: dict[str, Station], name: str, acquires: int, scope: str
) -> None:
    """15, 8 and 8 are what kprobes count in an execl iteration."""
    assert stations[name].acquires == pytest.approx(acquires, abs=0.01)
    assert stations[name].scope == scope


def test_a_saturated_lock_has_more_lines_than_a_free_one(orders: tuple[Ranked, ...]) -> None:
    name = "i_mmap_rwsem of libc.so.6"
    free, turns = (next(s for s in each.stations if s.name == name) for each in orders)
    assert (free.saturated, turns.saturated) == (False, True)
    assert turns.held > 1.5 * free.held
    assert turns.demand == pytest.approx(15 * 6.5 + 122.25)  # 2,934 lines in 24 iterations


def test_names_scopes_and_what_is_left_out(
    orders: tuple[Ranked, ...], stations: dict[str, Station]
) -> None:
    named = [each for each in stations.values() if each.named]
    assert len(named) >= 20
    assert {each.scope for each in named} == {"file", "page", "cgroup", "node", "machine"}
    assert stations["mem_cgroup: mm_list.lock beside nodeinfo[]"].kind == "line"
    assert "inode of the executable: i_count, i_writecount, i_readcount" in stations
    assert stations["lruvec lru_lock"].callers[0].startswith("folio_lruvec_lock_irqsave < ")
    reasons = {each.why for each in orders[0].left_out}
    assert {rules.PART, rules.LATER} <= reasons


@pytest.fixture
def boots(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[int, BaseException | None], Callable[[], StationsExperiment]]:
    """Return a function that has the guest write the first lines of the sample, and then end."""
    lines = traces.sample("stations_execl_6.12").splitlines()
    symbols = [
        Symbol(int(line.split()[1], 16), *line.split()[2:])
        for line in lines
        if line[:7] == "symbol "
    ]
    written = [line for line in lines if line[:7] != "symbol "]
    guest = Guest(
        *(b"init", b"loop"),
        {"/lib/x86_64-linux-gnu/libc.so.6": b"", "/lib64/ld-linux-x86-64.so.2": b""},
        *("", "/lab/loop"),
    )
    (tmp_path / "image").write_bytes(b"ext4")
    monkeypatch.setattr(experiment, "contents", lambda *_: guest)
    monkeypatch.setattr(experiment.root, "image", lambda files, folder: tmp_path / "image")
    monkeypatch.setattr(experiment.kernel_image, "module", lambda package, name: b"\x7fELF")
    monkeypatch.setattr(experiment.kallsyms, "symbols", lambda kernel: symbols)
    monkeypatch.setattr(experiment.places, "layout", lambda types: LAYOUT)
    monkeypatch.setattr(KernelImage, "unpacked", lambda self: b"")
    monkeypatch.setattr(KernelImage, "btf", lambda self: kernel_btf(72, 144, 64))

    def put(number: int, problem: BaseException | None) -> Callable[[], StationsExperiment]:
        def boot(*arguments: Any) -> bytes:
            out = Path(arguments[-1].arguments["out"])
            out.write_text("".join(f"{line}\n" for line in written[:number]))
            if problem is not None:
                raise problem
            return b"LAB done"

        monkeypatch.setattr(experiment.qemu, "boot", boot)
        image = KernelImage("6.12.117", b"bzImage")
        built = (tmp_path, tmp_path)
        return lambda: experiment.run(
            *("k.deb", image, "execl", None, built, tmp_path, Resolver(Sysroot())),
            *(4, 60.0, lambda name: None),
        )

    return put


Boots = Callable[[int, BaseException | None], Callable[[], StationsExperiment]]
WHOLE, FIRST = 10**9, "end 1"


def ends_at(text: str) -> int:
    lines = [
        line for line in traces.sample("stations_execl_6.12").splitlines() if line[:7] != "symbol "
    ]
    return lines.index(text) + 1


def test_a_run_ranks_all_of_its_orders(boots: Boots) -> None:
    found = boots(WHOLE, None)()
    assert [each.name for each in found.orders] == ["free", "turns on libc.so.6"]
    assert (found.loops, found.planned, found.stopped) == (4, 4, "")
    first = found.stations[0]
    assert (first.name, first.saturated) == ("i_mmap_rwsem of libc.so.6", True)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (NotTrustworthyError("lab: the guest did not end in time"), "lab: the guest did not end"),
    ],
)
def test_orders_that_were_finished_are_kept(
    boots: Boots, problem: BaseException, said: str
) -> None:
    """The second one was being written."""
    found = boots(ends_at(FIRST) + 20, problem)()
    assert [each.name for each in found.orders] == ["free"]
    assert found.stopped.startswith(said)
    assert not found.stations[0].saturated


def test_without_the_free_order_there_is_nothing(boots: Boots) -> None:
    with pytest.raises(KeyboardInterrupt):
        boots(ends_at(FIRST) - 1, KeyboardInterrupt())()
    with pytest.raises(NotTrustworthyError, match="guest panicked"):
        boots(ends_at(FIRST) - 1, NotTrustworthyError("lab: the guest panicked"))()
    with pytest.raises(NotTrustworthyError, match="the plugin recorded nothing"):
        boots(0, None)()


def test_a_guest_that_panics_early_is_booted_again(
    boots: Boots, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = boots(WHOLE, None)
    boot, tried = qemu.boot, []

    def panics_twice(*arguments: Any) -> bytes:
        tried.append(1)
        if len(tried) < 3:
            raise qemu.PanicError("lab: the guest panicked")
        return boot(*arguments)

    monkeypatch.setattr(qemu, "boot", panics_twice)
    assert len(run().orders) == 2
    assert len(tried) == 3
