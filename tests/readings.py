"""What a reader of measurements makes of a sample, or of a few words."""

from __future__ import annotations

import pytest
from places import TESTS

from lockmodel.errors import ScenarioError
from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_file, read_text
from lockmodel.observe.text import from_text

SAMPLES = TESTS / "samples"


def sample(name: str, **options: object) -> Reading:
    """Return what is read from a file of tests/samples."""
    return read_file(SAMPLES / name, Options(**options))


def content(name: str) -> str:
    """Return the text of a file of tests/samples, to be changed and read as `text`."""
    return (SAMPLES / name).read_text(encoding="utf-8")


def text(words: str, **options: object) -> Reading:
    """Return what is read from words, as those of a file named f."""
    return read_text(from_text(words, "f"), Options(**options))


def refused(words: str, *parts: str, **options: object) -> None:
    """Assert that a text is refused with the parts in the message, file first."""
    with pytest.raises(ScenarioError) as error:
        text(words, **options)
    for part in ("f:", *parts):
        assert part in str(error.value)
