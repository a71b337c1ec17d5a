"""Typst -> PDF: the same bytes for the same sources."""

from __future__ import annotations

from pathlib import Path

from lockmodel.errors import LockmodelError
from lockmodel.paper.errors import PaperError, complain

MAIN = "main.typ"
PAGES = "pages"
"""Label of the metadata with the number of pages."""


class MissingTypstError(LockmodelError):
    """The typst package is not installed (exit 4)."""

    exit_code = 4


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
    import json

    import typst

    found = typst.query(
        str(paper / MAIN),
        f"<{PAGES}>",
        field="value",
        one=True,
        root=str(paper),
        ignore_system_fonts=True,
    )
    return int(json.loads(found))
