"""Published kernel changes, predicted with the own result hidden: the figure of the back-test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockmodel.evaluate.backtest.case import Backtest, Entry
from lockmodel.evaluate.backtest.engine import all_cases, run
from lockmodel.figures.backtest import REST, ROW, draw_rows, shown
from lockmodel.progress import Progress, quietly

GROUP = "change"
"""Changes of the exec path; those of other locks are in `lockmodel backtest --plot`."""

TITLES = {
    "lkp_spr_224": "unlinking batched, Sapphire Rapids",
    "lkp_icl_64": "unlinking batched, Ice Lake",
    "lkp_cpl_224": "unlinking batched, Cooper Lake",
    "guzik_batch_unlink": "unlinking batched, small machine",
    "guzik_pidmap_once": "pidmap: one acquire for two",
    "yibin_rmap_exclude": "files excluded",
    "huang_v1_tree_split": "tree split, one lock",
    "huang_v2_tree_and_lock_split": "tree and lock split",
    "yuma_mmap_region": "VMA tree out of the section",
    "yuma_mmap_region_on_6_4": "the same, another lock binds",
    "yuma_pcpu_chunk": "percpu chunk laid out anew",
    "jonas_false_sharing": "lock word apart from the tree",
    "lipeng_false_sharing": "padding between lock and tree",
    "guzik_tasklist_exit": "tasklist: work moved out",
    "cna_v3_lock2_threads": "CNA, lock2",
    "cna_v3_open1_threads": "CNA, open1",
    "cna_v3_locktorture": "CNA, locktorture",
    "cna_v3_leveldb_readrandom": "CNA, LevelDB",
    "cna_v3_open1_paravirt_guest": "CNA, guest",
    "rqspin_x86_lock1_threads": "resilient, lock1",
    "rqspin_x86_lock2_threads": "resilient, lock2",
    "rqspin_x86_open1_threads": "resilient, open1",
    "rqspin_x86_locktorture": "resilient, locktorture",
    "vfs_inode_cache_btrfs_svol": "inodes, btrfs",
    "vfs_inode_cache_ext4": "inodes, ext4",
    "vfs_inode_cache_xfs": "inodes, xfs",
    "futex_hash_bucket_sharding": "futex buckets",
    "pcp_batch_hold_vs_acquires": "page batches",
}
"""What a record is about, in words that fit a row."""

READINGS = {
    "libc, ld": "libc, loader",
    "libc, ld, executable": "executable too",
    "create, chmod, unlink": "other phases",
    "E7-8890v3 all nodes": "E7, all nodes",
    "E7-8890v3 node0": "E7, one node",
    "E5-2650 all": "E5, all nodes",
    "E5-2650 node0": "E5, one node",
}
"""Readings that are told in fewer words here."""


def data(progress: Progress = quietly, workers: int | None = None) -> Backtest:
    """Return the back-test of the changes of the exec path; see `lockmodel.evaluate.backtest`."""
    wanted = {case.id for case in all_cases() if case.group == GROUP}
    return run(ids=sorted(wanted), progress=progress, workers=workers)


def title(entry: Entry) -> str:
    """Return what an entry is about, and its reading."""
    reading = READINGS.get(entry.reading, entry.reading)
    return TITLES.get(entry.id, entry.id) + (f" ({reading})" if reading else "")


def relative_height(drawn: Backtest, upright: bool) -> float:
    """Return the height over that of axis and legend alone: every row needs the same room."""
    return (REST + ROW * len(shown(drawn))) / REST


def draw(figure: Any, drawn: Backtest) -> None:
    """Draw a row for each case that has a predicted number."""
    named = tuple(replace(entry, id=title(entry), reading="") for entry in drawn.entries)
    draw_rows(figure, replace(drawn, entries=named))
