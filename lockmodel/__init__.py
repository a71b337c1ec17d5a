"""lockmodel: what a lock costs a workload, and what each possible fix would buy.

A scenario says what one iteration does; a lever changes it; a solver says what throughput it
reaches:

>>> import lockmodel as lm
>>> execl = lm.load("execl-xeon8369b")
>>> lm.whatif(execl, "shard:libc.so.6=8", [16, 128]).columns()["gain"].round(2)
array([0.4 , 1.01])
>>> lm.ceiling(execl).at_n.binding
'libc.so.6'

An answer shown is the report of the command of that name; `columns`, `to_dict`, `to_csv` and `plot`
have its numbers. The rooms, from the ground up: `model`, `changes`, `solvers`, `observe`,
`measure`, `fitting`, `answers`, `evaluate` and `statements`, `figures`, `cli`, `api`; each imports
from those before it only. Nothing is imported here before it is asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
"""As `typing` has it, which takes 5 ms to import."""

if TYPE_CHECKING:
    from lockmodel.api.answer import Answer
    from lockmodel.api.ask import bounds, ceiling, levers, predict, sweep, whatif
    from lockmodel.api.given import load
    from lockmodel.api.measured import fit, read
    from lockmodel.api.shown import figure, theory
    from lockmodel.model.machine import Machine
    from lockmodel.model.scenario import Lock, Scenario
    from lockmodel.model.site import Site
else:
    _HOMES = {
        "Answer": "api.answer",
        **dict.fromkeys(("bounds", "ceiling", "levers", "predict", "sweep", "whatif"), "api.ask"),
        "load": "api.given",
        **dict.fromkeys(("fit", "read"), "api.measured"),
        **dict.fromkeys(("figure", "theory"), "api.shown"),
        "Machine": "model.machine",
        **dict.fromkeys(("Lock", "Scenario"), "model.scenario"),
        "Site": "model.site",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]


__all__ = [
    "load",
    "Scenario",
    "Machine",
    "Lock",
    "Site",
    "Answer",
    "predict",
    "bounds",
    "ceiling",
    "whatif",
    "levers",
    "sweep",
    "read",
    "fit",
    "theory",
    "figure",
]
