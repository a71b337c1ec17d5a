"""Whether the answers are any good: solvers against each other, and against published results."""
