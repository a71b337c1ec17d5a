"""Names with digits that are no numbers: files, kernels, machines, commands."""

from lockmodel.figures.held import data as held
from lockmodel.model.shipped import find_data, find_scenario
from paper.tools.fits import CURVE, EXECL, SYSEXEC, SYSEXEC_ICL
from paper.tools.out import Out

SMALL = "doexec-20"


def make(out: Out) -> None:
    """Name them."""
    execl, sysexec, icl, small = (find_scenario(m) for m in (EXECL, SYSEXEC, SYSEXEC_ICL, SMALL))
    out.words("libc", execl.locks[0].name, "code")
    out.words("loader", execl.locks[1].name, "code")
    header = find_data(CURVE).read_text(encoding="utf-8")
    out.words("execl_source", header.partition("# source: https://")[2].partition("\n")[0])
    releases = [kernel for kernel, _ in held().sites[0].by_kernel]
    for name, release in zip(("kernel_old", "kernel_new", "kernel_newest"), releases, strict=True):
        out.words(name, "Linux " + ".".join(release.split(".")[:2]))
    for name, scenario in (("execl", execl), ("sysexec", sysexec), ("icl", icl), ("small", small)):
        if name != "small":
            out.words(f"{name}_machine", _short(scenario.machine.name))
        if name != "icl":
            out.count(f"{name}_cpus", scenario.machine.cpus)
    out.words("model_execl", EXECL, "code")
    out.words("model_sysexec", SYSEXEC, "code")
    out.words("model_small", SMALL, "code")
    out.words("command_levers", f"lockmodel levers {EXECL} -n {execl.machine.cpus}", "code")
    out.words("command_ceiling", f"lockmodel ceiling {EXECL}", "code")
    counts = f"1..{execl.machine.cpus}*2"
    out.words("command_predict", f"lockmodel predict {EXECL} -n '{counts}'", "code")
    out.words("command_fit", f"lockmodel fit {CURVE} --model {EXECL}", "code")
    out.words("command_theory", f"lockmodel theory saturation --model {SYSEXEC}", "code")


def _short(name: str) -> str:
    """Return a machine's name without the code name in brackets."""
    return name.partition(" (")[0].replace("2 x ", "two ").replace("Intel ", "")
