"""The set-up files agree with each other: conda, pip lock, changelog, make."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"snakemake-minimal": "snakemake", "python-isal": "isal"}  # conda's name -> PyPI's
CUSTOMER = {"snakemake", "requests", "pyyaml", "jsonschema", "orjson", "pytest"}


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return pins((ROOT / "requirements/lock.txt").read_text())


def environment(*, pinned: bool) -> dict[str, str]:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    found = dict(re.fullmatch(r"([a-z0-9-]+)(.*)", line).groups() for line in content["dependencies"])  # type: ignore[union-attr]
    return {
        CONDA_NAMES.get(name, name): pin[1:] for name, pin in found.items() if (pin[:2] != ">=") == pinned
    }


def wanted() -> dict[str, str]:
    return {
        **pins((ROOT / "requirements/run.in").read_text()),
        **pins((ROOT / "requirements/dev.in").read_text()),
    }


def test_conda_and_pip_install_the_same_versions(lock: dict[str, str]) -> None:
    conda = environment(pinned=True)
    assert {name: lock.get(name) for name in conda} == conda
    assert wanted().items() <= conda.items(), "whatever we name for pip, conda users get too"
    assert environment(pinned=False) == {"python": "=3.11"}
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert content["name"] == "dimp-workflow"
    assert {"conda-forge", "bioconda"} <= set(content["channels"])


def test_the_lock_follows_what_we_name(lock: dict[str, str]) -> None:
    assert wanted().items() <= lock.items()
    uv = ROOT / "requirements/uv.in"
    assert pins(uv.read_text()) == pins(uv.with_suffix(".txt").read_text()) != {}


@pytest.mark.parametrize("name", ["lock.txt", "uv.txt"])
def test_each_pin_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(text)) > 0
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


def test_the_changelog_gives_a_reason_for_each_dependency() -> None:
    text = (ROOT / "CHANGELOG.md").read_text().partition("### Dependencies")[2]
    reasons = "\n".join(re.findall(r"^- (.*?):", text, re.MULTILINE))
    extra = (wanted().keys() | environment(pinned=True).keys() | {"uv"}) - CUSTOMER
    assert (
        sorted(name for name in extra if not re.search(rf"\b{re.escape(name)}(,|$)", reasons, re.MULTILINE))
        == []
    )


def test_make_lists_targets_that_exist() -> None:
    def make(*arguments: str) -> str:
        return subprocess.run(
            ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    listed = re.findall(r"^  make (\w+) ", make(), re.MULTILINE)
    assert {"demo", "test", "lint", "cohort", "bench", "clean", "distclean"} <= set(listed)
    for target in listed:
        assert make("--dry-run", "--no-print-directory", target), target


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    run = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stderr and "3.9.2" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_key_is_kept_from_git_and_from_others(tmp_path: Path) -> None:
    assert ".dimp-key" in {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    (tmp_path / "Makefile").symlink_to(ROOT / "Makefile")
    run = subprocess.run(["make", ".dimp-key"], cwd=tmp_path, capture_output=True, text=True, check=True)
    key = (tmp_path / ".dimp-key").read_text().strip()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert (tmp_path / ".dimp-key").stat().st_mode & 0o777 == 0o600
    assert key not in run.stdout + run.stderr
    subprocess.run(["make", ".dimp-key"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / ".dimp-key").read_text().strip() == key, "a key is never replaced"
