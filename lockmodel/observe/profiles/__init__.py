"""Profiles of a whole machine as text: call stacks with how much time each took.

stacks      a call stack -> the site that waits, and whether it waits for i_mmap_rwsem
folded      folded stacks (the input of flame graphs)
perf_tree   the call graph of `perf report --stdio`
perf_report a whole `perf report` text
"""
