"""Acquires of every file's i_mmap_rwsem per iteration, counted from ELF files without running them.

binary -> `resolve` (which files; `elf` reads headers, `cache` and `sysroot` find libraries) ->
`images` (how kernel and ld.so map each; `vmas` keeps the mappings and counts) -> `loops` (what
an iteration duplicates and tears down; `kernels` has the rules of a version) -> `count`, and
with held instructions (`held`) on a machine (`machine`) a `scenario`.
"""
