"""Cache lines under the locks of files, counted by a plugin of QEMU.

`experiment` runs it: `settings` says what the guest does, `lines.c` writes down each section of a
lock, `records` reads that, `counts` makes means per site of it and `table` sums per iteration.
"""
