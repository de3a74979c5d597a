"""The check of a CRTDL document from a terminal: `python scripts/check_crtdl.py FILE`."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from check_crtdl import main
from crtdl_documents import CONDITION, GROUPS, PATIENT, attribute, criterion, document, group

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "check_crtdl.py"

NOTED = document(group("p", PATIENT["groupReference"], attribute("Patient.gender")))
OLD = {**document(), "version": "old"}


def run(folder: Path, content: Any, *arguments: str) -> tuple[int, str]:
    """The exit code and what is printed, without the file's name."""
    path = folder / "cohort.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    out = io.StringIO()
    code = main([str(path), *arguments], out)
    if "--json" not in arguments:
        assert all(line.startswith(f"{path}: ") for line in out.getvalue().splitlines())
    return code, out.getvalue().replace(f"{path}: ", "")


@pytest.mark.parametrize(
    ("content", "arguments", "code", "last"),
    [
        (document(), (), 0, "0 errors, 0 warnings, 0 notes"),
        (NOTED, (), 0, "0 errors, 0 warnings, 1 note"),
        (OLD, (), 1, "0 errors, 1 warning, 0 notes"),
        (OLD, ("--schema", "warn"), 1, "0 errors, 1 warning, 0 notes"),
        (OLD, ("--schema", "off"), 0, "0 errors, 0 warnings, 0 notes"),
        (OLD, ("--schema", "error"), 1, "1 error, 0 warnings, 0 notes"),
        (document(CONDITION), (), 1, "1 error, 0 warnings, 0 notes"),
        (document(inclusionCriteria=[[criterion("Patient", "a")]]), ("--require-consent",), 1, "1 error, 0 warnings, 0 notes"),
    ],
)  # fmt: skip
def test_exit_codes(tmp_path: Path, content: Any, arguments: tuple[str, ...], code: int, last: str) -> None:
    found, text = run(tmp_path, content, *arguments)
    assert (found, text.splitlines()[-1]) == (code, last)


def test_one_line_for_each_finding(tmp_path: Path) -> None:
    code, text = run(tmp_path, {**document(CONDITION), "version": "old"})
    assert code == 1 and text.splitlines() == [
        f"{GROUPS}: error patient-group: no Patient group; TORCH refuses the document (400); "
        "write exactly one group of a Patient profile; its attributes may be empty",
        '/version: warning schema: must be "1", is "old"; TORCH ignores it; write "1"',
        "1 error, 1 warning, 0 notes",
    ]


def test_json(tmp_path: Path) -> None:
    code, text = run(tmp_path, {**OLD, "\ud800": 1}, "--json")
    found = json.loads(text)
    assert code == 1 and found["counts"] == {"error": 0, "warning": 2, "note": 0}
    assert found["file"].endswith("cohort.json") and {f["pointer"] for f in found["findings"]} == {
        "/version",
        "/?",
    }
    assert set(found["findings"][0]) == {"level", "code", "pointer", "reason", "torch", "remedy"}


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert run(tmp_path, '{\n"a"}') == (
        2,
        "error not-read: line 2, column 4: not JSON: Expecting ':' delimiter\n",
    )
    code, text = run(tmp_path, "[]", "--json")
    assert code == 2 and [f["code"] for f in json.loads(text)["findings"]] == ["not-read"]
    out = io.StringIO()
    assert main(["nowhere.json"], out) == 2
    assert (
        out.getvalue() == "nowhere.json: error not-read: cannot read the CRTDL: No such file or directory\n"
    )


def test_patients(tmp_path: Path) -> None:
    whole = document(inclusionCriteria=[])
    patients = tmp_path / "patients.txt"
    patients.write_text("# two\nname-1234\nname_5678\n", encoding="utf-8")
    assert "error empty-cohort" in run(tmp_path, whole, "--schema", "off")[1]
    code, text = run(tmp_path, whole, "--schema", "off", "--patients", str(patients))
    assert code == 1 and "error patient-list: patient list: entry 3 is no FHIR id" in text
    assert "empty-cohort" not in text and "1234" not in text and "5678" not in text


def test_enrichments(tmp_path: Path) -> None:
    file = tmp_path / "enrichments.yaml"
    rule = {
        "groupReference": PATIENT["groupReference"],
        "attributes": [{"attributeRef": "Patient.identifier"}],
    }
    missing = {**rule, "groupReference": "https://a.example/p"}
    assert "note no-identifier" in run(tmp_path, NOTED)[1]
    file.write_text(json.dumps([rule, missing]), encoding="utf-8")
    code, text = run(tmp_path, NOTED, "--enrichments", str(file))
    first, last = text.splitlines()
    assert first.startswith(f"note enrichment: {file}: /1: left out, no group has the profile")
    assert (code, last) == (0, "0 errors, 0 warnings, 1 note")
    linking = {
        **rule,
        "attributes": [{"attributeRef": "Patient.link", "linkedGroups": ["https://a.example/p"]}],
    }
    for content, faults in (
        ([{**rule, "x": 1}, 1], ["/0/x", "/1"]),
        ([linking], ["/0/attributes/0/linkedGroups/0"]),
    ):
        file.write_text(json.dumps(content), encoding="utf-8")
        code, text = run(tmp_path, NOTED, "--enrichments", str(file))
        starts = [f"error enrichment: {file}: {fault}: " for fault in faults]
        assert (
            code == 2
            and all(map(str.startswith, text.splitlines(), starts))
            and text.count("\n") == len(faults)
        )


RULES = """\
parameters: {{cryptoHashKey: "${{NOT_SET}}"}}
fhirPathRules: [{{path: "nodesByType('Identifier').where(use='usual').value", method: {}}}]
"""


@pytest.mark.parametrize(("method", "level"), [("cryptoHash", "warning"), ("redact", "note")])
def test_rules_that_need_identifiers(tmp_path: Path, method: str, level: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.format(method), encoding="utf-8")
    code, text = run(tmp_path, NOTED, "--rules", str(rules))
    assert code == int(level == "warning") and f"{level} no-identifier" in text


@pytest.mark.parametrize("option", ["--patients", "--enrichments", "--rules"])
def test_other_files_that_cannot_be_read(tmp_path: Path, option: str) -> None:
    code, text = run(tmp_path, document(), option, str(tmp_path / "nowhere.yaml"))
    assert code == 2 and text.count("\n") == 1 and f"{tmp_path / 'nowhere.yaml'}: cannot read the " in text
    code, text = run(tmp_path, document(), option, str(tmp_path / "nowhere.yaml"), "--json")
    assert code == 2 and json.loads(text)["counts"]["error"] == 1


def test_as_a_process(tmp_path: Path) -> None:
    def process(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], cwd=tmp_path, capture_output=True, text=True
        )

    (tmp_path / "a.json").write_text(json.dumps(OLD), encoding="utf-8")
    first, second = process("a.json"), process("a.json")
    assert first.returncode == 1 and first.stdout == second.stdout and first.stderr == ""
    assert process("a.json", "--schema", "off").returncode == 0
    missing = process("b.json")
    assert missing.returncode == 2 and missing.stderr == "" and missing.stdout.count("\n") == 1
    assert "usage" in process("--help").stdout and process().returncode == 2
