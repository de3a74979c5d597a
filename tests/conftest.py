"""The order of the tests, and what they expect of those who start them."""

import signal
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parent / "workflow"

# A shell starts what runs in the background deaf to Ctrl-C, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs of the whole workflow first: they take longest, and should not be what one core does while the others wait."""
    items.sort(key=lambda item: WORKFLOW not in item.path.parents)
