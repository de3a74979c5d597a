"""The method scrub: whose terms are taken, what happens without them, and a whole cohort."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from rules import RULESETS, rule, rule_set

import deidentify
from canaries import surviving
from dimpflow.engine.engine import Engine
from dimpflow.engine.probe import embedded_leaks
from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.gather import TermsGatherer
from dimpflow.scrub.spellings import fold
from dimpflow.scrub.terms import Terms
from generate import generate

ENVIRON = {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}
KEEP_TEXT = RULESETS / "default-keep-text.yaml"
TEXT = rule("nodesByType('string')", "scrub")


def terms(patient: str) -> Automaton | None:
    return {"p": Automaton(Terms(words={fold("Doe")})), "q": Automaton(Terms(words={fold("Roe")}))}.get(
        patient
    )


def done(resource: Any, *rules: Any, **options: Any) -> tuple[Any, int]:
    """The result, the same by walk and by tree, and the number of texts without terms."""
    found = []
    for only_tree in (False, True):
        machine = Engine(rule_set(rules, **options), security_labels=False, only_tree=only_tree, terms=terms)
        made = orjson.loads(machine.deidentify(json.dumps(resource).encode()))
        found.append((made, machine.take_unknown()))
    assert found[0] == found[1]
    return found[0]


def observation(patient: str | None, **more: Any) -> dict[str, Any]:
    subject = {} if patient is None else {"subject": {"reference": patient}}
    return {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "Doe, Roe"},
        **subject,
        **more,
    }


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("Patient/p", "***, Roe"),
        ("Patient/q", "Doe, ***"),
        ("https://x/fhir/Patient/p/_history/2", "***, Roe"),
        ("Patient/unknown", None),
        ("Group/p", None),
        (None, None),
    ],
)
def test_the_terms_are_those_of_the_patient(strict: bool, reference: str | None, text: str | None) -> None:
    made, unknown = done(
        observation(reference), rule("nodesByType('CodeableConcept').text", "scrub"), strict=strict
    )
    assert made.get("code", {}).get("text") == text and unknown == (text is None)


def test_unknown_keep() -> None:
    made, unknown = done(observation("Patient/x"), rule("Observation.code.text", "scrub", unknown="keep"))
    assert made["code"]["text"] == "Doe, Roe" and unknown == 1


def test_entries_of_bundles_each_have_their_own_patient_and_contained_resources_that_of_the_outer() -> None:
    contained = {"resourceType": "Patient", "id": "q", "name": [{"text": "Doe Roe"}]}
    entries = [
        observation("Patient/p", contained=[contained]),
        observation("Patient/q"),
        {"resourceType": "Organization", "id": "p", "name": "Doe"},
    ]
    made, unknown = done({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in entries]},
                         rule("nodesByType('CodeableConcept').text", "scrub"), rule("Organization.name", "scrub"), rule("nodesByType('HumanName').text", "scrub"))  # fmt: skip
    first, second, third = (entry["resource"] for entry in made["entry"])
    assert (first["code"]["text"], second["code"]["text"]) == ("***, Roe", "Doe, ***")
    assert first["contained"][0]["name"] == [{"text": "*** Roe"}]
    assert "name" not in third and unknown == 1


def test_the_id_counts_as_it_came() -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"text": "Doe"}]}
    made, _ = done(patient, rule("Resource.id", "cryptoHash"), rule("Patient.name", "scrub", marker="[name]"))
    assert made["name"] == [{"text": "[name]"}] and made["id"] != "p"


def test_other_types_and_extensions() -> None:
    beside = {"extension": [{"url": "u", "valueString": "Doe"}]}
    resource = observation("Patient/p", _status=beside, note=[{"text": "Doe 1", "time": "2020-01-01"}])
    made, _ = done(resource, rule("Observation", "scrub"))
    assert made["note"] == [{"text": "*** 1", "time": "2020-01-01"}] and made["status"] == "final"
    assert made["_status"]["extension"][0]["valueString"] == "***"


def test_labels_and_counts() -> None:
    machine = Engine(rule_set([TEXT]), terms=terms)
    assert b"REDACTED" not in machine.deidentify(orjson.dumps(observation("Patient/p", code={"text": "x"})))
    assert b"REDACTED" in machine.deidentify(orjson.dumps(observation("Patient/p")))
    assert machine.take_unknown() == 0


def test_refused_lines_are_not_counted_twice() -> None:
    machine = Engine(
        rule_set(
            [
                rule("Observation.code.text", "scrub"),
                rule("Observation.issued", "substitute", replaceWith="x"),
            ]
        ),
        terms=terms,
    )
    broken = observation(None, issued="2020-01-01T00:00:00Z")
    with pytest.raises(Exception, match="rule 2"):
        machine.deidentify(orjson.dumps(broken))
    assert machine.take_unknown() == 0
    assert all(count.matched == count.changed == 0 for count in machine.take_counts())


def test_without_a_source_of_terms() -> None:
    with pytest.raises(RuleSetError, match=r"rule 1 .*the workflow gathers"):
        Engine(rule_set([TEXT]))
    assert "Provenance.agent" not in "".join(embedded_leaks(rule_set([TEXT])))
    assert "Provenance.target.reference" in embedded_leaks(
        rule_set([TEXT])
    )  # text that is only scrubbed may hold ids


@pytest.mark.parametrize("marker", ["a<b", "&", "'x'", "a--b", " x", "x ", "-", "a\nb", '"'])
def test_markers_that_would_break_markup(marker: str) -> None:
    with pytest.raises(RuleSetError, match="marker"):
        rule_set([{**TEXT, "marker": marker}])


@pytest.mark.parametrize("marker", ["***", "X", "[entfernt]", "…", "a - b"])
def test_markers(marker: str) -> None:
    made, _ = done(observation("Patient/p"), {**TEXT, "path": "Observation.code.text", "marker": marker})
    assert made["code"]["text"] == f"{marker}, Roe"


def test_unknown_setting() -> None:
    with pytest.raises(RuleSetError, match="unknown: expected"):
        rule_set([{**TEXT, "unknown": "guess"}])


# ---- a cohort ----------------------------------------------------------------------------------------------------------

PHRASE = re.compile(r"Schlüssel liegt bei (?:Nachbarin|Schwägerin|Enkelin) ")


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_nobody_survives_whom_the_data_know_and_strangers_do(tmp_path: Path, shape: str) -> None:
    """All that identifies goes, in every spelling that the generator plants, but for those whom no resource knows: `scrub`
    removes known terms and is no proof of anonymity."""
    listed, out = tmp_path / "canaries", tmp_path / "out"
    generate(tmp_path / "cohort", patients=200, seed=11, shape=shape, canaries=listed)
    files = [f for f in sorted((tmp_path / "cohort").glob("*.ndjson")) if not f.stem.endswith("_consent")]
    lines = [line for file in files for line in file.read_bytes().splitlines()]
    gatherer = TermsGatherer()
    for line in lines:
        gatherer.take(line)
    machine = Engine(load_rule_set(KEEP_TEXT, ENVIRON, Options(strict=True)), terms=gatherer.terms)
    assert machine.slow == {}
    out.write_bytes(b"\n".join(map(machine.deidentify, lines)))
    assert machine.take_unknown() == 24, "narratives of the staff, who are nobody's"

    rows = [orjson.loads(line) for line in listed.read_bytes().splitlines()]
    strangers = {row["value"] for row in rows if row["kind"] == "stranger"}
    came = {(kind, value) for kind, value in surviving(files, listed) if kind != "stranger"}
    assert len(came) > 5000 and Counter(kind for kind, _ in came)["contact"] > 500
    left = surviving([out], listed)
    assert {(kind, value) for kind, value in left if kind != "stranger"} == set(), "0 of those above"
    assert len(strangers) > 100 and len(left) > 0.9 * len(strangers), "the documented limit"

    before, after = "\n".join(texts(lines)), "\n".join(texts(out.read_bytes().splitlines()))
    assert len(PHRASE.findall(before)) == len(PHRASE.findall(after)) > 1000, "the text around stays"
    assert after.count("***") > 3000


def texts(lines: Iterable[bytes]) -> Iterator[str]:
    """The texts of `note`, `valueString`, `text` and the like, wherever they are."""
    values: list[Any] = [orjson.loads(line) for line in lines]
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        else:
            values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def test_deidentify_takes_the_terms_from_the_same_input() -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "Zeder"}]}
    lines = b"\n".join(
        orjson.dumps(one) for one in (observation("Patient/p", valueString="Frau Zeder hustet"), patient)
    )
    out, errors = io.BytesIO(), io.StringIO()
    assert deidentify.main(["--rules", str(KEEP_TEXT)], io.BytesIO(lines), out, errors, ENVIRON) == 0
    first, second = map(orjson.loads, out.getvalue().splitlines())
    assert first["valueString"] == "Frau *** hustet" and second["name"][0]["text"].startswith("PT_")
    assert b"Zeder" not in out.getvalue()
