"""Figure and tables: published changes, predicted with the own result hidden."""

import io
from dataclasses import replace

from lockmodel.evaluate.backtest.case import Backtest, Entry
from lockmodel.evaluate.backtest.engine import run
from lockmodel.figures.backtest import draw
from lockmodel.paper.out import KINDS, Out, gain, gain_range

WHAT = {
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

KIND = {
    "shorten_hold": "shorter hold",
    "exclude": "not taken",
    "shard": "shards",
    "batch": "fewer acquires",
    "cheaper_handoff": "cheaper hand-off",
    "none (same hand-off)": "none",
}
SHORT = {
    "one time per instruction": "all dear",
    "own lines local": "own lines cheap",
    "smaller trees, own lines": "nearer too",
    "v1's result known": "tree split known",
    "libc, ld": "libc, loader",
    "libc, ld, executable": "executable too",
    "create, chmod, unlink": "other phases",
    "E7-8890v3 all nodes": "E7, all nodes",
    "E7-8890v3 node0": "E7, one node",
    "E5-2650 all": "E5, all nodes",
    "E5-2650 node0": "E5, one node",
}


def make(out: Out) -> None:
    """Draw the changes of the exec path; write both tables; name counts and misses."""
    found = run()
    changes = [e for e in found.entries if e.group == "change"]
    drawn = [replace(e, id=_title(e), reading="") for e in changes]
    for kind in KINDS:
        stream = io.BytesIO()
        draw(Backtest(tuple(drawn), found.draws, found.seed), stream, kind)
        out.files[f"backtest.{kind}"] = stream.getvalue()
    heads = ["change", "lever", "copies", "published", "predicted", "interval", "verdict"]
    out.table("changes", heads, [_row(e) for e in changes], words=2)
    transfers = [e for e in found.entries if e.group == "transfer"]
    out.table("transfers", heads[:1] + heads[3:], [_row(e)[:1] + _row(e)[3:] for e in transfers])
    for name, group in (("changes", "change"), ("transfers", "transfer")):
        for verdict in ("inside", "outside", "undecidable"):
            out.count(f"{name}_{verdict}", found.count(verdict, group))  # type: ignore[arg-type]
    out.count("backtest_draws", found.draws)
    batched = _entry(found, "lkp_spr_224")
    out.gain("bt_batched", batched.predicted or 0.0, batched.interval)
    out.words("bt_batched_published", _published(batched))
    excluded = _entry(found, "yibin_rmap_exclude", "libc, ld")
    out.gain("bt_excluded", excluded.predicted or 0.0, excluded.interval)
    out.words("bt_excluded_published", f"about {gain(sum(excluded.published) / 2)}")  # type: ignore[arg-type]
    trees = _entry(found, "huang_v1_tree_split", "smaller trees")
    near = _entry(found, "huang_v1_tree_split", "smaller trees, own lines")
    out.gain("bt_trees", trees.predicted or 0.0, trees.interval)
    out.gain("bt_near", near.predicted or 0.0, near.interval)
    out.words("bt_trees_published", _published(trees))
    both = _entry(found, "huang_v2_tree_and_lock_split", "")
    out.gain("bt_split", both.predicted or 0.0, both.interval)
    out.words("bt_split_published", f"{gain(both.published[0])}")
    dear = _entry(found, "yuma_mmap_region", "one time per instruction")
    cheap = _entry(found, "yuma_mmap_region", "own lines local")
    out.gain("bt_dear", dear.predicted or 0.0)
    out.gain("bt_cheap", cheap.predicted or 0.0)
    out.words("bt_dear_published", _published(dear))
    guest = _entry(found, "cna_v3_open1_paravirt_guest")
    out.gain("bt_guest", guest.predicted or 0.0)
    out.words("bt_guest_published", _published(guest))
    for name, ids in (("lock2", "cna_v3_lock2_threads"), ("open1", "cna_v3_open1_threads")):
        entry = _entry(found, ids)
        out.gain(f"bt_{name}", entry.predicted or 0.0)
        out.words(f"bt_{name}_published", _published(entry))


def _entry(found: Backtest, name: str, reading: str = "") -> Entry:
    return next(e for e in found.entries if e.id == name and e.reading == reading)


def _title(entry: Entry) -> str:
    reading = SHORT.get(entry.reading, entry.reading)
    return WHAT[entry.id] + (f" ({reading})" if reading else "")


def _published(entry: Entry) -> str:
    low, high = entry.published
    if high is None:
        return f"> {gain(low)}"
    if high - low < 0.011:
        return gain((low + high) / 2)
    return f"{gain_range(low, high)} %"


def _row(entry: Entry) -> list[str]:
    """Return change, lever, copies, published, predicted, interval, verdict."""
    if entry.predicted is not None:
        predicted = gain(entry.predicted)
    elif entry.limits is not None and entry.limits[1] is not None:
        predicted = f"to {gain(entry.limits[1])}"
    else:
        predicted = "-"
    interval = "" if entry.interval is None else f"{gain_range(*entry.interval)} %"
    verdict = {"outside": "OUTSIDE", "undecidable": "open"}.get(entry.verdict, entry.verdict)
    copies = "-" if entry.population is None else f"{entry.population}"
    gains = [text.replace(" %", "") for text in (_published(entry), predicted, interval)]
    return [_title(entry), KIND[entry.kind], copies, *gains, verdict]
