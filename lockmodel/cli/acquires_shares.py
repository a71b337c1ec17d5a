"""`lockmodel acquires --from-shares`: acquires per iteration from a profile of waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockmodel.cli import common, files, inputs
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.errors import NotTrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.measure.shares.integers import Shares

WIDEST = 38
"""Characters of a site's name that leave room for the numbers in 80 columns."""

LARGE = 1e6
"""Odds above this are printed as a bound: the model of the noise is not that good."""

SHOWN_FACTS = ("machine", "workload", "kernel", "source", "note")


def from_shares(
    path: str,
    as_json: bool = False,
    output: str | None = None,
    force: bool = False,
    profile: str | None = None,
    explain: bool = False,
) -> None:
    """Print the acquires behind the shares of a profile.

    Parameters
    ----------
    path : str
        JSON, folded stacks or perf report text; the bare name of a shipped data file also works.
    as_json, output, force
        Values of --json, -o and --force.
    profile : str, optional
        Id of the one profile to take; all without it.
    explain : bool
        Whether to print every site.

    Raises
    ------
    NotTrustworthyError
        After the answer: the shares of a profile do not support integers.
    ScenarioError, ArgumentError, FileError
        See `observe.shares.reading`.
    """
    from lockmodel.measure.shares.integers import SCHEMA, search
    from lockmodel.measure.shares.reading import choose, read_file

    with files.output(output, as_json, force) as write:
        form, profiles = read_file(inputs.data(path))
        chosen = choose(profiles, profile)
        shares = [search(one) for one in common.progress(chosen, len(chosen), "profiles")]
        data = {
            "schema": SCHEMA,
            "file": path,
            "format": form,
            "profiles": [one.to_json() for one in shares],
        }
        text = _text if explain else _brief
        write(Report(lambda: data, lambda colour: text(path, form, shares, colour)))
    doubtful = [one for one in shares if one.doubts()]
    if len(shares) == 1 or len(doubtful) == 1:
        for one in doubtful:
            one.trusted()
    if doubtful:
        names = ", ".join(one.profile.name for one in doubtful[:5])
        raise NotTrustworthyError(
            f"{len(doubtful)} of {len(shares)} profiles do not support integers: {names}; see above"
        )


def _brief(path: str, form: str, shares: Sequence[Shares], colour: bool) -> str:
    """Return a row per profile: the acquires in all and by site, and how sure they are."""
    rows = []
    for one in shares:
        known = one.by_model_site
        sites = ", ".join(f"{name} {known[name]}" for name in sorted(known)) if known else "-"
        doubted = bool(one.doubts())
        rows.append(
            [
                one.profile.name,
                f"{one.best.total}{' ?' if doubted else ''}",
                _odds(one.odds_against_chance),
                "NOT TRUSTWORTHY: the shares do not support integers" if doubted else sites,
            ]
        )
    sure = sum(not one.doubts() for one in shares)
    parts: list[Any] = [
        f"{sure} of {tx.count(len(shares), 'profile')} in {path} ({form}) "
        f"{'supports' if sure == 1 else 'support'} whole numbers of acquires per iteration.",
        "",
        tx.table(["profile", "acquires", "odds", "by site"], rows, left=(0, 3), fold=(0, 3)),
        "sites, shares, units, sources, what is assumed: --explain",
    ]
    return tx.render(parts, colour)


def _text(path: str, form: str, shares: Sequence[Shares], colour: bool) -> str:
    from lockmodel.measure.shares.integers import ASSUMPTIONS

    parts: list[Any] = [f"{path}: {form}, {tx.count(len(shares), 'profile')}", ""]
    for one in shares:
        parts += _one(one)
    parts += tx.bullets("assumed:", ASSUMPTIONS)
    return tx.render(parts, colour)


def _one(shares: Shares) -> list[Any]:
    doubts = shares.doubts()
    profile = shares.profile
    parts: list[Any] = [profile.name]
    parts += [f"  {key}: {profile.facts[key]}" for key in SHOWN_FACTS if key in profile.facts]
    if doubts:
        parts += ["", "NOT TRUSTWORTHY: the shares do not support integers"]
        parts += tx.bullets("because:", doubts)
    total = float(profile.values.sum())
    rows = []
    rest = zip(profile.sites, shares.best.acquires, shares.ratios, shares.off, strict=True)
    for site, count, ratio, off in rest:
        share = tx.percent(site.value / total)
        rows.append([_short(site.name), share, str(count), f"{ratio:.2f}", f"{100 * off:+.1f} %"])
    rows.append(["total", "100.0 %", str(shares.best.total), "", ""])
    head = "likeliest" if doubts else "acquires"
    parts += ["", tx.table(["site", "share", head, "share/unit", "off"], rows, left=(0,)), ""]
    parts += [
        f"unit: {100 * shares.unit / total:.3g} % of the waiting per acquire; noise of a share: "
        f"{100 * shares.noise:.1f} %",
        f"odds against arbitrary shares: {_odds(shares.odds_against_chance)}; probability of these "
        f"integers: {_percent(shares.probability)}",
        f"odds against the runner-up: {_odds(shares.runner_up.odds)}; it is "
        f"{_listed(shares.runner_up.acquires)} (total {shares.runner_up.total})",
    ]
    known = shares.by_model_site
    if known and not doubts:
        parts.append("by site: " + ", ".join(f"{name} {known[name]}" for name in sorted(known)))
    parts += tx.bullets("left out:", profile.left_out)
    return [*parts, ""]


def _listed(acquires: tuple[int, ...]) -> str:
    return " ".join(map(str, acquires[:20])) + (" .." if len(acquires) > 20 else "")


def _odds(odds: float) -> str:
    if odds > LARGE:
        return f"above {LARGE:,.0f} : 1"
    if odds >= 10:
        return f"{float(f'{odds:.2g}'):,.0f} : 1"
    return f"{odds:.2g} : 1" if odds >= 0.01 else "below 0.01 : 1"


def _percent(probability: float) -> str:
    """Return a probability, never rounded up to certainty."""
    return "above 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


def _short(name: str) -> str:
    return name if len(name) <= WIDEST else ".." + name[-(WIDEST - 2) :]
