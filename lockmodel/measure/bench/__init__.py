"""Throughput of fork, exec and exit on the machine at hand, and times of its cache lines.

machine     what this machine is: topology, kernel, frequency policy, limits
sources     parsers of lscpu, /proc and /sys, from text
activity    what else went on during a run: load, steal, throttling
checks      numbered reasons why a measurement here would mislead
program     the loop: C built with cc, or Python where there is no compiler
loop.c      the C program;  python_loop  the other one;  pinned.h  what both C programs do
runner      one run: n pinned processes, one window, nothing left behind
curve       all runs: order, spread, notes; CSV and JSON
lines       cache lines between CPUs: where these are, visits;  lines.c  the C program
line_matrix all visits: by distance, beside published ones; CSV and JSON
kinds       which published machines are like this one
"""
