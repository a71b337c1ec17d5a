"""What the lab's QEMU plugins share: line owners, call stacks, marks of the guest, and the build.

==============  ===========================================================================
file            idea
==============  ===========================================================================
`directory.h`   who has a cache line: its last writer and the CPUs that read it since
`stack.h`       whose kernel stack it is, and the calls on it, from CALL and RET alone
`marks.h`       what the guest tells the plugin, by instructions that do nothing
`functions.h`   where the functions of the kernel begin and end
`interface.h`   the functions of QEMU that plugins call
`build.py`      C source -> a plugin that this QEMU loads
==============  ===========================================================================
"""
