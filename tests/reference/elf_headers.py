"""Write elf_headers.json: program headers of the traced binaries and their libraries.

Run on Debian 12 (x86-64) with gcc, g++ and git installed:

    python tests/reference/elf_headers.py

The programs of data/traced/acquires_traced.csv are linked again with the same options; true, git
and the libraries are those of the system. Only numbers are kept, no code: the tests build files
of the same layout from them (tests/elf_files.py), so they need neither compiler nor libraries.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

TRUE = "int main(void) { return 0; }\n"
LOOP = """
#include <sys/wait.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int i = argc > 1 ? atoi(argv[1]) : 2; i > 0; i--) {
        pid_t child = fork();
        if (child == 0) { execl(argv[2], argv[2], (char *)0); _exit(127); }
        waitpid(child, 0, 0);
    }
    return 0;
}
"""
CXX = """
#include <iostream>
#include <cmath>
int main(int argc, char **) { if (argc > 9) std::cout << std::sin(argc); return 0; }
"""
LINKED = {
    "dyntrue": ("gcc", TRUE, ()),
    "dynloop": ("gcc", LOOP, ()),
    "cxxtrue": ("g++", CXX, ("-lm",)),
    "sttrue": ("gcc", TRUE, ("-static",)),
    "norelro": ("gcc", TRUE, ("-Wl,-z,norelro",)),
    "nosep": ("gcc", TRUE, ("-Wl,-z,noseparate-code",)),
}
LIBRARIES = (
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libpcre2-8.so.0",
    "libz.so.1",
)
LIBRARY_FOLDER = Path("/usr/lib/x86_64-linux-gnu")
OTHERS = ("/usr/bin/true", "/usr/bin/git", f"{LIBRARY_FOLDER}/ld-linux-x86-64.so.2")


def headers(path: Path) -> dict[str, object]:
    """Return what decides how a file is found and mapped."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        facts: dict[str, object] = {"type": elf["e_type"]}
        table = []
        for segment in elf.iter_segments():
            head = segment.header
            kind = head["p_type"]
            if kind in ("PT_LOAD", "PT_INTERP", "PT_DYNAMIC", "PT_GNU_RELRO"):
                keys = ("p_offset", "p_vaddr", "p_filesz", "p_memsz", "p_flags", "p_align")
                table.append([kind, *(head[key] for key in keys)])
            if kind == "PT_INTERP":
                facts["interpreter"] = segment.get_interp_name()
            if kind == "PT_DYNAMIC":
                tags = list(segment.iter_tags())
                facts["needed"] = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
                facts["soname"] = next(
                    (tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None
                )
        facts["program_headers"] = table
    return facts


def main() -> None:
    """Link, read and write."""
    programs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (compiler, source, options) in LINKED.items():
            file = Path(folder) / (name + (".cc" if compiler == "g++" else ".c"))
            file.write_text(source)
            program = Path(folder) / name
            command = [compiler, str(file), "-o", str(program), "-Wl,--no-as-needed", *options]
            subprocess.run(command, check=True)
            programs[name] = headers(program)
    for path in (*map(Path, OTHERS), *(LIBRARY_FOLDER / name for name in LIBRARIES)):
        programs[path.name] = headers(path)
    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    data = {"made_by": f"tests/reference/elf_headers.py on {release}, x86-64", "files": programs}
    here = Path(__file__).with_suffix(".json")
    lines = json.dumps(data, indent=1).replace(",\n     ", ", ").replace("[\n     ", "[")
    here.write_text(lines.replace("\n    ]", "]") + "\n")
    print(f"{here}: {len(programs)} files", file=sys.stderr)


if __name__ == "__main__":
    main()
