"""What pasting adds is taken away for every reader, and said; data that look like it are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from readings import content, sample, text
from test_reader_robustness import NOWHERE, OPTIONS, WHAT

from lockmodel.observe.observations import Observation, Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text

CSV = "threads,ops/s\n1,100\n2,190\n4,300\n"


def bare(reading: Reading) -> list[Observation]:
    return [replace(o, source=NOWHERE) for o in reading.observations]


def read(words: str) -> Reading:
    return read_text(from_text(words, "f"), OPTIONS)


def each(form: str, words: str, first: int = 1) -> str:
    lines = words.splitlines()
    return "".join(form.format(n=n, line=line) + "\n" for n, line in enumerate(lines, first))


FORMS = {
    "{n:6d}\t{line}": "numbers of lines",  # cat -n
    "{n:3d} | {line}": "numbers of lines",
    "{n}: {line}": "numbers of lines",
    "{n:4d}   \u2502 {line}": "numbers of lines",  # bat
    "+{line}": "marks of a diff",
    "\x1b[32m{line}\x1b[0m": "colours of a terminal",
    "{n}:{line}": "numbers of lines",  # grep -n
    "logs/run.txt:{line}": "what grep puts before a line",  # grep -H
    "logs/run.txt:{n}:{line}": "what grep puts before a line",
    "> > {n:6d}\t{line}": "numbers of lines",
}
"""How each line is pasted -> what is said."""

MARKED = ("own_lock_stat_numbered.txt", "own_lock_stat_wrapped.txt", "own_unixbench_grep.txt")
"""Samples that are pasted already."""


@pytest.mark.parametrize("form", FORMS)
def test_every_sample_is_read_alike_when_pasted(form: str) -> None:
    count = 0
    for name in WHAT:
        words = content(name)
        if name in MARKED or len(words.splitlines()) < 3:
            continue
        want = bare(read(words))
        if want and "{n}" not in form and "logs" in form and words.count("\n\n"):
            words = "\n".join(line for line in words.splitlines() if line) + "\n"
            want = bare(read(words))
        made = read(each(form, words))
        assert bare(made) == want, name
        assert any(FORMS[form] in warning for warning in made.warnings), name
        count += 1
    assert count > 45


AROUND = {
    "fence": "Hi all,\n\nI ran this on 2 sockets x 20 cores for 30 s:\n\n```\n{}```\n\n"
    "That is 12 % less than before. Any idea?\n",
    "words": "Hi all,\n\nI ran this on 2 sockets x 20 cores for 30 s:\n\n{}\n\n"
    "That is 12 % less than before. Any idea?\n",
    "mail": "From: A <a@b.c>\nTo: l@k.o\nSubject: results\nDate: Thu, 1 Jan 2026 10:00:00 +0000\n"
    "Message-ID: <1@b.c>\n\nHi all,\n\n{}\n-- \nA\n",
    "blanks": "",
}


@pytest.mark.parametrize("form", AROUND)
def test_every_sample_is_read_alike_among_words_and_with_blanks_before_it(form: str) -> None:
    for name in WHAT:
        words = content(name).rstrip("\n") + "\n"
        around = AROUND[form].replace("{}", words)
        blanks = "".join(f"    {line}".rstrip() + "\n" for line in words.splitlines())
        assert bare(read(around or blanks)) == bare(read(words)), name


def test_a_line_keeps_its_number() -> None:
    reading = read(each("> {n:6d}\t{line}", CSV))
    assert [o.source.line for o in reading.observations] == [2, 3, 4]


def test_the_documentation_of_lock_stat_is_read_with_its_numbered_lines() -> None:
    """ "06 &mm->mmap_sem" was once the name of the lock."""
    reading = sample("own_lock_stat_numbered.txt")
    assert {o.lock for o in reading.observations} == {"&mm->mmap_sem"}
    holds = [(o.mode, o.value, o.count) for o in reading.observations if o.kind == "hold_time"]
    assert holds == [("write", 3e-6, 2000), ("read", 1e-6, 8000)]
    waits = [(o.mode, o.value) for o in reading.observations if o.kind == "mean_wait"]
    assert waits == [("write", pytest.approx(20e-6)), ("read", pytest.approx(10e-6))]
    assert [f.value for f in reading.facts if "do_mmap_sem_thing" in f.name] == [120]


def test_rows_that_a_mailer_wrapped_are_joined_and_counted() -> None:
    plain, wrapped = sample("own_lock_stat_numbered.txt"), sample("own_lock_stat_wrapped.txt")
    assert bare(plain) == bare(wrapped)
    assert "3 wrapped rows were joined" in wrapped.warnings  # two classes and a point
    assert [o.source.line for o in wrapped.observations if o.kind == "hold_time"] == [9, 12]


def test_a_row_that_is_cut_off_is_not_joined_with_the_next() -> None:
    words = content("own_lock_stat_numbered.txt").replace(" 3.00\n", "\n")
    with pytest.raises(Exception, match="a class and 12 numbers were expected"):
        read(words)


def test_the_new_side_of_a_diff_is_read() -> None:
    words = (
        "diff --git a/x.csv b/x.csv\n--- a/x.csv\n+++ b/x.csv\n@@ -1,3 +1,4 @@\n threads,ops/s\n"
        " 1,100\n-2,150\n+2,190\n+4,300\n"
    )
    assert [(o.n, o.value) for o in read(words).observations] == [(1, 100), (2, 190), (4, 300)]
    assert [o.source.line for o in read(words).observations] == [6, 8, 9]


def test_prompts_are_commands_and_state_the_population() -> None:
    prompts = ("user@host:~/x$ ", "$ ", "[root@host bench]# ", "(venv) user@host:/tmp$ ")
    for prompt in prompts:
        words = f"{prompt}cat x.csv\n{CSV}{prompt}\n" if prompt != "$ " else f"$ cat x.csv\n{CSV}"
        reading = text(words)
        assert [o.value for o in reading.observations] == [100, 190, 300]
        assert any("prompts of a shell" in warning for warning in reading.warnings)
    runs = sample("own_will_it_scale_runs.txt")
    assert [(o.n, o.variant, o.value, o.repeat) for o in runs.observations] == [
        (4, "processes", 1005000, 1),
        (4, "processes", 1006000, 2),
        (8, "processes", 1770000, 1),
        (8, "processes", 1772000, 2),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "threads ops/s\n1 10\n2 20\n3 30\n4 40\n5 50\n",
        "threads\tops/s\n1\t10\n2\t20\n3\t30\n4\t40\n5\t50\n",
        "threads,ops/s\n1,10\n2,20\n3,30\n4,40\n5,50\n",
        "# threads ops/s\n1 10\n2 20\n3 30\n4 40\n5 50\n",
        "| n | ops/s |\n|---|---|\n| 1 | 10 |\n| 2 | 20 |\n| 3 | 30 |\n| 4 | 40 |\n| 5 | 50 |\n",
    ],
)
def test_a_population_that_counts_is_no_number_of_a_line(words: str) -> None:
    reading = text(words)
    assert [(o.n, o.value) for o in reading.observations] == [(n, 10 * n) for n in range(1, 6)]
    assert reading.warnings == ()


def test_lines_of_several_files_are_told_apart_by_what_moves_in_their_names() -> None:
    reading = sample("own_unixbench_grep.txt")
    assert [(o.n, o.value) for o in reading.observations] == [(1, 1234.5), (2, 2222), (4, 3333)]
    assert any("lab-08" not in w and "0.0 s: nothing was measured" in w for w in reading.warnings)
    named = "a/stock.csv:threads,ops/s\na/stock.csv:1,10\nb/new.csv:threads,ops/s\nb/new.csv:1,12\n"
    assert [(o.variant, o.n, o.value) for o in text(named).observations] == [
        ("a/stock.csv", 1, 10),
        ("b/new.csv", 1, 12),
    ]


MAIL = """From: Somebody <somebody@example.org>
Subject: Re: [PATCH] perf lock contention
Date: Thu, 19 Dec 2024 22:00:09 -0800
Message-ID: <2@example.org>
Content-Transfer-Encoding: quoted-printable

On Wed, Jun 28, 2023 at 1:01=E2=80=AFPM Another <another@example.org> =
wrote:
>
>   $ sudo ./perf lock con -ab -- ./brk1_threads -t 16
>    contended   total wait     max wait     avg wait         type   caller
>
>            3     76.79 us     26.89 us     25.60 us     rwlock:R   ep_pol=
l_callback+0x2d
>                         0xffffffff9a23f4b5  _raw_read_lock_irqsave+0x45
>
> Suggested-by: Another <another@example.org>

Acked-by: Somebody <somebody@example.org>
---
 tools/perf/builtin-lock.c                     | 13 ++----
 4 files changed, 78 insertions(+), 17 deletions(-)
"""


def test_a_whole_mail_is_read_with_its_header_its_breaks_and_words_around_the_table() -> None:
    reading = text(MAIL)
    (wait,) = reading.observations
    assert (wait.site, wait.mode, wait.count) == ("ep_poll_callback", "read", 3)
    assert wait.value == pytest.approx(76.79e-6 / 3)
    assert (wait.n, wait.source.line) == (16, 13)
    said = " ".join(reading.warnings)
    for part in (
        "quoted-printable",
        "header and signature of a mail",
        "mail quoting",
        "after the table",
    ):
        assert part in said


@pytest.mark.parametrize("sep", [",", "\t", " "])
@pytest.mark.parametrize("fence", ["", "```\n"])
def test_a_table_among_words_is_found_and_the_words_are_said(sep: str, fence: str) -> None:
    table = CSV.replace(",", sep)
    reading = text(f"Hi,\n\nhere is what 16 cores give:\n\n{fence}{table}{fence}\nIs that good?\n")
    assert [(o.n, o.value) for o in reading.observations] == [(1, 100), (2, 190), (4, 300)]
    assert reading.warnings == ("3 lines around it were left out",)


def test_words_after_a_table_are_said_and_a_row_that_is_cut_is_refused() -> None:
    reading = text(f"{CSV}\nThese are means of 3 runs.\n")
    assert [o.value for o in reading.observations] == [100, 190, 300]
    assert any("1 line skipped, after the table" in warning for warning in reading.warnings)
    with pytest.raises(Exception, match="1 cells for the 2 columns"):
        text(f"{CSV}8\n")
