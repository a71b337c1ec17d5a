"""Acquires per iteration from a profile of waiting: read, group by call site, find the integers.

reading     a file -> Profiles, by content
profile     what a reader returns: sites and how much waiting each has
stacks      a call stack -> the site that waits, and whether it waits for i_mmap_rwsem
folded      folded stacks (the input of flame graphs)
perf_tree   the call graph of `perf report --stdio`
perf_report a whole `perf report` text
documents   JSON with shares per site
evidence    how well integers explain shares, against chance
integers    the search, and the refusal
"""
