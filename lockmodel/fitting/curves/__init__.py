"""One throughput curve: families of curves, fits, comparison, and the prediction beyond it."""
