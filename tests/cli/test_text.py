"""Tables for people where there is little room."""

from __future__ import annotations

from lockmodel.cli import text as tx

ROWS = [["skip:libc.so.6/exec.map_split", "+139 %"], ["shard:all=64", "+192 %"]]


def printed(columns: list[str], fold: tuple[int, ...]) -> list[str]:
    return tx.render([tx.table(columns, ROWS, left=(0,), fold=fold)], False).splitlines()


def test_a_column_gives_way_to_16_characters_and_then_rows_become_blocks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "32")
    assert printed(["a change", "its gain"], (0,)) == [
        "a change                its gain",
        "skip:libc.so.6/exec.ma    +139 %",
        "p_split",
        "shard:all=64              +192 %",
    ]
    assert printed(["a change", "its gain in per cent"], (0,)) == [
        "a change",
        "skip:libc.so.6/exec.map_split",
        "  its gain in per cent +139 %",
        "shard:all=64",
        "  its gain in per cent +192 %",
    ]


def test_a_short_name_stands_before_every_block(monkeypatch):
    monkeypatch.setenv("COLUMNS", "32")
    assert printed(["n", "gain"], ()) == [
        "n skip:libc.so.6/exec.map_split",
        "  gain +139 %",
        "n shard:all=64",
        "  gain +192 %",
    ]
