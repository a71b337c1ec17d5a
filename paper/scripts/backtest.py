"""Tables of published changes, predicted with the own result hidden."""

from lockmodel.evaluate.backtest.case import Backtest, Entry
from lockmodel.evaluate.backtest.engine import run
from lockmodel.figures.changes import GROUP, title
from lockmodel.units import gain
from paper.tools.out import Out, gain_range

KIND = {
    "shorten_hold": "shorter hold",
    "exclude": "not taken",
    "shard": "shards",
    "batch": "fewer acquires",
    "cheaper_handoff": "cheaper hand-off",
    "none (same hand-off)": "none",
}


def make(out: Out) -> None:
    """Write both tables; name counts, hits and misses."""
    backtest = run()
    changes = [e for e in backtest.entries if e.group == GROUP]
    heads = ["change", "lever", "copies", "published", "predicted", "interval", "verdict"]
    out.table("changes", heads, [_row(e) for e in changes], words=2)
    transfers = [e for e in backtest.entries if e.group == "transfer"]
    out.table("transfers", heads[:1] + heads[3:], [_row(e)[:1] + _row(e)[3:] for e in transfers])
    for name, group in (("changes", GROUP), ("transfers", "transfer")):
        for verdict in ("inside", "outside", "undecidable"):
            out.count(f"{name}_{verdict}", backtest.count(verdict, group))  # type: ignore[arg-type]
    out.count("backtest_draws", backtest.draws)
    batched = _entry(backtest, "lkp_spr_224")
    out.gain("bt_batched", batched.predicted or 0.0, batched.interval)
    out.words("bt_batched_published", _published(batched))
    excluded = _entry(backtest, "yibin_rmap_exclude", "libc, ld")
    out.gain("bt_excluded", excluded.predicted or 0.0, excluded.interval)
    out.words("bt_excluded_published", f"about {gain(sum(excluded.published) / 2)}")  # type: ignore[arg-type]
    trees = _entry(backtest, "huang_v1_tree_split", "smaller trees")
    near = _entry(backtest, "huang_v1_tree_split", "smaller trees, own lines")
    out.gain("bt_trees", trees.predicted or 0.0, trees.interval)
    out.gain("bt_near", near.predicted or 0.0, near.interval)
    out.words("bt_trees_published", _published(trees))
    both = _entry(backtest, "huang_v2_tree_and_lock_split", "")
    out.gain("bt_split", both.predicted or 0.0, both.interval)
    out.words("bt_split_published", f"{gain(both.published[0])}")
    dear = _entry(backtest, "yuma_mmap_region", "one time per instruction")
    cheap = _entry(backtest, "yuma_mmap_region", "own lines local")
    out.gain("bt_dear", dear.predicted or 0.0)
    out.gain("bt_cheap", cheap.predicted or 0.0)
    out.words("bt_dear_published", _published(dear))
    guest = _entry(backtest, "cna_v3_open1_paravirt_guest")
    out.gain("bt_guest", guest.predicted or 0.0)
    out.words("bt_guest_published", _published(guest))
    for name, ids in (("lock2", "cna_v3_lock2_threads"), ("open1", "cna_v3_open1_threads")):
        entry = _entry(backtest, ids)
        out.gain(f"bt_{name}", entry.predicted or 0.0)
        out.words(f"bt_{name}_published", _published(entry))


def _entry(backtest: Backtest, name: str, reading: str = "") -> Entry:
    return next(e for e in backtest.entries if e.id == name and e.reading == reading)


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
    return [title(entry), KIND[entry.kind], copies, *gains, verdict]
