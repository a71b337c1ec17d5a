"""What to trace: kprobes for ftrace, the shell script that sets them, and a bpftrace script.

=====  ==============================  =================================================
event  kernel function                 why
=====  ==============================  =================================================
dw     down_write                      an acquire, if its semaphore belongs to a tree
ins    vma_interval_tree_insert        an operation; it names the tree and the inode
rem    vma_interval_tree_remove        likewise
insa   vma_interval_tree_insert_after  likewise, in fork
frk    copy_process                    an iteration of fork or vfork begins
exe    begin_new_exec                  execve is past its checks
ext    do_exit                         a process ends
=====  ==============================  =================================================

Arguments are in rdi, rsi and rdx, so all of this is for x86-64.
"""

from __future__ import annotations

import re

from lockmodel.measure.trace.offsets import Offsets

BUFFER_KB = 40_000
OTHERS = '/comm != "bpftrace"/'
"""bpftrace takes locks when it prints, which it would print in turn."""


def kprobes(offsets: Offsets) -> tuple[str, ...]:
    """Return the lines for /sys/kernel/tracing/kprobe_events that count acquires."""
    back = offsets.tree

    def operation(name: str, function: str, register: str) -> str:
        inode = f"+{offsets.inode}(-{back}(%{register})):u64"
        return f"p:{name} {function} root=%{register}:x64 ino={inode}"

    return (
        "p:dw down_write sem=%di:x64",
        operation("ins", "vma_interval_tree_insert", "si"),
        operation("rem", "vma_interval_tree_remove", "si"),
        operation("insa", "vma_interval_tree_insert_after", "dx"),
        "p:frk copy_process",
        "p:exe begin_new_exec",
        "p:ext do_exit",
    )


def held_probes(offsets: Offsets) -> tuple[str, ...]:
    """Return the lines that time sections, from the return of down_write to up_write.

    `ino` is read from the semaphore as if it were an i_mmap_rwsem: for others it is nonsense.
    The killable variant is for the section of known length that `held` takes the cost of the
    probes from.
    """
    inode = f"ino=+{offsets.inode}(-{offsets.lock}(%di)):u64"
    return (
        f"p:dw down_write sem=%di:x64 {inode}",
        "r:dwr down_write",
        "p:up up_write sem=%di:x64",
        "p:dwk down_write_killable sem=%di:x64",
        "r:dwkr down_write_killable",
        "p:frk copy_process",
        "p:exe begin_new_exec",
        "p:ext do_exit",
    )


def lines_text(offsets: Offsets, release: str) -> str:
    """Return the kprobe lines with a header that says how to use them."""
    return "\n".join(
        [
            f"# kernel {release}",
            f"# offsets from {offsets.source}: i_mmap {offsets.tree}, i_mmap_rwsem {offsets.lock}",
            "# as root: append each line to /sys/kernel/tracing/kprobe_events, or use --as script",
            *kprobes(offsets),
            "",
        ]
    )


def shell_script(offsets: Offsets, release: str) -> str:
    """Return a script that traces one command and prints what `trace read` reads."""
    probes = "\n".join(f"echo '{line}' >> kprobe_events" for line in kprobes(offsets))
    return f"""#!/bin/sh
# Acquires of i_mmap_rwsem on Linux {release}, for `lockmodel trace read`.
# Offsets from {offsets.source}.
#
#   sudo sh probes.sh bash -c 'for i in 1 2 3 4; do /bin/true; done' > trace.txt
#   lockmodel trace read trace.txt
#
# bash forks; one command that starts a program again and again is what can be read. Only this
# kernel is right: the offsets of another one would read nonsense.
set -eu
if [ $# -eq 0 ]; then
    echo "usage: sudo sh $0 COMMAND [ARGUMENT]... > trace.txt" >&2
    exit 2
fi
case "$(uname -r)" in
    {_pattern(release)}) ;;
    *) echo "$0: made for Linux {release}, this is $(uname -r)" >&2; exit 1 ;;
esac
for tracing in /sys/kernel/tracing /sys/kernel/debug/tracing; do
    [ -w "$tracing/kprobe_events" ] && break
done
if ! [ -w "$tracing/kprobe_events" ]; then
    echo "$0: $tracing/kprobe_events cannot be written; run as root, on a kernel with" >&2
    echo "CONFIG_KPROBE_EVENTS and tracefs mounted (mount -t tracefs t /sys/kernel/tracing)" >&2
    exit 1
fi
here=$(pwd)
cd "$tracing"
if [ -s kprobe_events ]; then
    echo "$0: there are kprobes already; remove them first ($tracing/kprobe_events)" >&2
    exit 1
fi
undo() {{
    trap '' INT TERM
    cd "$tracing"
    echo 0 > tracing_on
    echo 0 > events/kprobes/enable 2>/dev/null || true
    echo > kprobe_events
    echo 0 > options/stacktrace
    echo > set_event_pid
    echo 0 > options/event-fork
    echo > trace
    echo "$size" > buffer_size_kb
    echo 1 > tracing_on
}}
size=$(tr -dc '0-9 ' < buffer_size_kb | cut -d' ' -f1)
trap undo EXIT
trap 'exit 1' INT TERM
echo 0 > tracing_on
echo > trace
echo {BUFFER_KB} > buffer_size_kb
{probes}
echo 1 > options/stacktrace
echo 1 > options/event-fork       # children of the command are traced as well
echo 1 > events/kprobes/enable
echo 1 > tracing_on
# A shell enters its own number, then becomes the command: nobody else is traced.
(cd "$here" && sh -c 'echo $$ > "$0"; exec "$@"' "$tracing/set_event_pid" "$@") >&2 ||
    echo "$0: the command failed" >&2
echo 0 > tracing_on
echo "# kernel $(uname -r)"
cd "$here"
set -f
for word in $*; do
    case "$word" in -*) continue ;; esac
    program=$(command -v "${{word%;}}") || continue
    [ -f "$program" ] || continue
    for file in "$program" $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
        stat -L -c 'inode %i %n' "$file"
    done
done | sort -u
cat "$tracing/trace"
"""


def _pattern(release: str) -> str:
    """Return the shell pattern of releases that the offsets are for.

    What distributions add to a version may be missing; a whole release is that one only.
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}", release):
        return release
    ends = ("", ".*", "-*", "+*") if release.count(".") == 1 else ("", "-*", "+*")
    return "|".join(release + end for end in ends)


def bpftrace_script(offsets: Offsets, release: str) -> str:
    """Return a bpftrace script that prints the same events."""
    tree, inode = offsets.tree, offsets.inode

    def operation(name: str, function: str, argument: str) -> str:
        return f"""kprobe:{function} {OTHERS} {{
    $host = *(uint64 *)({argument} - {tree});
    printf("{name}: pid=%d root=0x%llx ino=%llu comm=%s\\n", tid, {argument},
           *(uint64 *)($host + {inode}), comm);
}}"""

    def mark(name: str, function: str) -> str:
        return (
            f"""kprobe:{function} {OTHERS} {{ printf("{name}: pid=%d comm=%s\\n", tid, comm); }}"""
        )

    parts = [
        f"""#!/usr/bin/env bpftrace
// Acquires of i_mmap_rwsem on Linux {release}, for `lockmodel trace read`.
// Offsets from {offsets.source}.
//
//   sudo BPFTRACE_PERF_RB_PAGES=4096 bpftrace probes.bt > trace.txt     stop it by ^C
//
// Run one loop meanwhile, on one processor (bpftrace mixes up the order between several):
//   taskset -c 0 bash -c 'for i in 1 2 3 4; do /bin/true; done'
BEGIN {{ printf("# kernel {release}\\n"); }}
kprobe:down_write {OTHERS} {{
    printf("dw: pid=%d sem=0x%llx comm=%s\\n%s\\n", tid, arg0, comm, kstack(24));
}}""",
        operation("ins", "vma_interval_tree_insert", "arg1"),
        operation("rem", "vma_interval_tree_remove", "arg1"),
        operation("insa", "vma_interval_tree_insert_after", "arg2"),
        mark("frk", "copy_process"),
        mark("exe", "begin_new_exec"),
        mark("ext", "do_exit"),
        "",
    ]
    return "\n".join(parts)
