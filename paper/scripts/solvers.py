"""Simulation against product form: where the figure shows them farthest apart."""

from lockmodel.figures import registry
from paper.tools.out import Out


def make(out: Out) -> None:
    """Name the largest difference."""
    data = registry.make("solvers")
    _, phase = data.panels
    off = [abs(row.simulated_per_s / row.product_form_per_s - 1) for row in phase.rows]
    worst = max(range(len(off)), key=lambda i: off[i])
    out.share("phase_worst", off[worst], 1)
    out.count("phase_worst_n", phase.rows[worst].n)
    stated = phase.rows[worst].stated_error
    if stated is None:
        raise ValueError("product form states no error for the second panel")
    out.share("phase_stated", stated, 1)
