"""Where compiled functions are kept: in a folder for a version of the loops, wherever there is a place for it."""

from pathlib import Path

import pytest
from numba.core import config

from dimpflow.native import compiled


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
