"""Lets the tests of this folder import their helpers, and gives them a cohort."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from generate import generate


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TORCH-shaped folder: 9 patients in 3 batch files, core.ndjson, consent audits."""
    folder = tmp_path_factory.mktemp("torch") / "cohort"
    generate(folder, 9, seed=5, shape="torch", files=3)
    return folder
