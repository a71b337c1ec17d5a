"""The back-test with so few draws that it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from lockmodel.evaluate.backtest import engine, handoffs, sharding, splitting
from lockmodel.evaluate.backtest.draws import Hypercube


@contextmanager
def few_draws() -> Iterator[None]:
    """Whether a number moves at all, or how it is drawn, does not need those that make it exact."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (engine, "Hypercube", partial(Hypercube, 32)),
            (splitting, "EVERY", dict.fromkeys(splitting.EVERY, 8)),
            (handoffs, "DRAWS", 4),
            (sharding, "FEW", 4),
            (engine, "FEWEST", 1),
        ):
            patch.setattr(module, name, value)
        yield
