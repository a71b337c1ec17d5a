"""Tests of lockmodel.measure.shares: folded stacks, perf report text, JSON, and hostile files."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.cli.acquires_shares import from_shares
from lockmodel.errors import ArgumentError, FileError, NotTrustworthyError, ScenarioError
from lockmodel.measure.shares.integers import search
from lockmodel.measure.shares.reading import choose, read_text
from lockmodel.observe.profiles import perf_tree, stacks
from lockmodel.observe.text import from_text

WAIT = ("osq_lock", "rwsem_optimistic_spin", "rwsem_down_write_slowpath", "down_write")
CALL = ("do_syscall_64", "entry_SYSCALL_64_after_hwframe")
SITES = {
    "fork.dup": ("dup_mmap", "dup_mm", "copy_process", "kernel_clone"),
    "exec.teardown": (
        "unlink_file_vma",
        "free_pgtables",
        "exit_mmap",
        "mmput",
        "begin_new_exec",
        "load_elf_binary",
    ),
    "exit.teardown": ("unlink_file_vma", "free_pgtables", "exit_mmap", "mmput", "do_exit"),
    "exec.mprotect_split": ("vma_prepare", "__split_vma", "mprotect_fixup", "do_mprotect_pkey"),
    "exec.map_split": ("vma_prepare", "__split_vma", "mmap_region", "do_mmap"),
    "exec.map_unlink": ("unlink_file_vma", "free_pgtables", "mmap_region", "do_mmap"),
    "exec.map_expand": ("vma_expand", "mmap_region", "do_mmap"),
    "exec.map_link": ("vma_link_file", "mmap_region", "do_mmap"),
}
"""Site -> functions from the one that asks for the lock outwards (Linux 6.1)."""

TRUTH = {
    "fork.dup": 5,
    "exec.teardown": 5,
    "exit.teardown": 5,
    "exec.mprotect_split": 1,
    "exec.map_split": 5,
    "exec.map_unlink": 4,
    "exec.map_expand": 1,
    "exec.map_link": 3,
}
"""Acquires of libc.so.6 by Linux 6.1 (data/traced/acquires_traced.csv)."""

OTHER = ("native_queued_spin_lock_slowpath", "_raw_spin_lock", "get_page_from_freelist")
ANON = (*WAIT, "unlink_anon_vmas", "free_pgtables", "exit_mmap", "do_exit")


def stack(site: str) -> tuple[str, ...]:
    return (*WAIT, *SITES[site], *CALL)


def folded(unit: int = 1000) -> str:
    lines = [
        f"true;{';'.join(reversed(stack(site)))} {unit * count}" for site, count in TRUTH.items()
    ]
    lines += [f"true;{';'.join(reversed(OTHER))} 700", f"true;{';'.join(reversed(ANON))} 300"]
    return "\n".join([*lines, "swapper;do_idle;default_idle 99999", ""])


def perf(order: str, fractal: bool = False) -> str:
    """Return a report with the waiting of TRUTH in either direction, as perf 6.1 prints it."""
    total = sum(TRUTH.values())
    percents = {site: 87 * count / total for site, count in TRUTH.items()}
    head = [
        "# To display the perf.data header info, please use --header/--header-only options.",
        "#",
        "# Samples: 50K of event 'cycles'",
        "# Event count (approx.): 728500000",
        "#",
        "# Overhead  Command  Shared Object      Symbol",
        "# ........  .......  .................  ......",
        "",
        "     5.00%  true     [kernel.kallsyms]  [k] clear_page_erms",
        "            |",
        "            ---clear_page_erms",
        "               exc_page_fault",
        "",
        "    87.00%  true     [kernel.kallsyms]  [k] osq_lock",
        "            |",
    ]
    scale = 100 / 87 if fractal else 1
    lines = []
    common = list(reversed(CALL)) if order == "caller" else list(WAIT)
    lines += [f"            ---{common[0]}"] + [f"               {name}" for name in common[1:]]
    lines.append("               |")
    for i, site in enumerate(TRUTH):
        own = list(SITES[site])
        path = [*reversed(own), *reversed(WAIT)] if order == "caller" else [*own, *CALL]
        last = i == len(TRUTH) - 1
        bar = " " if last else "|"
        lines.append(f"               {bar}--{scale * percents[site]:.2f}%--{path[0]}")
        lines += [f"               {bar}          {name}" for name in path[1:]]
        lines.append(f"               {bar}          ")
    return "\n".join([*head, *lines, ""])


def profile_of(text: str):
    _, profiles = read_text(from_text(text, "f"))
    return profiles[0]


@pytest.mark.parametrize("site", SITES)
def test_a_stack_gives_the_site_of_the_traces(site):
    assert stacks.site_of(stack(site)) == site


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("bprm_execve > exit_mmap > unlink_file_vma_batch_process", "exec.teardown"),
        ("exit_mm > unlink_file_vma_batch", "exit.teardown"),
        ("exec_mmap > unlink_file_vma", "exec.teardown"),
        ("mprotect > __split_vma", "exec.mprotect_split"),
        ("ld.so mmap > munmap > __split_vma", "exec.map_split"),
        ("mmap_region > free_pgtables > unlink_file_vma_batch_process", "exec.map_unlink"),
        ("mmap_region link", "exec.map_link"),
        ("vma_expand", "exec.map_expand"),
        ("dup_mmap", "fork.dup"),
        ("checkout", None),
    ],
)
def test_a_name_of_a_published_profile_gives_the_site(name, site):
    assert stacks.from_name(name) == site


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        ("do_execveat_common.isra.0", "do_execveat_common"),
        ("vmlinux`osq_lock", "osq_lock"),
        ("osq_lock_[k]", "osq_lock"),
        ("dup_mmap+0x1f3/0x6a0", "dup_mmap"),
        ("unlink_file_vma.part.0", "unlink_file_vma"),
    ],
)
def test_plain_function_names(frame, name):
    assert stacks.plain(frame) == name


def test_folded_stacks_give_the_counts_of_the_traces():
    profile = profile_of(folded())
    answer = search(profile).trusted()
    assert answer.by_model_site == TRUTH
    assert answer.best.total == 29
    assert answer.unit == pytest.approx(1000, rel=1e-6)
    assert "for other locks (most: get_page_from_freelist)" in profile.left_out[0]
    assert profile.counted == 1


@pytest.mark.parametrize("order", ["caller", "callee"])
@pytest.mark.parametrize("fractal", [False, True])
def test_a_perf_report_gives_the_counts_of_the_traces(order, fractal):
    profile = profile_of(perf(order, fractal))
    answer = search(profile).trusted()
    assert answer.by_model_site == TRUTH
    assert profile.values.sum() == pytest.approx(87, abs=0.1)
    assert profile.counted == pytest.approx(500)


def test_a_perf_report_with_children_takes_the_entry_that_spins():
    text = perf("caller")
    for symbol in ("clear_page_erms", "osq_lock"):
        percent = "5.00" if symbol != "osq_lock" else "87.00"
        text = text.replace(f"{percent}%  true ", f"{percent}%    {percent}%  true ")
    above = (
        "    88.00%     0.00%  true     [kernel.kallsyms]  [k] down_write\n            |\n"
        "            ---down_write\n               dup_mmap\n\n"
    )
    text = text.replace("     5.00%", above + "     5.00%", 1)
    assert search(profile_of(text)).by_model_site == TRUTH


def test_branches_that_perf_cut_are_said():
    text = perf("caller").replace("     87.00%", "     92.00%").replace("    87.00%", "    92.00%")
    profile = profile_of(text)
    assert any("below branches that perf left out" in said for said in profile.left_out)
    assert search(profile).by_model_site == TRUTH


def test_a_perf_tree_by_columns():
    lines = [
        "            |          ",
        "            |--8.65%--outer",
        "            |          next",
        "            |          |          ",
        "            |          |--5.00%--inner",
        "            |          |          deep",
        "            |           --3.65%--last",
        "            |                     deeper",
        "             --100.00%--other (inlined)",
    ]
    shares = dict(perf_tree.paths(perf_tree.parse(lines), 108.65))
    assert shares == {
        ("outer", "next", "inner", "deep"): 5.0,
        ("outer", "next", "last", "deeper"): pytest.approx(3.65),
        ("other",): 100.0,
    }


def test_only_the_first_event_of_a_report_counts():
    text = perf("caller")
    assert profile_of(text + text.replace("87.00%", "10.00%")) == profile_of(text)


def test_a_spinlock_or_mutex_of_the_same_callers_is_another_lock():
    text = folded() + "mmap_region;free_pcppages_bulk;_raw_spin_lock;"
    text += "native_queued_spin_lock_slowpath 1000\n"
    text += "mmap_region;__mutex_lock;osq_lock 1000\n"
    profile = profile_of(text)
    assert search(profile).by_model_site == TRUTH
    assert "9.4% of the waiting is for other locks" in profile.left_out[0]


def test_other_locks_are_grouped_by_the_caller():
    text = "a;tasklist;_raw_spin_lock;native_queued_spin_lock_slowpath 600\n"
    text += "a;release_task;_raw_spin_lock;native_queued_spin_lock_slowpath 300\n"
    profile = profile_of(text)
    assert [(s.name, s.value, s.model_site) for s in profile.sites] == [
        ("tasklist", 600, None),
        ("release_task", 300, None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("tasks,throughput\n1,2\n", "not a profile of waiting"),
        ("a;b;c 12\n", "no stack holds a function that waits"),
        ("a;osq_lock 12\nrubbish\n", "f:2: 'rubbish': expected"),
        ("a;osq_lock " + "9" * 50 + "\n", "is not a number"),
        ("{", "not JSON"),
        ("[]", "0 profiles"),
        ("{}", "one key with sites is needed"),
        ("[1]", "is not an object"),
        ('{"site_pct": [1]}', "must map sites to numbers"),
        ('{"site_pct": {}}', "must map sites to numbers"),
        ('{"site_pct": {"a": "1"}}', "is not a number"),
        ('{"site_pct": {"a": true}}', "is not a number"),
        ('{"site_pct": {"a": NaN}}', "must be >= 0"),
        ('{"site_pct": {"a": 1e999}}', "must be >= 0"),
        ('{"site_pct": {"a": -1.5}}', "must be >= 0"),
        ('{"site_pct": {"a": ' + "9" * 5000 + "}}", "must be >= 0"),
        ('{"site_pct": {"a": 1}, "site_samples": {"a": 1}}', "one key"),
        ("[" * 100_000, "nested too deeply"),
        (perf("caller").replace("osq_lock", "spin"), "no entry of a function that waits"),
    ],
)
def test_what_is_no_profile_is_refused(text, message):
    with pytest.raises(ScenarioError, match=message):
        read_text(from_text(text, "f"))


def test_samples_and_printed_digits_of_json():
    by_samples = profile_of('{"site_samples": {"a": 100, "b": 50}}')
    assert (by_samples.counted, by_samples.step) == (1.0, 0.0)
    printed = profile_of('{"site_pct": {"a": 50.1, "b": 25}}')
    assert (printed.counted, printed.step) == (None, pytest.approx(0.1))
    assert profile_of('{"site_pct": {"a": 5.01e1, "b": 25}}').step == pytest.approx(0.1)


@REPEATABLE
@given(st.text(alphabet="|- %.;:0123456789abk[]#\n", max_size=300))
def test_rubbish_is_refused_or_read_but_never_crashes(rubbish):
    text = "    87.00%  true  [k]  [k] osq_lock\n            |--5.00%--dup_mmap\n" + rubbish
    for each in (rubbish, text):
        try:
            _, profiles = read_text(from_text(each, "f"))
        except ScenarioError:
            continue
        assert all(site.value > 0 for profile in profiles for site in profile.sites)


def test_hostile_files_are_bounded_in_time():
    start = time.monotonic()
    deep = ["    87.00%  true  [k]  [k] osq_lock"]
    deep += [f"{'|          ' * min(i, 900)}|--5.00%--dup_mmap" for i in range(1200)]
    many = [f"a;f{i};_raw_spin_lock;native_queued_spin_lock_slowpath 1" for i in range(30_000)]
    wide = json.dumps({"site_pct": {str(i): 1.0 for i in range(50_000)}})
    assert profile_of("\n".join(deep)).sites[0].model_site == "fork.dup"
    for text in ("\n".join(many), wide):
        with pytest.raises(ScenarioError):
            profile_of(text)
    assert time.monotonic() - start < 20


def test_profiles_are_chosen_by_id():
    _, profiles = read_text(
        from_text('{"profiles": [{"id": "x", "site_pct": {"a": 1}}, {"site_pct": {"a": 1}}]}', "f")
    )
    assert [p.name for p in choose(profiles, None)] == ["x", "2"]
    assert choose(profiles, "x") == profiles[:1]
    with pytest.raises(ArgumentError, match="did you mean 'x'"):
        choose(profiles, "xx")


def test_the_printed_answer(capsys):
    from_shares("profiles.json", profile="lkp_sysexec_spr_before", explain=True)
    out = capsys.readouterr().out
    for part in (
        "profiles.json: JSON with shares per site, 1 profile",
        "ld.so mmap > munmap > __split_vma",
        "odds against the runner-up: 320 : 1; it is 15 14 12 15 15 9 3 3 (total 86)",
        "exec.map_split 5",
        "saturated and fair",
    ):
        assert part in out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert any(line.split() == ["total", "100.0", "%", "29"] for line in out.splitlines())


def test_the_json_answer(capsys):
    from_shares("profiles.json", as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "lockmodel.shares/1"
    assert [p["total_acquires"] for p in data["profiles"]] == [15, 29, 21]
    first = data["profiles"][0]
    assert first["trusted"] is True
    assert sum(site["share"] for site in first["sites"]) == pytest.approx(1)
    assert first["sites"][0]["acquires"] * (1 + first["sites"][0]["off"]) == pytest.approx(
        first["sites"][0]["value_over_unit"]
    )


def test_a_doubtful_profile_is_printed_and_refused(tmp_path, capsys):
    path = tmp_path / "p.json"
    path.write_text('{"site_pct": {"a": 31.41, "b": 27.18, "c": 17.32, "d": 14.14}}')
    with pytest.raises(NotTrustworthyError, match="do not support integers"):
        from_shares(str(path))
    assert "NOT TRUSTWORTHY" in capsys.readouterr().out
    with pytest.raises(FileError, match="cannot be read"):
        from_shares(str(tmp_path / "none"))
