"""Numbers, drawings and text -> paper/lockmodel.pdf, if they agree: the same bytes every time.

python -m paper.tools.typeset
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import LockmodelError
from lockmodel.figures import registry
from paper.tools import bibliography, check, records, scripts
from paper.tools.errors import PaperError, complain, run_tool

PAPER = Path(__file__).resolve().parents[1]

MAIN = "main.typ"
PDF = "lockmodel.pdf"
PAGES = "pages"
"""Label of the metadata with the number of pages."""


class MissingTypstError(LockmodelError):
    """The typst package is not installed (exit 4)."""

    exit_code = 4


@dataclass(frozen=True)
class Built:
    """What was typeset: the file, and how much of what is in it."""

    pdf: Path
    pages: int
    figures: int
    tables: int
    values: int


def build(paper: Path, figures: Sequence[str] = registry.NAMES) -> Built:
    """Check that text, numbers and drawings agree, and typeset the paper.

    Parameters
    ----------
    paper : Path
        Folder with main.typ, numbers/ and figures/.
    figures : sequence of str
        Names of the figures that were drawn.

    Raises
    ------
    PaperError
        A number is typed, missing or unused, a drawing is missing, or Typst refuses the text.
    """
    named = check.sources(paper)
    check.check_text(named)
    check.check_drawings(paper, figures)
    written = records.read_all(paper, [script.stem for script in scripts.find(paper)])
    check.check_names(paper, named, written, figures)
    cited = bibliography.with_notes((paper / bibliography.FILE).read_text(encoding="utf-8"))
    numbers = paper / records.NUMBERS
    records.write_atomically(numbers / records.MERGED, records.merged(written))
    records.write_atomically(numbers / bibliography.FILE, cited.encode())
    (pdf,) = typeset(paper)
    made = Built(
        paper / PDF,
        pages(paper),
        len(figures),
        sum(len(record.tables) for record in written),
        sum(len(record.values) for record in written),
    )
    records.write_atomically(made.pdf, pdf)
    return made


def typeset(paper: Path, kind: str = "pdf", ppi: float | None = None) -> list[bytes]:
    """Return the paper as files: one PDF, or a PNG per page.

    Parameters
    ----------
    paper : Path
        Folder with main.typ and all that it reads.
    kind : {'pdf', 'png'}
    ppi : float, optional
        Dots per inch of a PNG.

    Raises
    ------
    PaperError
        Typst refuses the text or warns of something.
    MissingTypstError
        The package is not installed.
    """
    try:
        import typst
    except ImportError:
        raise MissingTypstError(
            "paper: the Python package typst is missing; install it: pip install "
            "'lockmodel[paper]' (make paper does)"
        ) from None
    compiler = typst.Compiler(str(paper / MAIN), root=str(paper), ignore_system_fonts=True)
    try:
        made, warnings = compiler.compile_with_warnings(
            format="pdf" if kind == "pdf" else "png", ppi=ppi, timestamp=0
        )
    except typst.TypstError as error:
        raise PaperError(f"paper: Typst refuses the text: {error}") from None
    complain("Typst warns", [str(getattr(one, "message", one)) for one in warnings])
    if made is None:
        raise PaperError("paper: Typst gave nothing")
    return [made] if isinstance(made, bytes) else list(made)


def pages(paper: Path) -> int:
    """Return how many pages the paper has, references and appendix included."""
    import typst

    labels = typst.query(
        str(paper / MAIN),
        f"<{PAGES}>",
        field="value",
        one=True,
        root=str(paper),
        ignore_system_fonts=True,
    )
    return int(json.loads(labels))


def summary(made: Built) -> str:
    """Return in a line what was typeset."""
    return (
        f"{made.pdf}: {made.pages} pages, {made.figures} figures, {made.tables} tables, "
        f"{made.values} named values"
    )


if __name__ == "__main__":
    sys.exit(run_tool(lambda: print(summary(build(PAPER)))))
