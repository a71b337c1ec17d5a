"""Tables of published changes, predicted with the own result hidden."""

from lockmodel.evaluate.backtest.case import LEVEL, Backtest, Column, Entry
from lockmodel.evaluate.backtest.columns import OWN
from lockmodel.evaluate.backtest.counts import MODEL_ERROR
from lockmodel.evaluate.backtest.engine import run
from lockmodel.evaluate.backtest.moved import RBTREE
from lockmodel.figures.changes import GROUP, title
from lockmodel.units import gain
from paper.tools.out import Out, gain_range

KIND = {
    "shorten_hold": "shorter hold",
    "fewer_lines": "fewer lines",
    "nearer_lines": "nearer lines",
    "exclude": "not taken",
    "shard": "shards",
    "batch": "fewer acquires",
    "cheaper_handoff": "cheaper hand-off",
    "none (same hand-off)": "none",
}

LINES = "lines"
"""The column that is the best rival."""


def make(out: Out) -> None:
    """Write the tables; name counts, scores, hits and misses."""
    backtest = run()
    changes = [e for e in backtest.entries if e.group == GROUP]
    heads = ["change", "lever", "copies", "published", "predicted", "interval", "verdict"]
    out.table("changes", heads, [_row(e) for e in changes], words=2)
    transfers = [e for e in backtest.entries if e.group == "transfer"]
    out.table("transfers", heads[:1] + heads[3:], [_row(e)[:1] + _row(e)[3:] for e in transfers])
    columns = ["predicted by", "log score", "ahead", "standard error", "patches inside"]
    out.table("columns", columns, [_column(c) for c in backtest.columns])
    for name, group in (("changes", GROUP), ("transfers", "transfer")):
        for verdict in ("inside", "outside", "undecidable"):
            out.count(f"{name}_{verdict}", backtest.count(verdict, group))  # type: ignore[arg-type]
        decided = backtest.count("inside", group) + backtest.count("outside", group)
        out.count(f"{name}_decidable", decided)
    out.count("backtest_draws", backtest.draws)
    own, rival = backtest.columns[0], backtest.best_rival
    assert rival is not None
    out.number("bt_score", own.score, f"{own.score:.2f}")
    out.number("bt_rival_score", rival.score, f"{rival.score:.2f}")
    out.number("bt_ahead", rival.difference, f"{rival.difference:.2f}")
    out.number("bt_ahead_error", rival.error, f"{rival.error:.2f}")
    if rival.name != LINES or own.score < rival.score:
        raise ValueError("the model is not ahead of lines and lines of the rest: the text says so")
    out.count("bt_rival_inside", rival.inside)
    for column in backtest.columns:
        if column.name in ("acquires", "instructions", "operations"):
            out.number(f"bt_{column.name}_score", column.score, f"{column.score:.2f}")
        if column.name in ("acquires", "instructions"):
            out.number(f"bt_{column.name}_ahead", column.difference, f"{column.difference:.2f}")
            out.number(f"bt_{column.name}_ahead_error", column.error, f"{column.error:.2f}")
    out.share("bt_level", LEVEL)
    out.share("bt_model_error", MODEL_ERROR)
    out.words("bt_rbtree", " to ".join(f"{end:g}" for end in RBTREE))
    for name, ids in (
        ("batched", "lkp_spr_224"),
        ("small", "guzik_batch_unlink"),
        ("trees", "huang_v1_tree_split"),
        ("split", "huang_v2_tree_and_lock_split"),
        ("moved", "yuma_mmap_region"),
    ):
        entry = _entry(backtest, ids)
        out.gain(f"bt_{name}", entry.predicted or 0.0, entry.interval)
        out.words(f"bt_{name}_published", _published(entry).replace("> ", "more than "))
    lines = (_entry(backtest, "lkp_spr_224").columns or {})[LINES]
    out.gain("bt_batched_lines", lines.predicted or 0.0)
    excluded = _entry(backtest, "yibin_rmap_exclude", "libc, ld")
    out.gain("bt_excluded", excluded.predicted or 0.0, excluded.interval)
    out.words("bt_excluded_published", f"about {gain(sum(excluded.published) / 2)}")  # type: ignore[arg-type]
    guest = _entry(backtest, "cna_v3_open1_paravirt_guest")
    out.gain("bt_guest", guest.predicted or 0.0)
    out.words("bt_guest_published", _published(guest))
    for name, ids in (("lock2", "cna_v3_lock2_threads"), ("open1", "cna_v3_open1_threads")):
        entry = _entry(backtest, ids)
        out.gain(f"bt_{name}", entry.predicted or 0.0)
        out.words(f"bt_{name}_published", _published(entry))


def _column(column: Column) -> list[str]:
    """Return name, log score, how far lockmodel is ahead with its error, patches inside."""
    own = column.name == OWN
    ahead = ["", ""] if own else [f"{column.difference:.2f}", f"{column.error:.2f}"]
    return [column.name, f"{column.score:.2f}", *ahead, f"{column.inside}"]


def _entry(backtest: Backtest, name: str, reading: str = "") -> Entry:
    return next(e for e in backtest.entries if e.id == name and e.reading == reading)


def _published(entry: Entry) -> str:
    low, high = entry.published
    if low is None or high is None:
        return f"> {gain(low or 0.0)}" if high is None else f"< {gain(high)}"
    if high - low < 0.011:
        return gain((low + high) / 2)
    return f"{gain_range(low, high)} %"


def _row(entry: Entry) -> list[str]:
    """Return change, lever, copies, published, predicted, interval, verdict."""
    if entry.predicted is not None:
        predicted = gain(entry.predicted)
    elif entry.verdict != "no lever" and entry.limits is not None and entry.limits[1] is not None:
        predicted = f"to {gain(entry.limits[1])}"
    else:
        predicted = "-"
    interval = "" if entry.interval is None else f"{gain_range(*entry.interval)} %"
    verdict = {"outside": "OUTSIDE", "undecidable": "open"}.get(entry.verdict, entry.verdict)
    copies = "-" if entry.population is None else f"{entry.population}"
    gains = [text.replace(" %", "") for text in (_published(entry), predicted, interval)]
    return [title(entry), KIND[entry.kind], copies, *gains, verdict]
