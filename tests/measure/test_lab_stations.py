"""Stations from counts: demand, names, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockmodel.errors import NotTrustworthyError
from lockmodel.measure.trace.btf import types
from lockmodel.measure.trace.kallsyms import Symbol
from lockmodel.measure.trace.lab.stations import experiment, records, rules
from lockmodel.measure.trace.lab.stations.places import Layout, Places, layout
from lockmodel.measure.trace.lab.stations.ranking import Station, merged, order_of, ranked
from lockmodel.measure.trace.lab.stations.records import LineCount, LockCount, Phase
from lockmodel.measure.trace.lab.stations.rules import Facts, Rule

TEXT, DATA = 0xFFFFFFFF81000000, 0xFFFFFFFF82000000
HEAP, PAGE = 0xFFFF888000000000, 0xFFFFEA0000000000
NAMES = (
    *("vma_link_file", "mmap_region", "folio_lruvec_lock_irqsave", "folio_batch_move_lru"),
    *("lru_gen_add_mm", "begin_new_exec", "__do_fault", "filemap_map_pages", "pcpu_alloc_noprof"),
    *("__lruvec_stat_mod_folio", "rcu_core", "do_dentry_open", "vfs_open"),
)
AT = {name: TEXT + 0x100 * i for i, name in enumerate(NAMES)}
VARIABLES = {"pcpu_lock": DATA + 0x104, "chrdevs": DATA + 0x200, "tail": DATA + 0x4000}
LAYOUT = Layout(((-256, "i_ino"), (-176, "i_count"), (-72, "i_mmap"), (0, "i_mmap_rwsem")), 112)
WORD = HEAP + 0x10000
PLACES = Places(
    [
        *(
            Symbol(at, "t", f"{name}.isra.0" if name == "mmap_region" else name)
            for name, at in AT.items()
        ),
        *(Symbol(at, "b", name) for name, at in VARIABLES.items()),
    ],
    LAYOUT,
    {WORD: "libc.so.6"},
)


def chain(*names: str) -> tuple[int, ...]:
    return tuple(AT[name] + 0x20 for name in names)


def lock(
    word: int,
    kind: str = "spin",
    cpus: int = 4,
    acquires: int = 80,
    moved: int = 40,
    callers: tuple[str, ...] = ("do_dentry_open", "vfs_open"),
) -> LockCount:
    return LockCount(word, kind, cpus, acquires, moved, 100 * acquires, {chain(*callers): acquires})


def line(
    address: int,
    cpus: int = 4,
    visits: int = 100,
    moved: int = 80,
    atomic: int = 100,
    callers: tuple[str, ...] = ("do_dentry_open", "vfs_open"),
    under: dict[int, int] | None = None,
) -> LineCount:
    touches = {chain(*callers): moved}
    return LineCount(address, cpus, visits, moved, atomic, 0, 0, touches, under or {})


def phase(*counts: LockCount | LineCount) -> Phase:
    """Return a phase of 40 iterations on 4 CPUs."""
    locks = tuple(each for each in counts if isinstance(each, LockCount))
    lines = {each.address: each for each in counts if isinstance(each, LineCount)}
    return Phase(1, 4, 40, 40000, 4000, 0, 0, 0, locks, lines)


def one(*counts: LockCount | LineCount, order: str = "free") -> Station:
    (station,) = ranked(phase(*counts), PLACES, order).stations
    return station


def test_the_demand_of_a_lock() -> None:
    """80 acquires and 40 lines in 40 iterations: 2 hand-offs of 6.5 lines, and one line."""
    station = one(lock(VARIABLES["pcpu_lock"]))
    assert (station.name, station.scope, station.kind) == ("pcpu_lock", "machine", "spin")
    assert (station.acquires, station.held, station.demand) == (2, 1, 14)
    assert station.instructions == 100
    assert station.callers == ("do_dentry_open < vfs_open",)


@pytest.mark.parametrize("kind", ["read", "rwsem_read"])
def test_readers_share_a_lock_whose_word_moves(kind: str) -> None:
    """The word comes 60 times in 40 iterations; the line is no station of its own."""
    word = DATA + 0x204
    station = one(lock(word, kind), line(word & ~63, moved=60))
    assert (station.name, station.demand, station.transfers) == ("chrdevs", 1.5, 1.5)
    assert "readers share it" in station.note


def test_a_lock_that_some_read_and_others_write() -> None:
    """As tasklist_lock: the writers' row counts, whichever comes first."""
    word = VARIABLES["pcpu_lock"]
    both = (lock(word, "read", acquires=400), lock(word, "write"), line(word & ~63, moved=100))
    found = ranked(phase(*both), PLACES, "free")
    assert [(each.kind, each.demand) for each in found.stations] == [("write", 14)]
    assert {each.why for each in found.left_out} == {rules.WRITTEN, rules.PART}


def test_the_demand_of_a_line() -> None:
    station = one(line(HEAP + 0x40, moved=80))
    assert (station.kind, station.demand, station.transfers, station.acquires) == ("line", 2, 2, 0)
    assert station.name == "line used by do_dentry_open < vfs_open"
    assert (station.named, station.note) == (
        False,
        "not named by a rule: taken for one per machine",
    )


@pytest.mark.parametrize(("cpus", "there"), [(2, False), (3, True)])
def test_three_of_four_cpus_must_use_it(cpus: int, there: bool) -> None:
    for count in (lock(HEAP, cpus=cpus), line(HEAP, cpus=cpus)):
        assert bool(ranked(phase(count), PLACES, "free").stations) is there


@pytest.mark.parametrize(
    ("count", "there"),
    [
        (lock(HEAP, acquires=13), False),  # .325 per iteration
        (lock(HEAP, acquires=14), True),
        (line(HEAP, moved=27), False),  # .675
        (line(HEAP, moved=28), True),
        (line(HEAP, atomic=0), False),  # nobody writes it
    ],
)
def test_what_happens_by_chance_is_no_station(count: LockCount | LineCount, there: bool) -> None:
    assert bool(ranked(phase(count), PLACES, "free").stations) is there


@pytest.mark.parametrize(("sections", "left_out"), [(59, 0), (60, 1)])
def test_what_is_used_under_a_lock_is_its_data(sections: int, left_out: int) -> None:
    """100 visits, so many of them under the lock."""
    held = line(HEAP + 0x80, under={HEAP: sections})
    found = ranked(phase(lock(HEAP), held), PLACES, "free")
    assert len(found.stations) == 2 - left_out
    assert [each.why for each in found.left_out] == [rules.PART] * left_out


def test_data_under_a_lock_of_readers_is_not_theirs() -> None:
    held = line(HEAP + 0x80, under={HEAP: 100})
    found = ranked(phase(lock(HEAP, "rwsem_read"), held), PLACES, "free")
    assert {each.kind for each in found.stations} == {"rwsem_read", "line"}


@pytest.mark.parametrize(("moved", "own"), [(240, False), (241, True)])
def test_a_word_in_a_line_that_others_use(moved: int, own: bool) -> None:
    """80 acquires: up to three times as often as those, the line comes for the lock."""
    found = ranked(phase(lock(HEAP + 8), line(HEAP, visits=2000, moved=moved)), PLACES, "free")
    assert ("line" in {each.kind for each in found.stations}) is own


def test_the_second_line_of_a_files_lock_is_its_own() -> None:
    """The lock lies in the last 16 bytes of a line, and its queue in the next one."""
    word = HEAP + 0x2070
    places = replace(PLACES, files={word: "libc.so.6"})
    found = ranked(phase(line(HEAP + 0x2080)), places, "free")
    assert [(each.why, each.demand) for each in found.left_out] == [(rules.PART, 2)]
    assert found.stations == ()


def test_the_lock_of_a_file_is_saturated_in_its_own_order_only() -> None:
    count = lock(WORD, "rwsem_write", acquires=600, moved=4000)
    free = ranked(phase(count), PLACES, "free")
    own = ranked(phase(replace(count, moved=8000)), PLACES, "turns on libc.so.6")
    other = ranked(phase(replace(count, moved=1)), PLACES, "turns on the executable")
    assert [each.stations[0].saturated for each in (free, own, other)] == [False, True, False]
    (station,) = merged([free, other, own])
    assert (station.name, station.scope) == ("i_mmap_rwsem of libc.so.6", "file")
    assert (station.order, station.demand) == ("turns on libc.so.6", 15 * 6.5 + 200)
    assert merged([free, other])[0].demand == 15 * 6.5 + 100


def test_pages_are_one_station_which_says_how_many() -> None:
    fault = ("filemap_map_pages", "mmap_region")
    copied = ("__do_fault", "mmap_region")
    counts = [lock(PAGE + 64 * i, "folio", moved=10 * i, callers=fault) for i in range(5)]
    counts += [lock(PAGE + 0x1000 + 64 * i, "folio", callers=copied) for i in range(2)]
    found = ranked(phase(*counts), PLACES, "free").stations
    assert [(each.name, each.scope, each.alike, each.demand) for each in found] == [
        ("folio lock of a page copied on write", "page", 2, 14),
        ("folio lock of a page mapped by a fault near by", "page", 5, 14),
    ]


def test_orders_have_names() -> None:
    files = {0: "the executable", 1: "libc.so.6"}
    assert [order_of(n, files) for n in (1, 2, 3)] == [
        "free",
        "turns on the executable",
        "turns on libc.so.6",
    ]


# ---- names ----


def told(facts: Facts, table: tuple[Rule, ...]) -> tuple[str, str]:
    rule = next(r for r in table if r.fits(facts) and (r.name != "{variable}" or facts.variables))
    return rule.name, rule.scope


@pytest.mark.parametrize(
    ("facts", "name", "scope"),
    [
        (Facts("rwsem_write", "libc.so.6", ("i_mmap_rwsem",)), "i_mmap_rwsem of {file}", "file"),
        (Facts("rwsem_read", "libc.so.6", ("xattr_sem",)), "{members} of {file}", "file"),
        (
            Facts("spin", chains=(("folio_lruvec_lock_irqsave", "folio_batch_move_lru"),)),
            "lruvec lru_lock",
            "node",
        ),
        (
            Facts("spin", chains=(("lru_gen_add_mm", "begin_new_exec"),)),
            "memory cgroup's mm_list.lock",
            "cgroup",
        ),
        (Facts("spin", variables=("some_lock",)), "{variable}", "machine"),
        (Facts("write", variables=("tasklist_lock",)), "tasklist_lock", "machine"),
        (Facts("spin", variables=("folio_wait_table",)), "folio_wait_table", "page"),
        (Facts("spin", chains=(("__slab_free", "kfree"),)), "list_lock of a slab", "node"),
    ],
)
def test_locks_have_names_and_a_scope(facts: Facts, name: str, scope: str) -> None:
    assert told(facts, rules.LOCKS) == (name, scope)


@pytest.mark.parametrize(
    ("facts", "name", "scope"),
    [
        (
            Facts("line", "libc.so.6", ("i_ino", "i_count", "i_fop")),
            "inode of {file}: i_count, i_writecount, i_readcount",
            "file",
        ),
        (
            Facts("line", "libc.so.6", ("i_pages", "invalidate_lock")),
            "inode of {file}: roots of page cache and mappings",
            "file",
        ),
        (Facts("line", page=True), "struct page of a mapped file", "page"),
        (
            Facts(
                "line",
                chains=(
                    ("__lruvec_stat_mod_folio", "folio_add_new_anon_rmap"),
                    ("_raw_spin_lock", "lru_gen_add_mm"),
                ),
            ),
            "mem_cgroup: mm_list.lock beside nodeinfo[]",
            "cgroup",
        ),
        (
            Facts("line", chains=(("lockref_put_return", "dput"),)),
            "dentry of an opened path",
            "file",
        ),
        (
            Facts("line", chains=(("page_counter_cancel", "uncharge_batch"),)),
            "page_counter of a memory cgroup",
            "cgroup",
        ),
        (Facts("line", variables=("before", "init_user_ns")), "init_user_ns", "machine"),
    ],
)
def test_lines_have_names_and_a_scope(facts: Facts, name: str, scope: str) -> None:
    assert told(facts, rules.LINES) == (name, scope)


@pytest.mark.parametrize(
    ("callers", "why"),
    [
        (("rcu_core", "mmap_region"), rules.LATER),
        (("do_dentry_open", "rcu_core"), rules.LATER),
        (("do_dentry_open", "vfs_open"), ""),
    ],
)
def test_what_comes_by_time_is_left_out_with_the_reason(callers: tuple[str, ...], why: str) -> None:
    found = ranked(phase(lock(HEAP, callers=callers)), PLACES, "free")
    assert [each.why for each in found.left_out] == ([why] if why else [])
    assert len(found.stations) == (0 if why else 1)


def test_every_rule_has_one_of_the_scopes() -> None:
    every = (*rules.LOCKS, *rules.LINES, *rules.EXCLUDED_LOCKS, *rules.EXCLUDED_LINES)
    assert {rule.scope for rule in every} <= set(rules.SCOPES)
    assert rules.SCOPES == ("file", "page", "cgroup", "node", "machine")
    reasons = {rules.LATER, rules.SMALL, rules.CLOCK, rules.PART}
    assert {rule.name for rule in (*rules.EXCLUDED_LOCKS, *rules.EXCLUDED_LINES)} == reasons


# ---- places ----


def test_addresses_of_functions_and_variables() -> None:
    assert PLACES.function(AT["mmap_region"] + 0xFF) == "mmap_region"
    assert PLACES.function(AT["vma_link_file"] - 1) == ""
    assert PLACES.functions((AT["vfs_open"], 0, HEAP)) == ("vfs_open",)
    assert PLACES.variable(VARIABLES["pcpu_lock"]) == "pcpu_lock"
    assert PLACES.variable(HEAP) == ""
    assert PLACES.variables(DATA + 0x100) == ("pcpu_lock",)  # begins in the line
    assert PLACES.variables(DATA + 0x140) == ("pcpu_lock",)  # may reach into it
    assert PLACES.variables(DATA + 0x1C0) == ("pcpu_lock",)


def test_members_of_an_inode() -> None:
    """The line 80 bytes before the lock holds what begins at -72, and i_count reaches into it."""
    assert PLACES.member(WORD) == ("libc.so.6", ("i_mmap_rwsem",))
    assert PLACES.member(WORD - 176) == ("libc.so.6", ("i_count",))
    assert PLACES.member(WORD - 175) is None
    assert PLACES.members(WORD - 80) == ("libc.so.6", ("i_count", "i_mmap"))
    assert PLACES.members(WORD - 176) == ("libc.so.6", ("i_ino", "i_count"))
    assert PLACES.members(WORD + 112) is None
    assert PLACES.members(WORD - 320) is None


def test_the_layout_of_an_inode_from_its_types() -> None:
    import kernel_images as made

    btf = made.Btf()
    number = btf.add(made.INT, "unsigned long", size=8, extra=(64).to_bytes(4, "little"))
    btf.struct("address_space", [("host", number, 0), ("i_mmap_rwsem", number, 8 * 40)])
    btf.struct("inode", [("i_count", number, 8 * 16), ("i_data", number, 8 * 200)])
    btf.struct("ext4_inode_info", [("xattr_sem", number, 8 * 8), ("vfs_inode", number, 8 * 104)])
    found = layout(types(btf.bytes()))
    lock_at = 200 + 40
    assert found.members == (
        (8 - 104 - lock_at, "xattr_sem"),
        (16 - lock_at, "i_count"),
        (200 - lock_at, "host"),
        (0, "i_mmap_rwsem"),
    )
    assert found.end == 64 - lock_at  # made.Btf writes 64 for the size of every structure


# ---- records ----

TEXT_OF_RECORDS = """\
file 0 ffff888000010000
phase 1 2 12 2400 360 48 1 0
lock ffff888000010000 rwsem_write 2 180 240 9000
by ffff888000010000 rwsem_write 100 ffffffff81000020 ffffffff81000120 0 0
by ffff888000010000 rwsem_write 80 ffffffff81000220 0 0 0
line ffff888000020000 2 90 60 12 24 120
at ffff888000020000 60 ffffffff81000020 0 0 0
under ffff888000020000 ffff888000010000 36
end 1
phase 3 2 12 2400 30 0 0 5
end 3
"""


def test_records_are_read() -> None:
    found = records.parse(TEXT_OF_RECORDS.splitlines(), "test")
    assert found.files == {0: WORD}
    first, second = found.phases
    assert (first.number, first.cpus, first.iterations, first.instructions) == (1, 2, 12, 2400)
    assert (first.moved, first.interrupted, first.dropped, first.alone) == (360, 48, 1, 0)
    (count,) = first.locks
    assert (count.kind, count.cpus, count.acquires, count.moved) == ("rwsem_write", 2, 180, 240)
    assert count.instructions == 9000
    assert sorted(count.callers.values()) == [80, 100]
    (moved,) = first.lines.values()
    assert (moved.visits, moved.moved, moved.atomic, moved.stores, moved.loads) == (
        *(90, 60),
        *(12, 24, 120),
    )
    assert moved.under == {WORD: 36}
    assert moved.touches == {(TEXT + 0x20, 0, 0, 0): 60}
    assert (second.number, second.alone, second.locks, second.lines) == (3, 5, (), {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the records end too early"),
        (TEXT_OF_RECORDS[: TEXT_OF_RECORDS.index("end 1")], "the records end too early"),
        (TEXT_OF_RECORDS + "nothing\n", "line 12 is no record"),
        (TEXT_OF_RECORDS.replace("end 1\n", "twice 1\nend 1\n"), "line 10 is no record"),
        (TEXT_OF_RECORDS.replace("file 0 ffff", "file 0 xyz "), "line 1 is no record"),
    ],
)
def test_records_that_are_not_whole_are_refused(text: str, problem: str) -> None:
    with pytest.raises(NotTrustworthyError, match=f"test: {problem}"):
        records.parse(text.splitlines(), "test")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"iterations": 23}, "23 of 24 iterations were counted"),
        ({"cpus": 3, "iterations": 24}, "24 of 24 iterations were counted"),
        ({"iterations": 24, "dropped": 41}, "41 counts found no room"),
    ],
)
def test_a_phase_that_is_not_whole_is_refused(changes: dict[str, int], problem: str) -> None:
    with pytest.raises(NotTrustworthyError, match=problem):
        experiment._order(replace(phase(), **changes), PLACES, {0: "libc.so.6"}, 4)
    assert experiment._order(replace(phase(), iterations=24, dropped=40), PLACES, {}, 4)
