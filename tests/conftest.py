"""The order of the tests."""

from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parent / "workflow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs of the whole workflow first: they take longest, and should not be what one core does while the others wait."""
    items.sort(key=lambda item: WORKFLOW not in item.path.parents)
