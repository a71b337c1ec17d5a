"""`lockmodel fit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from lockmodel.cli import common, data_options, files, inputs, options
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError

if TYPE_CHECKING:
    from lockmodel.fitting.bootstrap import Resampling
    from lockmodel.fitting.datasets import Wanted


def fit(
    data: Annotated[
        list[str],
        Argument(
            metavar="DATA...",
            help="Files that `lockmodel import` reads, or MODEL=FILE; - is standard input.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        Option(
            metavar="MODEL",
            help="Scenario that describes the data without one.",
            show_default=False,
        ),
    ] = None,
    free: Annotated[
        str,
        Option(
            metavar="LIST",
            help="Parameters to fit, e.g. think,libc.so.6.handoff  [default: think time, held time "
            "and hand-off].",
            show_default=False,
        ),
    ] = "",
    shared: Annotated[
        list[str] | None,
        Option(
            "--share",
            metavar="NAME=SCOPE",
            help="One value of a parameter per SCOPE: all, machine, model, file, variant, kernel. "
            "Repeatable  [default: times of locks per machine, think time and counts per model].",
            show_default=False,
        ),
    ] = None,
    variants: options.Variants = None,
    only: options.Only = None,
    what: options.What = None,
    priors: options.Priors = True,
    robust: Annotated[
        bool, Option("--robust", help="A loss that bounds the pull of outliers (soft_l1).")
    ] = False,
    bootstrap: Annotated[
        Literal["parametric", "case"] | None,
        Option(
            help="Intervals by 1,000 refits to simulated or resampled data as well.",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Population, if the data do not say.", show_default=False),
    ] = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    cpus: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="CPUs of the machine, where no more of it is known: beyond them no lock is "
            "fitted.",
            show_default=False,
        ),
    ] = None,
    at: options.At = None,
    columns: options.Columns = None,
    unit: options.Unit = None,
    quantity: options.Quantity = None,
    output: Annotated[
        str | None,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the fitted scenario (.toml).",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        str | None, Option(metavar="FILE", help="Write a report (.md).", show_default=False)
    ] = None,
    plot: options.Plot = False,
    plot_file: options.PlotFile = None,
    explain: options.Explain = False,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Fit a model to measurements, and say what they determine.

    DATA is a file that `lockmodel import` reads, or MODEL=FILE where files need
    different models. Without a model the curve families compete for each curve:
    Amdahl, the universal scalability law, and one lock with each kind of
    hand-off.

    \b
    Parameters: think, think_remote, smt_speedup, same_node_cost, and of a LOCK or
    of all: LOCK.hold (time per held instruction, remote), LOCK.handoff (with all
    CPUs waiting), LOCK.handoff.KEY (one number of its family), LOCK.acquire_time,
    LOCK.acquires and LOCK.held_instructions (factors), LOCK.demand, and
    LOCK.handoff_instructions: the hand-off as a number of held instructions, one
    for all machines, which carries the ratio from one machine to another.
    Printed numbers:
      90 % interval    profile likelihood; "open" where the data set no end
      determined       whether the data alone, without priors, give it within a
                       factor of 3
      off              fitted over measured: +2.0 % is too high
      noise            relative standard deviation of a throughput, estimated
    Examples:
      lockmodel fit unixbench_execl_xeon8369b.csv --model execl-xeon8369b
      lockmodel fit unixbench_execl_xeon8369b.csv
    With two kernels that differ in acquires:
      $ lockmodel fit pair.csv --model m.toml --variant new=batch:all=1
    """
    from lockmodel.observe.collector import Options

    files.check_plot(plot, plot_file, as_json, None)
    _check_suffix("-o", output, ".toml")
    _check_suffix("--report", report, ".md")
    into = data_options.Files(output, report, plot, plot_file, as_json, force, explain)
    if cpus is not None and machine is not None:
        raise ArgumentError(f"--cpus {cpus}: --machine {machine} says them too; keep one")
    reading = Options(
        *(unit, quantity, tasks),
        columns=data_options.columns(columns),
        at=data_options.populations(at, [name.rpartition("=")[2] for name in data]),
    )
    chosen: dict[str, Any] = {
        "reading": reading,
        "what": what,
        "only": tuple(only or ()),
        "machine": machine,
        "cpus": cpus,
    }
    if model is not None and cpus is not None:
        machine = f"1x{cpus}x1"
    if model is None and not any("=" in one and not Path(one).exists() for one in data):
        if free.strip() or shared or variants or bootstrap or edits:
            raise ArgumentError(
                "--free, --share, --variant, --bootstrap and --set belong to a model: add --model "
                "MODEL"
            )
        from lockmodel.cli.fit_curves import compete

        compete(data, chosen, into)
        return
    names = data_options.free_names(free)
    _fit_model(
        _wanted(data, model, machine, edits),
        names,
        {
            "share": data_options.pairs("--share", shared or (), "NAME=SCOPE"),
            "variants": data_options.levers_of(variants or ()),
        },
        {"priors": priors, "loss": "soft_l1" if robust else "linear"},
        bootstrap,
        chosen,
        into,
    )


def _fit_model(
    wanted: Sequence[Wanted],
    free: tuple[str, ...],
    said: dict[str, Any],
    settings: dict[str, Any],
    bootstrap: Resampling | None,
    chosen: dict[str, Any],
    into: data_options.Files,
) -> None:
    from lockmodel.cli.fit_text import Refits, text, unreliable
    from lockmodel.fitting.bootstrap import bootstrap as resample
    from lockmodel.fitting.datasets import load_sets
    from lockmodel.fitting.estimate import Settings
    from lockmodel.fitting.fitting import run
    from lockmodel.fitting.identify import identify

    apart = bool({"variant", "kernel"} & set(said["share"].values()))
    loaded = load_sets(
        wanted, said["variants"], chosen["what"], chosen["only"], chosen["reading"], apart
    )
    with (
        files.optional_file(into.output, into.force) as toml,
        files.optional_file(into.report, into.force) as markdown,
        files.optional_file(into.plot_file, into.force) as picture,
        files.output(None, into.as_json, into.force) as write,
        common.compiling(),
    ):
        fitted = run(loaded, free, said["share"], Settings(**settings), common.progress)
        judged = identify(fitted.estimate)
        refits = (
            None
            if bootstrap is None
            else Refits(bootstrap, resample(fitted.estimate, bootstrap, progress=common.progress))
        )
        plain = {**fitted.to_json(), "identified": judged.to_json()}
        if refits is not None:
            plain["bootstrap"] = refits.to_json()
        models = {one.name: one.model for one in wanted}
        write(
            Report(
                lambda: plain,
                lambda colour: text(fitted, judged, refits, models, into, colour),
            )
        )
        if toml is not None:
            from lockmodel.model.toml import dumps

            toml.stream.write(dumps(fitted.scenarios[fitted.main]).encode())
        if markdown is not None:
            from lockmodel.fitting.report import markdown as as_markdown

            markdown.stream.write(as_markdown(fitted, judged).encode())
        if into.drawn:
            from lockmodel.answers.band import curves

            name = fitted.scenarios[fitted.main].name
            into.draw(curves(fitted), f"{name}, fitted", picture)
    from lockmodel.fitting.health import unusable

    fatal = unusable(fitted.estimate)
    if fatal:
        raise unreliable(fatal)


def _wanted(
    data: Sequence[str], model: str | None, machine: str | None, edits: Sequence[str] | None
) -> list[Wanted]:
    """Return files and their models; MODEL=FILE names its own."""
    from lockmodel.fitting.datasets import Wanted

    made = []
    for text in data:
        own, equals, name = text.partition("=")
        if equals and not Path(text).exists():
            path = inputs.data(name)
        else:
            own, name, path = model or "", text, inputs.data(text)
        if not own:
            raise ArgumentError(
                f"DATA {text!r}: no model; write MODEL={text}, or add --model MODEL"
            )
        scenario = inputs.scenario(own, machine=machine, measured=True, edits=edits)
        made.append(Wanted(path, name, scenario, own))
    return made


def _check_suffix(option: str, name: str | None, suffix: str) -> None:
    if name is not None and not name.endswith(suffix):
        raise ArgumentError(f"{option} {name}: the file is written as {suffix}; name it so")
