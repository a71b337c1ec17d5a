"""Two measured curves against each other: is one slower, or is it noise? `lockmodel gate`."""
