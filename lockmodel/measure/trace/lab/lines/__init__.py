"""Cache lines under the locks of files, counted by a plugin of QEMU."""
