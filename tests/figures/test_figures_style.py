"""What all figures share: bytes that repeat, text that can be read, and helpers of axes."""

from __future__ import annotations

import inspect
import io
import re
from functools import cache
from itertools import combinations, pairwise

import pytest
from few import few_draws
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from places import timed

from lockmodel.errors import ArgumentError
from lockmodel.evaluate.backtest.engine import all_cases, run
from lockmodel.figures import agreement, changes, rates, registry, shards, style


def some_shards():
    walks = shards.ShardLine(
        5e3,
        (1, 2, 4),
        (33e3, 46e3, 94e3),
        (30, 150, 200),
        (33e3, 45e3, 95e3),
        (2e-3, 6e-3, 18e-3),
    )
    plain = shards.ShardLine(
        0.0, (1, 2, 4), (34e3, 90e3, 190e3), (30, 50, 130), (34e3, 90e3, 191e3), ()
    )
    return shards.ShardsData("some", "libc.so.6", 64e-6, 128, (plain, walks))


def some_agreement():
    rows = tuple(
        agreement.AgreementRow(n, 1.0, 0.02, 1.01 if n < 4 else None, 1.008, 1.005, 1.012)
        for n in (1, 2, 4, 8)
    )
    return agreement.AgreementData(
        (agreement.AgreementPanel("one", rows), agreement.AgreementPanel("another", rows[:3]))
    )


def some_rates():
    curve = tuple(
        rates.PredictedRate("some", n, x, 0.8 * x, 1.3 * x, 1.1 * x)
        for n, x in ((1, 4e3), (16, 48e3), (128, 31e3))
    )
    busy = (curve[-1], rates.PredictedRate("4 x 8380H", 224, 19e3, 14e3, 25e3, 18e3))
    return rates.RatesData(0.8, curve, busy)


def some_changes():
    with few_draws():
        return run(ids=["huang_v2_tree_and_lock_split", "yuma_mmap_region"], workers=1)


MODELS = ("execl-xeon8369b", "execl-direct", "doexec-20", "sysexec-spr224-v6.1")
CASES = {
    **{f"ceiling {m}": ("ceiling", m) for m in MODELS},
    **{f"{name} {m}": (name, m) for name in ("curve", "chain") for m in MODELS[:2]},
    f"hold {MODELS[0]}": ("hold", MODELS[0]),
    **{name: (name, None) for name in ("acquires", "held", "errors")},
    "backtest": ("backtest", some_changes),
    "shards": ("shards", some_shards),
    "solvers": ("solvers", some_agreement),
    "rates": ("rates", some_rates),
}
"""What is drawn -> figure, and its model or data."""


@cache
def made(case):
    name, what = CASES[case]
    if callable(what):
        return name, what()
    return name, registry.make(name, **({"scenario": timed(what)} if what else {}))


def drawn(name, data, kind, width="page"):
    stream = io.BytesIO()
    registry.draw(name, data, stream, kind, width)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_bytes_every_time(kind):
    name, data = made("chain execl-xeon8369b")
    first = drawn(name, data, kind)
    assert first == drawn(name, data, kind)
    assert not re.search(rb"<dc:date>|CreationDate|ModDate", first)
    assert drawn(name, data, kind, "column") != first


def test_the_same_bytes_whatever_python_hashes(cli, monkeypatch, tmp_path):
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert cli("figure", "errors", "-o", f"{seed}.pdf").fine
    assert (tmp_path / "1.pdf").read_bytes() == (tmp_path / "2.pdf").read_bytes()


TOUCH = 1.0
"""Pixels at 160 dpi by which texts may touch: what a bounding box has beyond the ink."""


@pytest.mark.parametrize("width", list(style.WIDTHS))
@pytest.mark.parametrize("case", CASES)
def test_every_text_is_inside_large_enough_and_alone(case, width, monkeypatch):
    places = {}
    draw_text, save = Text.draw, Figure.savefig

    def draw(text, renderer):
        draw_text(text, renderer)
        if text.get_text().strip() and text.get_visible():
            places[text] = text.get_window_extent(renderer), text.figure.bbox.frozen()

    def savefig(figure, *args, **kwargs):
        places.clear()  # what was drawn to settle the layout
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Text, "draw", draw)
    monkeypatch.setattr(Figure, "savefig", savefig)
    name, data = made(case)
    drawn(name, data, "png", width)
    assert len(places) > 8
    for text, (box, page) in places.items():
        assert text.get_fontsize() >= style.SMALL
        assert box.x0 >= -TOUCH, text
        assert box.y0 >= -TOUCH, text
        assert box.x1 <= page.x1 + TOUCH, text
        assert box.y1 <= page.y1 + TOUCH, text
    for (one, (a, _)), (other, (b, _)) in combinations(places.items(), 2):
        if one.get_rotation() % 90 or other.get_rotation() % 90:
            continue  # along an iso-line: its box is larger than the text
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(wide, high) <= TOUCH, (one, other)


UNITS = {
    "curve execl-xeon8369b": {"processes", "throughput (k/s)"},
    "hold execl-xeon8369b": {"iterations per second", "100 k/s", "2 shards"},
    "ceiling execl-xeon8369b": {"acquires of libc.so.6 per iteration", "shards of libc.so.6"},
    "chain execl-xeon8369b": {"ceiling without the locks above it (k/s)", "35.1 k/s"},
    "acquires": {"acquires of libc.so.6 per iteration", "29, 29, 29"},
    "held": {"held instructions per acquire", "processes that map the file"},
    "errors": {"error of product form (%)"},
    "backtest": {"gain of throughput (%), linear up to the dotted line", "tree and lock split"},
    "shards": {"throughput (k/s)", "mean walk (ms)", "shards, by CPU; 128 processes"},
    "solvers": {"difference from product form (%)", "processes"},
    "rates": {"throughput (k/s)", "all CPUs busy (k/s)", "4 x 8380H, sysexec"},
}


@pytest.mark.parametrize("case", UNITS)
def test_axes_have_units(case):
    name, data = made(case)
    texts = {
        text.strip() for text in re.findall(r"<!-- (.*?) -->", drawn(name, data, "svg").decode())
    }
    assert texts >= UNITS[case]


def test_every_record_of_the_backtest_has_a_title_and_every_row_the_same_height():
    assert {case.id for case in all_cases()} == set(changes.TITLES)
    assert set(changes.READINGS) <= {case.reading for case in all_cases()}
    name, data = made("backtest")
    rows = len(data.entries)
    height = re.search(r'height="([\d.]+)pt"', drawn(name, data, "svg").decode())
    assert float(height.group(1)) == pytest.approx(72 * (0.9 + 0.2 * rows))


# registry -------------------------------------------------------------------------------------


def test_every_figure_has_its_functions_and_takes_what_it_says():
    for entry in registry.ENTRIES:
        module = __import__(f"lockmodel.figures.{entry.module}", fromlist=["data"])
        assert set(entry.takes) == set(inspect.signature(module.data).parameters), entry.name
        assert list(inspect.signature(module.draw).parameters) == ["figure", "drawn"]
    assert len(set(registry.NAMES)) == len(registry.NAMES)


def test_unknown_names_parameters_and_widths():
    with pytest.raises(ArgumentError, match="'chian' is no figure; did you mean 'chain'"):
        registry.make("chian")
    with pytest.raises(ArgumentError, match="'held' takes no 'scenario'; its parameters: none"):
        registry.make("held", scenario=None)
    with pytest.raises(ArgumentError, match="width 'colum'; did you mean 'column'"):
        registry.draw("chain", None, io.BytesIO(), "svg", "colum")


# helpers --------------------------------------------------------------------------------------


@given(st.lists(st.floats(-10, 10), max_size=8), st.floats(0.01, 2))
def test_spread_keeps_order_distance_and_mean(values, gap):
    made = style.spread(values, gap)
    ranked = sorted(range(len(values)), key=lambda i: values[i])
    for below, above in pairwise(ranked):
        assert made[above] - made[below] >= gap * (1 - 1e-9) - 1e-9
    assert sum(made) == pytest.approx(sum(values), abs=1e-6)


def test_spread_leaves_what_is_far_apart():
    assert style.spread([5.0, 1.0, 3.0], 1.0) == [5.0, 1.0, 3.0]
    assert style.spread([0.0, 0.0], 1.0) == [-0.5, 0.5]


def test_ticks():
    assert style.powers(1, 128) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert style.powers(1, 224, most=4) == [1, 4, 16, 64]
    assert style.powers(3, 3) == []
    assert style.round_numbers(30, 700, 5) == [50, 100, 200, 500]
    assert style.round_numbers(1, 1000, 5) == [1, 10, 100, 1000]
    assert [style.counted(n) for n in (1, 512, 1024, 4096)] == ["1", "512", "1 k", "4 k"]
    assert [style.rate(x) for x in (50, 5e4, 374_213, 1e7)] == [
        "50 /s",
        "50 k/s",
        "374 k/s",
        "10 M/s",
    ]
