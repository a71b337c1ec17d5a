"""What a whole iteration shares with others: locks and lines, under a plugin of QEMU.

==============  ========================================================================
file            idea
==============  ========================================================================
`stations.c`    the plugin: every access of the kernel, for the task that makes it
`locks.h`       which function and which instruction takes or frees a lock; sections
`order.h`       in which order the loops go on
`counts.h`      tables of each CPU
`report.h`      their sums, as records
`root`          the disk of the guest
`experiment`    one boot: the plan of the guest, its phases, and what they show
`records`       what the plugin wrote -> counts per lock and per line
`places`        an address -> the function, the variable, or the member of a file's inode
`rules`         what tells a station, what it is one of, and what is left out and why
`ranking`       counts -> stations with names, the largest demand first
`tables`        stations -> rows of a CSV file; what the guest lacks
==============  ========================================================================
"""
