"""What laboratories measured: files of many tools -> observations in base units."""
