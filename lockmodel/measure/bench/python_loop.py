"""The loop without a C compiler: posix_spawn + wait, on pinned processes. See loop.c.

Run as a script, with the arguments and the output of loop.c; kept free of imports that are slow.
"""

import mmap
import os
import signal
import sys
import time

LINE = 128
"""Bytes between two counters: a pair of cache lines."""

MESSAGES = 2
"""Where errors go; what the binary prints goes to /dev/null."""


def work(binary: str, cpu: int, counter: "memoryview[int]", start: int, parent: int) -> None:
    """Spawn and wait until the parent is gone or kills this process."""
    os.sched_setaffinity(0, {cpu})
    os.read(start, 1)  # until the parent closes its end
    count = 0
    arguments, environment = [binary], dict(os.environ)
    while os.getppid() == parent:
        _, status = os.waitpid(os.posix_spawn(binary, arguments, environment), 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 127:
            os.write(MESSAGES, b"loop: the binary cannot be run (exit 127)\n")
            os.killpg(0, signal.SIGKILL)
        count += 1
        counter[0] = count


def main() -> None:
    """Run the workers, read all counters at both ends of one window, print them, kill all."""
    _, kind, warmup, window, binary, cpus = sys.argv
    if kind != "posix_spawn":
        sys.exit("loop: only posix_spawn without a C compiler")
    numbers = [int(cpu) for cpu in cpus.split(",")]
    shared = mmap.mmap(-1, LINE * len(numbers))
    counters = [memoryview(shared)[i * LINE : i * LINE + 8].cast("Q") for i in range(len(numbers))]
    global MESSAGES
    out, MESSAGES = os.dup(1), os.dup(2)  # not inherited by the spawned
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(null, 2)
    parent = os.getpid()
    caller = os.getppid()
    start, go = os.pipe()
    for cpu, counter in zip(numbers, counters, strict=True):
        if os.fork() == 0:
            os.close(go)
            try:
                work(binary, cpu, counter, start, parent)
            finally:
                os._exit(1)
    os.close(go)

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            if os.getppid() != caller:
                os.killpg(0, signal.SIGKILL)
            time.sleep(min(rest, 0.2))

    pause(float(warmup))
    begin = time.monotonic()
    before = [counter[0] for counter in counters]
    pause(float(window))
    end = time.monotonic()
    after = [counter[0] for counter in counters]
    if os.waitpid(-1, os.WNOHANG) != (0, 0):
        os.write(MESSAGES, b"loop: a worker ended early\n")
        os.killpg(0, signal.SIGKILL)
    counts = " ".join(str(late - early) for early, late in zip(before, after, strict=True))
    os.write(out, f"{end - begin:.9f} {counts}\n".encode())
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
