"""What a workload is: frozen data, its TOML form, and the queueing network that it stands for.

`scenario` and `machine` are the data, `toml` reads and writes them, `shipped` finds them,
`placement` and `network` turn one at N processes into stations, `prediction` is what solvers give.
"""
