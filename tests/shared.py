"""Third-party data and reference outputs, read from where they lie; tests that need them skip where they are not."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"needs third-party data in {SHARED.name}/ beside the project"
)
