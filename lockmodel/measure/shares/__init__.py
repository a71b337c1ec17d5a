"""Acquires per iteration from a profile of waiting: read, group by call site, find the integers.

reading     a file -> Profiles, by content
profile     what a reader returns: sites and how much waiting each has
grouping    waiting of call stacks (observe.profiles) -> sites
folded      folded stacks -> a profile
perf_report a `perf report` text -> a profile
documents   JSON with shares per site
evidence    how well integers explain shares, against chance
integers    the search, and the refusal
"""
