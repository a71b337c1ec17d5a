"""The comparison table of a kernel test robot's mail: base, change, new, key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import Measured, printed
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import lkp
from lockmodel.observe.text import Line, Text

TITLE = "table of the kernel test robot"
READS = "its comparison table: the same before and after, and the gain of a rate"
GIVES = (*lkp.GIVES, "gain")
REMEDY = lkp.REMEDY

NUMBER = r"\d[\d.,]*(?:e[+-]\d+)?"
SPREAD = r"(?:\s*\u00b1\s*(\d+)%)?"
CHANGE = r"[+-][\d.,]+(?:e[+-]\d+)?"
ROW = re.compile(rf"\s*({NUMBER}){SPREAD}\s+({CHANGE})(%?)\s+({NUMBER}){SPREAD}\s+(\S+\.\S+)\s*")
SHOWN = rf"{NUMBER}(?:\s*\u00b1\s*\d+%)?"
PAIR = re.compile(rf"({CHANGE}%?)\s+({SHOWN})")
SEVERAL = re.compile(rf"\s*({SHOWN})((?:\s+{CHANGE}%?\s+{SHOWN}){{2,8}})\s+(\S+\.\S+)\s*")
"""A row of a table that compares several commits with the first."""

ROWS = (ROW,)
HEADER = re.compile(r"\s*%stddev(?:\s+%change\s+%stddev){1,8}\s*")
RULE = re.compile(r"\s*\\(?:\s*\|\s*\\){1,8}\s*|[\s-]*|-{4,}.*|=+")
COMMITS = re.compile(r"\s*[0-9a-f]{8,40}.*|commit:\s*")
NAMED = re.compile(r"\s*[0-9a-f]{8,40} \(.*\)")
BEGUN = re.compile(rf"\s*{NUMBER}(?:\s*\u00b1.*|\s+{CHANGE}(?:%|\s|$).*)")
ENDLESS = re.compile(rf"\s*{NUMBER}{SPREAD}\s+[+-]?(?:inf|nan)%.*", re.I)

NAMES = re.compile(r"\s*([\w.-]+(?:/[\w.-]+){2,}):")
"""Names of a section's parameters; their values stand below, the test case last."""

SAID = re.compile(r"\s*(?:in )?testcase: ([\w.-]+)")
MACHINE = re.compile(r".*\btest machine:?\s*(?:\|\s*)?(\d{1,6}) threads\b.*")
PARAMETER = re.compile(r"(?:\t|\s+|\|[^|]*\|\s*)([a-z]\w{1,30})(?:: |=)(\S+)\s*\|?")
BOXED = re.compile(r"\s*\|\s*testcase: change\s*\|\s*([\w.-]+):.*")
SHOWN_ABOVE = (
    "the robot shows a spread above 2 % only; its standard deviation divides by n, not n - 1"
)
AGGREGATED = "each number is the mean of several runs that are not shown"


def sniff(text: Text) -> bool:
    """Return whether there is the header, or a row with the sign of a spread."""
    return any(HEADER.fullmatch(line.text) or ROW.fullmatch(line.text) for line in text.filled)


@dataclass
class _Described:
    """A test as the mail describes it in words: its machine and parameters."""

    parameters: dict[str, str] = field(default_factory=dict)
    cpus: int | None = None


@dataclass
class _Section:
    """One comparison table: the parameters above it, and its rows."""

    parameters: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[Line, re.Match[str], int]] = field(default_factory=list)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a robot's tables (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    described: list[_Described] = []
    sections = [_Section()]
    names: list[str] | None = None
    begun = False
    for line in text.filled:
        if HEADER.fullmatch(line.text):
            begun = True
        elif row := ROW.fullmatch(line.text):
            begun = True
            sections[-1].rows.append((line, row, 0))
        elif several := SEVERAL.fullmatch(line.text):
            begun = True
            sections[-1].rows += _pairs(line, several)
        elif named := NAMES.fullmatch(line.text):
            names, begun = named[1].split("/"), False
        elif names is not None:
            sections.append(_Section(_parameters(collector, line, names)))
            names = None
        elif NAMED.fullmatch(line.text):
            number = sum(key.startswith("commit") for key in collector.metadata) + 1
            collector.note(f"commit {number}", line.text)
        elif (
            (not begun and _describes(collector, described, line.text))
            or RULE.fullmatch(line.text)
            or COMMITS.fullmatch(line.text)
        ):
            continue
        elif ENDLESS.fullmatch(line.text):
            collector.skip(line, "a change from nothing")
        elif begun and BEGUN.fullmatch(line.text):
            raise collector.error(
                line, "'base ± s%  ±change  new ± s%  key' was expected: wrapped?"
            )
        else:
            collector.skip(line, "not a row of the table")
    read_sections = [section for section in sections if section.rows]
    names_of = _named(read_sections)
    for section, name in zip(read_sections, names_of, strict=True):
        _section(collector, section, _setting(section, described), name)
    if len(read_sections) > 1:
        collector.warn(f"{len(read_sections)} tests in one mail: each is a data set of its own")
    if collector.observations:
        collector.warn(AGGREGATED)
        collector.warn(SHOWN_ABOVE)
    return collector.reading(empty="no row of a table")


def _pairs(line: Line, several: re.Match[str]) -> list[tuple[Line, re.Match[str], int]]:
    """Return the comparisons of a row with several commits, each with the first, from 1."""
    made = []
    for number, (change, new) in enumerate(PAIR.findall(several[2]), start=1):
        row = ROW.fullmatch(f"{several[1]} {change} {new} {several[3]}")
        if row is not None:
            made.append((line, row, number))
    return made


def _parameters(collector: Collector, line: Line, names: list[str]) -> dict[str, str]:
    """Return the values of a section's parameters."""
    values = line.text.strip().split("/")
    if len(values) != len(names):
        raise collector.error(
            line, f"{len(values)} values for {len(names)} parameters ({'/'.join(names)[:80]})"
        )
    made = dict(zip(names, values, strict=True))
    collector.note(f"test {sum(k.startswith('test') for k in collector.metadata) + 1}", line.text)
    return made


def _describes(collector: Collector, described: list[_Described], text: str) -> bool:
    """Take a line that describes a test in words; return whether it did."""
    if started := SAID.fullmatch(text) or BOXED.fullmatch(text):
        described.append(_Described({"testcase": started[1]}))
        collector.note(f"description {len(described)}", text.strip(" |"))
    elif not described:
        return False
    elif machine := MACHINE.fullmatch(text):
        described[-1].cpus = int(machine[1])
        collector.note(f"test machine {len(described)}", text.strip(" |"))
    elif parameter := PARAMETER.fullmatch(text):
        described[-1].parameters[parameter[1]] = parameter[2]
    else:
        return False
    return True


def _setting(section: _Section, described: list[_Described]) -> lkp.Setting:
    """Return what a table is of, with the machine of the description that fits it best."""
    own = section.parameters
    if not own and len(described) == 1:
        return lkp.Setting(described[0].parameters, described[0].cpus)
    fitting = [
        one
        for one in described
        if all(own.get(key, value) == value for key, value in one.parameters.items())
    ]
    best = max(fitting, key=lambda one: len(one.parameters), default=_Described())
    return lkp.Setting(best.parameters | own if own else own, best.cpus)


def _named(sections: list[_Section]) -> list[str]:
    """Return what tells the tests of a mail apart beside their names."""
    values: dict[str, set[str]] = {}
    for section in sections:
        for key, value in section.parameters.items():
            values.setdefault(key, set()).add(value)
    telling = [
        key
        for key, own in values.items()
        if len(own) > 1 and key not in ("testcase", "test", "nr_task", "nr_threads")
    ]
    made = [" ".join(section.parameters.get(key, "") for key in telling) for section in sections]
    if len(sections) > 1 and not any(section.parameters for section in sections):
        return [f"table {number}" for number in range(1, len(sections) + 1)]
    return made


def _section(collector: Collector, section: _Section, setting: lkp.Setting, name: str) -> None:
    """Add the rows of one table."""
    chosen = lkp.counted(row[7] for _, row, _ in section.rows)
    for line, row, number in section.rows:
        counts = row[7] in chosen or lkp.PROFILE.fullmatch(row[7]) is None
        if not counts:
            collector.warn(lkp.OVERLAP)
        meaning = lkp.meaning(row[7], setting) if counts else None
        if meaning is not None and (name or "what" not in meaning.more):
            told = " ".join(filter(None, (meaning.more.get("what", setting.name), name)))
            meaning = replace(meaning, more=meaning.more | {"what": told})
        _row(collector, line, row, meaning, number)


def _row(
    collector: Collector,
    line: Line,
    row: re.Match[str],
    meaning: lkp.Meaning | None,
    number: int,
) -> None:
    """Add base and new of a row; of a row with several commits (number > 0) the base once."""
    base_text, base_spread, change_text, percent, new_text, new_spread, key = row.groups()
    base = collector.parse(printed, line, "base", base_text)
    new = collector.parse(printed, line, "new", new_text)
    change = collector.parse(printed, line, "change", change_text)
    _check(collector, line, base, new, change, bool(percent))
    collector.checked(line, "change")
    told = f"new {number}" if number else "new"
    if meaning is None:
        if base_spread or new_spread:
            collector.checked(line, "spread of facts")
        if number < 2:
            collector.fact(f"{key} (base)", base.value, "", line)
        collector.fact(f"{key} ({told})", new.value, "", line)
        return
    if meaning.warning:
        collector.warn(meaning.warning)
    more = dict(meaning.more)
    mode = more.pop("variant", "")
    compared = (("base", base, base_spread), (told, new, new_spread))
    for name, measured, spread in compared[1:] if number > 1 else compared:
        if meaning.kind == "throughput" and measured.value == 0:
            collector.skip(line, f"{key} is 0")
            return
        value = measured.value / meaning.divisor
        sd = value * collector.whole(line, "spread", spread) / 100 if spread else None
        collector.observe(
            meaning.kind,
            value,
            meaning.unit,
            line,
            variant=f"{name} {mode}".strip(),
            sd=sd or None,
            uncertainty="given" if sd else "none",
            aggregated=True,
            **more,
        )
    if meaning.kind == "throughput":
        n, what = more.get("n"), f"{more.get('what', '')}"
        gain = new.value / base.value - 1
        variant = " ".join(filter(None, (told if number else "", mode)))
        collector.observe("gain", gain, "1", line, n=n, what=what, variant=variant, aggregated=True)


def _check(
    collector: Collector,
    line: Line,
    base: Measured,
    new: Measured,
    change: Measured,
    relative: bool,
) -> None:
    """Hold the change against base and new: relative in %, absolute for percentages."""
    if relative:
        if base.value == 0:
            raise collector.error(line, "a relative change of a base of 0")
        expected = 100 * (new.value / base.value - 1)
        slack = 100 * (new.half_digit + base.half_digit * new.value / base.value) / base.value
    else:
        expected = new.value - base.value
        slack = new.half_digit + base.half_digit
    if abs(expected - change.value) > slack + 2 * change.half_digit + 1e-9 * abs(expected):
        raise collector.error(
            line, f"change {change.value:+g} is not that of {base.value:g} to {new.value:g}"
        )
