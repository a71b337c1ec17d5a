"""The solvers: a Scenario -> throughput, waits and queues at some populations.

`bounds` and `product_form` are closed forms, `markov` is exact for small chains, `simulation` runs
event by event. `solve` picks one and says what its answer is worth.
"""
