"""What is compiled gives what the same Python gives, on lines with faults, and reads nothing outside of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from generate import generate


@pytest.mark.parametrize("seed", [1, 2])
def test_compiled_or_not_it_is_the_same(tmp_path: Path, seed: int) -> None:
    generate(tmp_path, patients=4, seed=seed)
    script = Path(__file__).with_name("mutated.py")
    digests = set()
    for disabled in ("0", "1"):
        run = subprocess.run(
            [sys.executable, str(script), str(tmp_path), str(seed)],
            env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        digests.add(run.stdout)
    assert len(digests) == 1
