"""The whole experiment in a virtual machine: boot, trace, count, compare.

`experiment` runs it: it builds the two C programs, packs them with the binary under test into an
`initramfs`, writes the `plan` of the guest, boots it with `qemu` and reads what it prints. `lines`
boots once more, with several CPUs under a `plugin`; `stations` boots once, with a disk.
Method: data/README.md, "traced".
"""
