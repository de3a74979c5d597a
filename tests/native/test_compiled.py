"""Where compiled functions are kept: in a folder for a version of the loops, wherever there is a place for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import config

from dimpflow.native import compiled

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setitem(vars(config), "CACHE_DIR", "")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return compiled._kept.__wrapped__


def test_a_change_of_any_loop_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba itself does not notice that a function which is called has changed."""
    monkeypatch.setattr(compiled, "_HERE", tmp_path)
    (tmp_path / "a.py").write_text("one")
    (tmp_path / "b.py").write_text("two")
    before = compiled._version()
    assert compiled._version() == before
    (tmp_path / "b.py").write_text("three")
    assert compiled._version() != before


def test_the_first_place_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept) -> None:  # type: ignore[no-untyped-def]
    """Beside the loops; else in the user's cache; else nowhere, and each process compiles."""
    monkeypatch.setattr(compiled, "_HERE", tmp_path / "loops")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "loops").mkdir()
    assert kept() and config.CACHE_DIR.startswith(f"{tmp_path}/loops/__pycache__/compiled-")
    (tmp_path / "loops/__pycache__").rename(tmp_path / "gone")
    (tmp_path / "loops/__pycache__").write_text("no folder")
    assert kept() and config.CACHE_DIR.startswith(f"{tmp_path}/cache/dimp-workflow/compiled-")
    (tmp_path / "cache").rename(tmp_path / "gone too")
    (tmp_path / "cache").write_text("no folder")
    assert not kept()


def test_the_place_that_numba_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert kept() and config.CACHE_DIR.startswith(f"{tmp_path}/compiled-")


def test_what_is_kept_is_taken_without_the_tables_of_all_that_could_be_compiled() -> None:
    """They take longer to fill than all else that a process does before it begins."""
    program = "import sys; import dimpflow.audit.leaks; print(*sorted(sys.modules))"
    once = [sys.executable, "-c", "import dimpflow.audit.leaks"]
    environ = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    subprocess.run(once, check=True, env=environ)
    done = subprocess.run([*once[:2], program], check=True, capture_output=True, text=True, env=environ)
    loaded = done.stdout.split()
    assert "dimpflow.native.walk" in loaded
    assert "numba.np.linalg" not in loaded
