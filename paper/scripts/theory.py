"""Formulae, as `lockmodel theory` derives them, and their numbers for two scenarios."""

from lockmodel.model.shipped import find_scenario
from lockmodel.statements import find_statement
from lockmodel.statements.export import formula
from lockmodel.statements.statement import Formula, Numbers, Statement
from paper.tools.fits import SYSEXEC
from paper.tools.out import Out

FORMULAE = {
    "f_ceiling": ("ceiling", "ceiling_with_next"),
    "f_gain_hold": ("saturation", "gain_of_shorter_hold"),
    "f_most_hold": ("saturation", "most_by_hold"),
    "f_most_batch": ("saturation", "most_by_acquires"),
    "f_batch_wins": ("comparison", "batch_wins"),
    "f_shards_no_hold": ("comparison", "shards_for_no_hold"),
    "f_tree": ("tree-split", "gain_tree_split"),
    "f_tree_lock": ("tree-split", "gain_tree_and_lock_split"),
    "f_late": ("ticket-lock", "throughput_late"),
    "f_sudden": ("collapse", "is_sudden"),
    "f_elasticity": ("elasticity", "elasticity"),
    "f_same_patch": ("same-patch", "gain"),
    "f_any_change": ("any-change", "by_share"),
    "f_best_shards": ("best-shards", "best_shards"),
    "f_walked_often": ("best-shards", "often"),
    "f_wait_share": ("wait-shares", "share"),
}

LEFT = {"f_elasticity": "frac(d ln X, d ln D) = "}
"""Left sides of statements that are told in words there."""

ROBOT, SMALL = "sysexec-spr224-v6.1", "doexec-20"


def make(out: Out) -> None:
    """Name formulae and numbers."""
    for name, (statement, wanted) in FORMULAE.items():
        shown = formula(_formula(find_statement(statement), wanted), "typst")
        out.words(name, LEFT.get(name, "") + shown, "math")
    saturation = _numbers("saturation", SYSEXEC)
    out.share("phi", saturation["phi: held share of the demand"])
    out.gain("half_hold_ceiling", saturation["gain of the hold times 0.5"])
    out.gain("no_hold_ceiling", saturation["most by shortening the hold"])
    out.gain("one_acquire_ceiling", saturation["most by batching"])
    comparison = _numbers("comparison", SYSEXEC)
    worth = comparison["shards worth no hold at all"]
    out.number("shards_worth_no_hold", worth, f"{worth:.1f}")
    factor = comparison["hold factor worth 1 acquires for 21"]
    out.number("factor_worth_batching", factor, f"{factor:.2f}")
    tree = _numbers("tree-split", SYSEXEC)
    out.gain("tree_most", tree["one lock, a tree per mapping"])
    same = {model: _numbers("same-patch", model) for model in (ROBOT, SMALL)}
    for name, model in (("robot", ROBOT), ("small", SMALL)):
        out.share(f"{name}_delta", same[model]["delta: demand saved at the binding lock"], 1)
        exponent = same[model]["e: its exponent, Q(N) - Q(N-1)"]
        out.number(f"{name}_exponent", exponent, f"{exponent:.2f}")
        out.gain(f"{name}_patch", same[model]["gain, published"])
    change = _numbers("any-change", SMALL)
    out.share("small_share", change["q: share of an iteration at the lock"])
    out.gain("small_limit", change["no change of it gains more than"])


def _formula(statement: Statement, name: str) -> Formula:
    return statement.formula(name)


def _numbers(name: str, model: str) -> dict[str, float]:
    scenario = find_scenario(model)
    numbers: Numbers = find_statement(name).numbers(scenario, scenario.machine.cpus)
    return {one.name: one.value for one in numbers.values}
