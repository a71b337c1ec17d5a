"""Event by event: the semantics of a Scenario, and nothing else; the oracle for every solver.

`world` lays a scenario out as arrays, `locks` says what happens at a lock, `engine` runs the
events, `replicate` runs replications until an answer is precise, `output` has the
statistics, `simulate` makes the result, `trace` a picture of a short window.
"""
