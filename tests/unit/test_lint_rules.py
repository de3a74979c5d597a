"""The linter from a terminal: `python scripts/lint_rules.py FILE`, and `make lint-rules`."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lint_rules import main

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "lint_rules.py"
NO_KEYS = {k: v for k, v in os.environ.items() if "KEY" not in k.upper()}

GOOD = 'fhirVersion: R4\nparameters: {cryptoHashKey: "${SOME_KEY}"}\nfhirPathRules: [{path: Resource, method: cryptoHash}]\n'
POOR = """\
fhirVersion: R4
parameters: {cryptoHashKey: hunter2hunter2hunter2}
fhirPathRules:
  - {path: Patient.name, method: keep}
  - {path: Patient.name.family, method: cryptoHash, truncateToMaxLength: 8}
  - {path: HumanName.given, method: redact}
"""


def lint(
    folder: Path, text: str, *arguments: str, environ: dict[str, str] | None = None
) -> tuple[int, list[str]]:
    """The exit code and the lines, without the file's name, for a rule set."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    out = io.StringIO()
    code = main([str(path), *arguments], out, environ or {})
    if "--json" in arguments:
        return code, [out.getvalue()]
    lines = out.getvalue().splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return code, [line.removeprefix(f"{path}: ") for line in lines]


def test_one_line_for_each_finding(tmp_path: Path) -> None:
    code, lines = lint(tmp_path, POOR)
    assert code == 1
    notes = [line for line in lines if line.startswith("note stays-in-clear: ")]
    assert len(notes) > 10
    others = [line for line in lines if line not in notes]
    starts = [
        "warning key-in-file: parameters.cryptoHashKey: ",
        "warning short-key: parameters.cryptoHashKey: ",
        "rule 1 (Patient.name): warning keeps-identifier: ",
        "rule 2 (Patient.name.family): warning shadowed: ",
        "rule 2 (Patient.name.family): warning short-hash: ",
        "rule 3 (HumanName.given): error never-matches: ",
        f"1 error, 5 warnings, {len(notes)} notes",
    ]
    assert [line[: len(start)] for line, start in zip(others, starts, strict=True)] == starts
    assert all("; " in line for line in lines[:-1])
    assert "hunter" not in "\n".join(lines)


def test_without_notes_they_are_counted_only(tmp_path: Path) -> None:
    code, lines = lint(tmp_path, GOOD, "--no-notes")
    assert (code, lines) == (0, ["0 errors, 0 warnings, 0 notes"])
    code, lines = lint(tmp_path, "fhirVersion: R4\nfhirPathRules: []", "--no-notes")
    assert code == 0 and re.fullmatch(r"0 errors, 0 warnings, \d\d notes", lines[0]) and len(lines) == 1
    assert len(lint(tmp_path, "fhirVersion: R4\nfhirPathRules: []", "--notes")[1]) > 20


def test_json(tmp_path: Path) -> None:
    code, (text,) = lint(tmp_path, POOR, "--json", "--no-notes")
    found = json.loads(text)
    assert code == 1 and found["file"].endswith("rules.yaml")
    assert [f["code"] for f in found["findings"]][-1] == "never-matches" and len(found["findings"]) == 6
    assert set(found["findings"][0]) == {"level", "rule", "path", "code", "reason", "remedy"}
    assert found["counts"]["error"] == 1 and found["counts"]["note"] > 10
    assert "hunter" not in text


def test_strict(tmp_path: Path) -> None:
    union = "fhirVersion: R4\nfhirPathRules: [{path: Patient.name | Patient.contact.name, method: redact}]"
    assert lint(tmp_path, union)[0] == 1
    assert lint(tmp_path, union, "--strict")[0] == 0
    code, lines = lint(tmp_path, POOR, "--strict")
    assert code == 2 and len(lines) == 1
    assert lines[0].startswith("error not-loaded: rule 2 (Patient.name.family): truncateToMaxLength: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fhirPathRules: [", "not YAML"),
        ("fhirPathRules: [{path: Patient.id, method: shred}]", "rule 1 (Patient.id): unknown method shred"),
        ("fhirPathRules: [{path: 'Patient.name.foo()', method: keep}]", "rule 1 (Patient.name.foo())"),
        ("fhirPathRules: []\nparameters: {encryptKey: hunter2}", "encryptKey"),
        ("fhirPathRules: []\nparameters: [x]", "expected a mapping"),
        (
            f"fhirPathRules: [{{path: Patient{'.children()' * 700}, method: keep}}]",
            "nested more than 100 levels deep",
        ),
    ],
)
def test_a_rule_set_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    code, lines = lint(tmp_path, text)
    assert code == 2 and len(lines) == 1
    assert lines[0].startswith("error not-loaded: ") and words in lines[0] and "hunter" not in lines[0]


def test_a_file_that_is_not_there() -> None:
    out = io.StringIO()
    assert main(["nowhere.yaml"], out, {}) == 2
    assert (
        out.getvalue()
        == "nowhere.yaml: error not-loaded: cannot read the rule set: No such file or directory\n"
    )


def test_keys_need_not_be_set(tmp_path: Path) -> None:
    assert lint(tmp_path, GOOD)[0] == 0
    assert lint(tmp_path, GOOD, environ={"SOME_KEY": " "})[0] == 0
    code, lines = lint(tmp_path, GOOD, environ={"SOME_KEY": "hunter2"})
    assert code == 1 and "short-key" in lines[0] and "hunter" not in lines[0]


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_missing_keys(tmp_path: Path, strict: tuple[str, ...]) -> None:
    text = """\
fhirVersion: R4
parameters: {cryptoHashKey: ""}
fhirPathRules:
  - {path: Patient.id, method: cryptoHash}
  - {path: Patient.name, method: encrypt}
  - {path: Patient.birthDate, method: dateshift}
  - {path: Patient.name.family, method: redact}
"""
    code, lines = lint(tmp_path, text, *strict)
    assert code == 1
    missing = [line for line in lines if "missing-key" in line]
    assert [line.split(": ")[1] for line in missing] == [
        "parameters.cryptoHashKey",
        "parameters.dateShiftKey",
        "parameters.encryptKey",
    ]
    assert all("secrets.token_hex" in line and "needs it" in line for line in missing)
    assert "rule 4 (Patient.name.family): warning shadowed: " in "\n".join(lines), "and the rest is linted"
    assert lint(tmp_path, text, *strict)[1] == lines


def test_as_a_process(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(command, cwd=ROOT, env=NO_KEYS, capture_output=True, text=True)

    good = run("config/rulesets/redact-all.yaml", "--strict")
    assert (good.returncode, good.stdout) == (
        0,
        "config/rulesets/redact-all.yaml: 0 errors, 0 warnings, 0 notes\n",
    )
    poor = tmp_path / "poor.yaml"
    poor.write_text(POOR, encoding="utf-8")
    first, second = run(str(poor)), run(str(poor))
    assert first.returncode == 1 and first.stdout == second.stdout and first.stderr == ""
    assert "hunter" not in first.stdout
    missing = run("nowhere.yaml")
    assert missing.returncode == 2 and missing.stderr == "" and missing.stdout.count("\n") == 1
    assert "usage" in run("--help").stdout and run().returncode == 2


def test_make_lint_rules() -> None:
    def make(*arguments: str) -> str:
        run = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return run.stdout

    assert "  make lint-rules " in make("help")
    assert "lint_rules.py some.yaml --strict" in make(
        "--dry-run", "lint-rules", "FILE=some.yaml", "LINT_ARGS=--strict"
    )
