"""Acquires counted by tracing a kernel: the probes, the reader of their output, and the lab.

`probes` says what to trace, with byte offsets from `offsets`; `ftrace` and `bpftrace` read the
output into `events`, `windows` counts them per iteration. `lab` boots a kernel in QEMU and does
all of it.
"""
