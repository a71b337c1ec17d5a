"""The lab's C code without QEMU: built with a host of the tests, fed with instructions by hand.

`Stream` writes what CPUs execute, one instruction per block, for tests/measure/plugins/host.c.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from lockmodel.measure.bench.program import compiler
from lockmodel.measure.trace.lab.lines.experiment import SOURCE
from lockmodel.measure.trace.lab.plugin import build

HERE = Path(__file__).resolve().parent / "measure" / "plugins"
HEADERS = build.HERE

MEMORY = 0xFFFF888000000000
STACKS = 0xFFFFC90000000000
STACK_SIZE = 0x4000
ELSEWHERE = 0xFFFFE8FF00000000
"""Kernel memory that the directory of lines.c leaves out."""
USER = 0x400000

FUNCTIONS = {
    "down_write": 0xFFFFFFFF81001000,
    "up_write": 0xFFFFFFFF81002000,
    "vma_interval_tree_insert": 0xFFFFFFFF81003000,
    "__switch_to": 0xFFFFFFFF81004000,
    "asm_sysvec_apic_timer_interrupt": 0xFFFFFFFF81005000,
    "asm_exc_page_fault": 0xFFFFFFFF81006000,
    "__split_vma": 0xFFFFFFFF81007000,
    "vma_link": 0xFFFFFFFF81008000,
}
"""Name -> first address; each has 4 KiB."""

CALL, RET, IRET = "e800000000", "c3", "48cf"
LOAD, STORE, NOTHING = "488b07", "488907", "90"
CMPXCHG, XADD = "f0480fb113", "f0480fc107"
REPEATED = "f348ab"
ARM, ITERATION, LOOPED, FILE, PHASE = 2, 3, 4, 5, 6


@lru_cache
def built(name: str, plugin: Path = SOURCE) -> Path:
    """Compile tests/measure/plugins/NAME.c with a plugin and the lab's headers; return it."""
    cc = compiler()
    assert cc is not None, "the tests need a C compiler"
    folder = mkdtemp(prefix="lockmodel-plugins-")
    atexit.register(shutil.rmtree, folder)
    target = Path(folder) / name
    command = [cc, "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(target)]
    command += [f"-I{HEADERS}", f"-I{plugin.parent}", f'-DPLUGIN="{plugin.name}"']
    command.append(str(HERE / f"{name}.c"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return target


def fed(name: str, text: str, *arguments: str, plugin: Path = SOURCE) -> list[str]:
    """Run a program of `built` with a text on its standard input; return the lines it prints."""
    done = subprocess.run(
        [built(name, plugin), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class Stream:
    """Instructions of several CPUs in the order in which they execute.

    Each CPU runs one task, on the stack of its number.
    """

    def __init__(self, plugin: Path = SOURCE, functions: dict[str, int] = FUNCTIONS) -> None:
        self.lines: list[str] = []
        self.plugin = plugin
        self.functions = functions

    def slot(self, cpu: int, depth: int = 0, task: int | None = None) -> int:
        """Return where a return address lies that many calls deep."""
        return STACKS + ((cpu if task is None else task) + 1) * STACK_SIZE - 8 - 0x40 * depth

    def run(self, cpu: int, address: int, code: str, *accesses: tuple[str, int]) -> None:
        """One instruction; accesses are (load or store, address), of 8 bytes."""
        said = " ".join(f"{how} {where:x}" for how, where in accesses)
        self.lines.append(f"{cpu} {address:x} {code} {said}".rstrip())

    def mark(self, cpu: int, code: int, value: int | None = None) -> None:
        """What the guest tells, in user code."""
        bits = "" if value is None else f"{value:016b}"
        for each in [*map(int, bits), code]:
            self.run(cpu, USER + 16 * each, f"0f1f80{each:02x}004d4c")

    def load(self, cpu: int, *addresses: int) -> None:
        for address in addresses:
            self.run(cpu, FUNCTIONS["vma_link"] + 0x800, LOAD, ("load", address))

    def store(self, cpu: int, *addresses: int) -> None:
        for address in addresses:
            self.run(cpu, FUNCTIONS["vma_link"] + 0x810, STORE, ("store", address))

    def call(self, cpu: int, caller: str, depth: int) -> None:
        self.run(cpu, self.functions[caller] + 0x10, CALL, ("store", self.slot(cpu, depth)))

    def enter(self, cpu: int, semaphore: int, depth: int = 1, caller: str = "vma_link") -> None:
        """Call down_write and return from it: 5 instructions, 4 of them in it."""
        first = FUNCTIONS["down_write"]
        self.call(cpu, caller, depth)
        self.run(cpu, first, NOTHING)
        self.run(cpu, first + 4, CMPXCHG, ("store", semaphore))
        self.run(cpu, first + 9, STORE, ("store", semaphore + 8))
        self.run(cpu, first + 12, RET, ("load", self.slot(cpu, depth)))

    def leave(self, cpu: int, semaphore: int, depth: int = 1, caller: str = "vma_link") -> None:
        """Call up_write and return from it."""
        first = FUNCTIONS["up_write"]
        self.call(cpu, caller, depth)
        self.run(cpu, first, NOTHING)
        self.run(cpu, first + 4, STORE, ("store", semaphore + 8))
        self.run(cpu, first + 7, XADD, ("store", semaphore))
        self.run(cpu, first + 12, RET, ("load", self.slot(cpu, depth)))

    def operation(self, cpu: int) -> None:
        """An insert, without accesses: it begins and that is all."""
        self.run(cpu, FUNCTIONS["vma_interval_tree_insert"], NOTHING)

    def started(self, cpus: int, semaphores: tuple[int, ...]) -> None:
        """Arm, name the files and begin phase 1; then each CPU's loop begins."""
        self.mark(0, ARM, 0)
        for cpu in range(cpus):
            self.call(cpu, "__split_vma", 0)  # from here on its stack is known
        for number, semaphore in enumerate(semaphores):
            self.mark(0, FILE, number)
            self.enter(0, semaphore)
            self.operation(0)
            self.leave(0, semaphore)
        self.mark(0, PHASE, 1)
        for cpu in range(cpus):
            self.mark(cpu, ITERATION)

    def records(self, tmp_path: Path, *arguments: str) -> list[str]:
        """Return what the plugin writes of it."""
        names = tmp_path / "functions"
        out = tmp_path / "out"
        names.write_text(
            "".join(f"{at:x} {at + 0x1000:x} {name}\n" for name, at in self.functions.items())
        )
        given = (f"functions={names}", f"out={out}", *arguments)
        fed("host", "\n".join([*self.lines, ""]), *given, plugin=self.plugin)
        return out.read_text().splitlines()
