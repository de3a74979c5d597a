"""The command line for trying a rule set, and the filter that it is."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deidentify import main

SCRIPT = Path(__file__).parents[2] / "scripts" / "deidentify.py"
RULESETS = SCRIPT.parents[1] / "config" / "rulesets"
KEYS = {"HASH": "hash-secret", "AES": "sixteen-letters-"}
RULES = """
fhirVersion: R4
parameters: {cryptoHashKey: "${HASH}", enablePartialDatesForRedact: true}
fhirPathRules:
  - {path: Patient.name.use, method: keep}
  - {path: Patient.name, method: redact}
  - {path: Patient.birthDate, method: redact}
  - {path: "Patient.identifier.value", method: pseudonymize, domain: d}
"""
PATIENT = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Doe"}],
    "birthDate": "1974-12-25",
}
DONE = b'{"resourceType":"Patient","name":[{"use":"official"}],"birthDate":"1974"}\n'
LINE = json.dumps(PATIENT).encode()


class Result(NamedTuple):
    code: int
    out: bytes
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command line; labels only where they are asked for."""

    def result(
        data: bytes,
        *options: str,
        rules: str = RULES,
        environ: Mapping[str, str] = KEYS,
        labels: bool = False,
    ) -> Result:
        path = tmp_path / "rules.yaml"
        path.write_text(rules, encoding="utf-8")
        out, err = io.BytesIO(), io.StringIO()
        arguments = ["--rules", str(path), *options, *([] if labels else ["--no-labels"])]
        code = main(arguments, io.BytesIO(data), out, err, environ)
        return Result(code, out.getvalue(), err.getvalue())

    return result


# ---- what comes in -------------------------------------------------------------------------------------------------

PRETTY = json.dumps(PATIENT, indent=2).encode()


@pytest.mark.parametrize(
    ("data", "resources"),
    [
        (LINE, 1),
        (LINE + b"\n", 1),
        (b"  " + LINE + b" \r\n", 1),
        (PRETTY, 1),
        (PRETTY + b"\n\n", 1),
        (PRETTY.replace(b"\n", b"\r\n"), 1),
        (b"\xef\xbb\xbf" + LINE, 1),
        (b"\xef\xbb\xbf" + PRETTY, 1),
        (LINE + b"\n" + LINE, 2),
        (LINE + b"\n\n  \n" + LINE + b"\n", 2),
        (b"\xef\xbb\xbf" + LINE + b"\n" + LINE + b"\n" + LINE, 3),
        (b"\n" + LINE, 1),
        (b"", 0),
        (b"\n\n", 0),
        (b"\xef\xbb\xbf", 0),
    ],
)
def test_one_resource_or_lines_of_them(run: Run, data: bytes, resources: int) -> None:
    assert run(data) == (0, DONE * resources, "")


def test_braces_in_text_open_nothing(run: Run) -> None:
    line = json.dumps({**PATIENT, "name": [{"use": "official", "text": 'a { " [ \\'}]}).encode()
    assert run(line + b"\n" + LINE) == (0, DONE * 2, "")


def test_a_refused_line_is_named_and_the_others_are_written(run: Run) -> None:
    bad = b'{"resourceType":"Patient","nickname":"Max"}'
    code, out, err = run(LINE + b"\n" + bad + b"\n\n" + LINE + b"\n" + bad)
    reason = "an element that FHIR R4 does not have here at $"
    assert (code, out) == (1, DONE * 2)
    assert err == f"<stdin>:2: {reason}\n<stdin>:5: {reason}\n"


@pytest.mark.parametrize(
    "broken", [b'{"resourceType":"Patient"', b'{"id":"Max', b"Max", b'{"resourceType":"Patient"}}', b"[]"]
)
def test_a_broken_line_among_others(run: Run, broken: bytes) -> None:
    code, out, err = run(LINE + b"\n" + broken + b"\n" + LINE)
    assert (code, out) == (1, DONE * 2)
    assert err.startswith("<stdin>:2: ") and err.count("\n") == 1 and "Max" not in err


def test_the_name_of_the_input(run: Run) -> None:
    assert run(b"[]", "--name", "patients.ndjson").err.startswith("patients.ndjson:1: ")


# ---- options -------------------------------------------------------------------------------------------------------


def test_labels(run: Run) -> None:
    code, out, _ = run(LINE, labels=True)
    assert code == 0
    assert [label["code"] for label in json.loads(out)["meta"]["security"]] == ["REDACTED"]


def test_explain(run: Run) -> None:
    resource = {**PATIENT, "id": "p", "gender": "male"}
    code, out, err = run(json.dumps(resource).encode(), "--explain")
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        "$.id\tkept\tno rule",
        "$.name[0].use\tkept\trule 1 (Patient.name.use): keep",
        "$.name[0].family\tgone\trule 2 (Patient.name): redact",
        "$.gender\tkept\tno rule",
        "$.birthDate\tchanged\trule 3 (Patient.birthDate): redact",
    ]
    assert b"Doe" not in out and b"1974" not in out
    code, out, err = run(b"[]\n" + LINE, "--explain")
    assert code == 1 and err.startswith("<stdin>:1: ") and out.count(b"\n") == 3


def test_a_refused_rule_set(run: Run) -> None:
    code, out, err = run(LINE, rules="fhirPathRules: [{path: Patient.id, method: shred}]")
    assert (code, out) == (2, b"")
    assert "rules.yaml: rule 1 (Patient.id): unknown method shred; known: " in err and err.count("\n") == 1


def test_a_missing_key(run: Run) -> None:
    code, out, err = run(LINE, environ={})
    assert (code, out) == (2, b"")
    assert "parameters.cryptoHashKey: the environment variable HASH is not set" in err


def test_keys_as_the_service_takes_them(run: Run) -> None:
    rules = RULES.replace('cryptoHashKey: "${HASH}", ', "")
    assert run(LINE, rules=rules).code == 2
    assert run(LINE, rules=rules, environ={"Anonymization__CryptoHashKey": "k"}) == (0, DONE, "")


def test_the_day_on_which_ages_are_judged(run: Run) -> None:
    assert run(LINE, "--reference-date", "2064-12-24").out == DONE
    over_89 = DONE.replace(b',"birthDate":"1974"', b"")
    assert run(LINE, "--reference-date", "2064-12-25").out == over_89
    young = json.dumps({"resourceType": "Patient", "birthDate": f"{date.today().year - 1}-01-01"}).encode()
    assert b"birthDate" in run(young).out  # today, if nothing is said
    with pytest.raises(SystemExit):
        run(LINE, "--reference-date", "tomorrow")


def test_strict_or_compatible(run: Run) -> None:
    rules = RULES.replace("Patient.name.use", "Patient.nmae")
    assert run(LINE, rules=rules).code == run(LINE, "--mode", "compat", rules=rules).code == 0
    code, out, err = run(LINE, "--mode", "strict", rules=rules)
    assert (code, out) == (2, b"")
    assert "never matches: Patient has no element nmae; did you mean name?" in err
    with pytest.raises(SystemExit):
        run(LINE, "--mode", "loose")


def test_our_own_rule_sets_are_strict() -> None:
    def errors(*options: str) -> str:
        err = io.StringIO()
        own = ["--rules", str(RULESETS / "default.yaml"), "--setting", "domain=", *options]
        assert main(own, io.BytesIO(), io.BytesIO(), err, {"DIMP_CRYPTO_HASH_KEY": "k"}) in (0, 2)
        return err.getvalue()

    assert "domain is missing; strict mode takes none from the data" in errors()
    assert errors("--mode", "compat") == ""


def test_what_no_rule_reaches(run: Run) -> None:
    resource = json.dumps({**PATIENT, "gender": "male"}).encode()
    assert b'"gender":"male"' in run(resource).out
    assert b'"gender":"male"' in run(resource, "--unmatched", "keep").out
    assert run(resource, "--unmatched", "redact").out == DONE


def test_settings_for_all_rules(run: Run) -> None:
    resource = b'{"resourceType":"Patient","identifier":[{"value":"1"}]}'

    def pseudonym(*options: str) -> str:
        found: Any = json.loads(run(resource, *options).out)
        return str(found["identifier"][0]["value"])

    names = {
        pseudonym(),
        pseudonym("--setting", "domain=e"),
        pseudonym("--setting", "domain-prefix=p-"),
        pseudonym("--setting", "domain-prefix=p-", "--setting", "domain=e"),
    }
    assert len(names) == 4
    assert pseudonym("--setting", "domain-prefix=p", "--setting", "domain=q=r") == pseudonym(
        "--setting", "domain=pq=r"
    )
    assert pseudonym("--setting", "domain=e", "--setting", "domain=d") == pseudonym()
    code, _, err = run(resource, "--setting", "domain")
    assert (code, err) == (2, "--setting domain: expected NAME=VALUE\n")
    code, _, err = run(resource, "--setting", "truncateToMaxLength=8")
    assert code == 2 and "truncateToMaxLength cannot be set for all rules" in err


# ---- the way back --------------------------------------------------------------------------------------------------

ENCRYPT = """
parameters: {encryptKey: "${AES}"}
fhirPathRules:
  - {path: Patient.id, method: encrypt}
  - {path: "nodesByType('Reference').reference", method: encrypt}
  - {path: Patient.name, method: redact}
"""


def test_there_and_back(run: Run) -> None:
    resource = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": "Doe"}],
        "link": [{"other": {"reference": "Patient/ä"}, "type": "refer"}],
    }
    encrypted = run(json.dumps(resource).encode(), rules=ENCRYPT, labels=True)
    found = json.loads(encrypted.out)
    assert len(found["id"]) == len(found["link"][0]["other"]["reference"]) == 64
    assert [label["code"] for label in found["meta"]["security"]] == ["REDACTED", "MASKED"]
    back = run(encrypted.out, "--decrypt", rules=ENCRYPT, labels=True)
    expected = {**resource, "meta": found["meta"]}
    del expected["name"]
    assert (back.code, json.loads(back.out), back.err) == (0, expected, "")


def test_what_cannot_be_decrypted(run: Run) -> None:
    plain = b'{"resourceType":"Patient","id":"p1"}'
    assert run(plain, "--decrypt", rules=ENCRYPT) == (0, plain + b"\n", "")
    code, out, err = run(plain, "--decrypt", "--mode", "strict", rules=ENCRYPT)
    assert (code, out) == (1, b"")
    assert err == "<stdin>:1: rule 1 (Patient.id): decrypt: cannot be decrypted with this key at $.id\n"
    code, out, err = run(plain, "--decrypt")
    assert (code, out) == (2, b"") and "no rule encrypts, so there is nothing to decrypt" in err


# ---- as a process --------------------------------------------------------------------------------------------------


def test_as_a_filter(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--rules", path, "--no-labels"],
        input=LINE + b"\n[]\n" + LINE,
        capture_output=True,
        env={"HASH": "k"},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, DONE * 2)
    assert done.stderr.decode().splitlines() == ["<stdin>:2: no resourceType at $.resourceType"]
    described = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, check=True)
    assert b"python scripts/deidentify.py --rules rules.yaml --explain < patient.json" in described.stdout
