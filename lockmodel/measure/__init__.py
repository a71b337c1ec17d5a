"""What goes out and counts: acquires of binaries, traces of kernels, throughput, profiles."""
