"""config/rulesets/README.md shows what its commands really give."""

import io
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

import deidentify
import lint_rules
from dimpflow.lint.findings import Code
from dimpflow.ruleset.methods import DYNAMIC, SETTINGS
from dimpflow.ruleset.parameters import PARAMETERS

HOME = Path(__file__).parents[2]
TEXT = (HOME / "config" / "rulesets" / "README.md").read_text(encoding="utf-8")
KEY = {"DIMP_CRYPTO_HASH_KEY": re.search(r"DIMP_CRYPTO_HASH_KEY=(\S+)", TEXT)[1]}  # type: ignore[index]


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rule set of the first example, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("my-rules.yaml")
    path.write_text(TEXT.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    return path


def shown(command: str) -> str:
    """What the page shows below a command, up to the next one."""
    block = TEXT.split(f"   $ {command}\n")[1].split("   ```")[0].split("   $ ")[0]
    return "".join(line[3:] + "\n" for line in block.splitlines())


def run(*options: str) -> str:
    output, errors = io.BytesIO(), io.StringIO()
    patient = shown("cat patient.json").encode()
    code = deidentify.main(["--rules", "my-rules.yaml", *options], io.BytesIO(patient), output, errors, KEY)
    assert code == 0 and errors.getvalue() == ""
    return output.getvalue().decode()


@pytest.mark.usefixtures("rules")
def test_try() -> None:
    command = "python scripts/deidentify.py --rules my-rules.yaml --no-labels < patient.json"
    assert run("--no-labels") == shown(command)


@pytest.mark.usefixtures("rules")
def test_explain() -> None:
    command = "python scripts/deidentify.py --rules my-rules.yaml --explain < patient.json"
    columns = [re.split(r"  +", line) for line in shown(command).splitlines()]
    assert [line.split("\t") for line in run("--explain").splitlines()] == columns


def test_lint(rules: Path) -> None:
    output = io.StringIO()
    assert lint_rules.main([str(rules)], output, KEY) == 0
    expected = [line for line in shown("make lint-rules FILE=my-rules.yaml").splitlines() if line != "..."]
    assert set(expected) <= set(output.getvalue().splitlines()) and len(expected) == 3


def names(heading: str) -> set[str]:
    """What stands in the first column of a table."""
    rows = TEXT.split(heading)[1].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row.split(" | ")[0])}


def test_every_finding_method_parameter_and_setting_is_there() -> None:
    assert names("| the linter's code |") == set(get_args(Code))
    assert {name.lower() for name in names("| method |")} == set(SETTINGS)
    assert names("| parameter |") == set(PARAMETERS)
    settings = {name for own in SETTINGS.values() for name in own} | set(DYNAMIC)
    assert settings - {"entici"} <= set(re.findall(r"`([\w-]+)[`:]", TEXT))


def test_the_readme_names_the_methods() -> None:
    readme = (HOME / "README.md").read_text(encoding="utf-8").lower()
    assert all(method in readme for method in SETTINGS)
    assert yaml.safe_load(TEXT.split("```yaml\n")[1].split("```")[0])["fhirVersion"] == "R4"
