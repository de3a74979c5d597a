"""Lets the tests of this folder import their helpers, and sees to it that nothing is logged that must not be."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sorts import FORBIDDEN


@pytest.fixture(autouse=True)
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Not even what libraries log at their finest holds an original, a pseudonym or a secret."""
    with caplog.at_level(logging.DEBUG):
        yield
    texts = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    assert not [text for text in texts if any(word in text for word in FORBIDDEN)]
