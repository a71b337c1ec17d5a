"""What a user asked, with intervals: `predict`, `whatif`, `sweep`, `design`.

Solvers give points; here they get the intervals of the scenario's fit.
"""
