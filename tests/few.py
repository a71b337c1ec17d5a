"""The back-test with so few draws that it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lockmodel.evaluate.backtest import engine, handoffs, moved, sharding, splitting


@contextmanager
def few_draws() -> Iterator[None]:
    """Whether a number moves at all, or how it is drawn, does not need those that make it exact."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, count in (
            (splitting, "TREES", 16),
            (splitting, "RESAMPLED", 8),
            (moved, "RESAMPLED", 8),
            (moved, "FEW", 1),
            (handoffs, "DRAWS", 4),
            (sharding, "FEW", 4),
            (engine, "FEWEST", 1),
        ):
            patch.setattr(module, name, count)
        yield
