"""Whether text and numbers agree: before anything is typeset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from lockmodel.errors import nearest
from paper.tools import bibliography, prose
from paper.tools.errors import complain
from paper.tools.records import Record

FIGURES = "figures"


def sources(paper: Path) -> list[prose.Source]:
    """Return what all .typ files of a paper name."""
    files = sorted([*paper.glob("*.typ"), *(paper / "sections").glob("*.typ")])
    return [prose.read(path, paper) for path in files]


def check_text(sources: Sequence[prose.Source]) -> None:
    """Raise PaperError for numbers that are typed in the text."""
    typed = [one for source in sources for one in source.typed]
    complain("numbers typed in the text; write them in a script, name them here as #n.NAME", typed)


def check_drawings(paper: Path, figures: Sequence[str]) -> None:
    """Raise PaperError for figures that were not drawn."""
    files = [f"{FIGURES}/{name}.pdf" for name in figures]
    missing = [f"{file}: is missing" for file in files if not (paper / file).is_file()]
    complain(f"drawings are gone; remove {FIGURES}/ and build again: make paper", missing)


def check_names(
    paper: Path,
    sources: Sequence[prose.Source],
    records: Sequence[Record],
    figures: Sequence[str],
) -> None:
    """Raise PaperError for names that do not exist, are not used, or exist twice."""
    values = [name for record in records for name in record.values]
    tables = [name for record in records for name in record.tables]
    problems = [f"{name}: named by two scripts" for name in _twice([*values, *tables])]
    problems += _compared("value", [p for s in sources for p in s.values], values)
    problems += _compared("table", [p for s in sources for p in s.tables], tables)
    problems += _compared("figure", [p for s in sources for p in s.figures], figures)
    labels = [label for source in sources for label in source.labels]
    problems += [f"<{label}>: two places have this label" for label in _twice(labels)]
    known = [*labels, *bibliography.keys((paper / bibliography.FILE).read_text("utf-8"))]
    for source in sources:
        problems += [
            f"{place.where}: @{place.name} is no label and not in {bibliography.FILE}; "
            f"{nearest(place.name, known)}"
            for place in source.references
            if place.name not in known
        ]
    complain("text and scripts do not agree", problems)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _compared(what: str, named: Sequence[prose.Place], written: Sequence[str]) -> list[str]:
    """Return what is named and not written, and what is written and not named."""
    known = set(written)
    problems = [
        f"{place.where}: no script writes the {what} {place.name!r}; "
        f"{nearest(place.name, [*known])}"
        for place in named
        if place.name not in known
    ]
    used = {place.name for place in named}
    return problems + [
        f"{what} {name!r}: a script writes it and the text does not use it"
        for name in sorted(known - used)
    ]
