"""Whether text and numbers agree: before anything is typeset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from lockmodel.errors import nearest
from lockmodel.paper import bibliography, inputs, prose
from lockmodel.paper.errors import complain
from lockmodel.paper.records import FIGURES, NUMBERS, Record, intact
from lockmodel.paper.scripts import Script


def sources(paper: Path) -> list[prose.Source]:
    """Return what all .typ files of a paper name."""
    files = sorted([*paper.glob("*.typ"), *(paper / "sections").glob("*.typ")])
    return [prose.read(path, paper) for path in files]


def check_text(found: Sequence[prose.Source]) -> None:
    """Raise PaperError for numbers that are typed in the text."""
    typed = [one for source in found for one in source.typed]
    complain("numbers typed in the text; write them in a script, name them here as #n.NAME", typed)


def check_fresh(
    paper: Path, records: Sequence[Record], scripts: Sequence[Script], common: inputs.Stamp
) -> None:
    """Raise PaperError for records of other inputs, of no script, or without their drawings."""
    problems = []
    by_path = {script.path: script for script in scripts}
    others: dict[str, list[str]] = {}
    for record in records:
        file = f"{NUMBERS}/{record.name}"
        script = by_path.get(record.script)
        if script is None:
            problems.append(f"{file}: its script {record.script} is gone; remove the file")
            continue
        other = inputs.differing(record.stamp, inputs.stamp_of(paper / script.path, common))
        if other:
            others.setdefault(", ".join(other), []).append(file)
        elif not intact(paper, record):
            problems.append(f"{file}: a drawing of it in {FIGURES}/ is missing or was changed")
    problems += [
        f"{', '.join(files)}: made from another state of {what}" for what, files in others.items()
    ]
    made = {record.script for record in records}
    problems += [f"{script.path}: was not run" for script in scripts if script.path not in made]
    complain("stale numbers; build again: lockmodel paper", problems)


def check_names(
    paper: Path,
    found: Sequence[prose.Source],
    records: Sequence[Record],
    scripts: Sequence[Script],
) -> None:
    """Raise PaperError for names that do not exist, are not used, or exist twice."""
    values = [name for record in records for name in record.values]
    tables = [name for record in records for name in record.tables]
    figures = [script.name for script in scripts if script.draws]
    problems = [f"{name}: named by two scripts" for name in _twice([*values, *tables])]
    problems += _compared("value", [p for s in found for p in s.values], values)
    problems += _compared("table", [p for s in found for p in s.tables], tables)
    problems += _compared("figure", [p for s in found for p in s.figures], figures)
    labels = [label for source in found for label in source.labels]
    problems += [f"<{label}>: two places have this label" for label in _twice(labels)]
    known = [*labels, *bibliography.keys((paper / bibliography.FILE).read_text("utf-8"))]
    for source in found:
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
