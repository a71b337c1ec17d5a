"""UnixBench's HTML report: the same facts as the text, for those who have nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import unixbench
from lockmodel.observe.text import Line, Text

TITLE = "UnixBench HTML report"
READS = "the same as in the report"
GIVES = ("throughput",)
REMEDY = unixbench.REMEDY

RUN = re.compile(r"Benchmark Run: (\d+) CPUs?; (\d+) parallel process(?:es)?")
INDEX_SLACK = 0.06
PASSES = "time and number of passes"
HEADER = ["Test", "Score", "Unit", "Time", "Iters.", "Baseline", "Index"]


class _Tables(HTMLParser):
    """Collects the texts of headings and the cells of table rows, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[tuple[int, str, list[str]]] = []
        self.lines: dict[int, list[int]] = {}
        """Where each cell of the row of a part stands."""

        self._row: list[str] = []
        self._cells: list[int] = []
        self._inside = ""
        self._line = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._row, self._cells, self._line = [], [], self.getpos()[0]
        elif tag in ("td", "th"):
            self._row.append("")
            self._cells.append(self.getpos()[0])
            self._inside = tag
        elif tag in ("h2", "h3"):
            self.parts.append((self.getpos()[0], tag, [""]))
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
        elif tag == "tr" and self._row:
            self.lines[len(self.parts)] = self._cells
            self.parts.append((self._line, "tr", [cell.strip() for cell in self._row]))
            self._row = []

    def handle_data(self, data: str) -> None:
        if self._inside in ("td", "th") and self._row:
            self._row[-1] += data
        elif self._inside in ("h2", "h3"):
            self.parts[-1][2][0] += data


def sniff(text: Text) -> bool:
    """Return whether it is HTML about a benchmark run."""
    begins = text.filled[0].text.lstrip().lower()
    return begins.startswith(("<!doctype html", "<html")) and "BYTE UNIX" in text.whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a UnixBench HTML report (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    parser = _Tables()
    try:
        parser.feed(text.whole)
        parser.close()
    except (AssertionError, ValueError) as error:  # html.parser on broken declarations
        raise collector.error(None, f"broken HTML ({error})") from None
    copies: int | None = None
    seen: set[tuple[int, str]] = set()
    for part, (number, tag, cells) in enumerate(parser.parts):
        line = text.lines[min(number, len(text.lines)) - 1]
        shown = Line(line.number, " ".join(cells))
        if tag != "tr":
            if run := RUN.fullmatch(cells[0].strip()):
                collector.note("cpus", run[1])
                copies = collector.whole(shown, "processes", run[2], least=1)
        elif copies is None:
            if len(cells) == 2 and cells[0].endswith(":"):
                collector.note(cells[0].rstrip(":").lower(), cells[1])
        elif cells == HEADER:
            continue
        elif len(cells) == len(HEADER):
            lines = [Line(own, shown.text) for own in parser.lines[part]]
            _row(collector, lines, copies, cells, seen)
        elif len(cells) == 2 and "Index Score" in cells[0]:
            collector.fact(
                "index score",
                collector.number(shown, "score", cells[1]),
                "",
                Line(parser.lines[part][1], shown.text),
                copies,
            )
        elif not any("Score" in cell for cell in cells):
            collector.skip(shown, "a row of the table that is no result")
    if collector.observations:
        collector.warn(unixbench.AGGREGATED)
    if not text.whole.rstrip().lower().endswith("</html>"):
        collector.warn("the page does not end with </html>: it may be cut off")
    return collector.reading(empty="no table of results under a heading 'Benchmark Run: ...'")


def _row(
    collector: Collector,
    lines: list[Line],
    copies: int,
    cells: list[str],
    seen: set[tuple[int, str]],
) -> None:
    """Take a result, from the line of its score."""
    test, score_text, unit, _, _, baseline_text, index_text = cells
    line = lines[1]
    for name, of in ((PASSES, 3), (PASSES, 4), ("baseline", 5), ("index", 6)):
        collector.checked(lines[of], name)
    if (copies, test) in seen:
        raise collector.error(line, f"{test} is given twice for {copies} processes")
    seen.add((copies, test))
    if unit not in unixbench.UNITS:
        raise collector.error(line, f"unit {unit!r} is none of {', '.join(unixbench.UNITS)}")
    score = collector.number(line, "score", score_text)
    if re.fullmatch(r"[\d.,]+", index_text) and re.fullmatch(r"[\d.,]+", baseline_text):
        baseline = collector.number(line, "baseline", baseline_text)
        index = collector.number(line, "index", index_text)
        if baseline > 0 and abs(10 * score / baseline - index) > INDEX_SLACK + 0.5 / baseline:
            raise collector.error(line, f"index {index:g} is not score / baseline x 10")
    unixbench.add(collector, line, test, score, unit, copies)
