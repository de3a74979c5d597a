"""Our own rule sets on real and on generated data: what must go is gone, what must stay is there."""

import re
from pathlib import Path

import orjson
import pytest
from rules import RULESETS, apply, parse

from canaries import find_canaries
from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from generate import generate
from shared import SHARED, needs_shared

ENVIRON = {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}


def engine_of(name: str) -> Engine:
    return Engine(load_rule_set(RULESETS / f"{name}.yaml", ENVIRON))


def deidentified(name: str, folder: Path, out: Path) -> list[bytes]:
    machine = engine_of(name)
    lines = [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    done = [machine.deidentify(line) for line in lines]
    out.write_bytes(b"\n".join(done))
    return done


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_no_canary_survives(tmp_path: Path, shape: str) -> None:
    canaries = tmp_path / "canaries.ndjson"
    generate(tmp_path / "cohort", patients=60, seed=5, shape=shape, canaries=canaries)
    inputs = sorted((tmp_path / "cohort").glob("*.ndjson"))
    assert len(find_canaries(inputs, canaries)) >= 10  # all kinds are in the input
    deidentified("default", tmp_path / "cohort", tmp_path / "out.ndjson")
    assert find_canaries([tmp_path / "out.ndjson"], canaries) == []


def test_links_and_medicine_stay(tmp_path: Path) -> None:
    generate(tmp_path / "cohort", patients=30, seed=6, shape="ndjson", canaries=tmp_path / "c")
    done = [orjson.loads(line) for line in deidentified("default", tmp_path / "cohort", tmp_path / "out")]
    ids = {f"{r['resourceType']}/{r['id']}" for r in done}
    assert len(ids) == len(done)
    linked = 0
    for resource in done:
        contained = {"#" + inner["id"] for inner in resource.get("contained", [])}
        for reference in re.findall(rb'"reference":"([^"]+)"', orjson.dumps(resource)):
            assert reference.decode() in (contained if reference.startswith(b"#") else ids)
            linked += 1
    assert linked > len(done)
    by_type = {
        kind: [r for r in done if r["resourceType"] == kind] for kind in {r["resourceType"] for r in done}
    }
    assert all(
        re.fullmatch(r"PT_[0-9a-f]{20}", name["text"]) for p in by_type["Patient"] for name in p["name"]
    )
    assert all(re.fullmatch(r"\d{4}", p["birthDate"]) for p in by_type["Patient"])
    assert all(p["gender"] for p in by_type["Patient"])
    assert all(re.fullmatch(r"\d\d", a["postalCode"]) for p in by_type["Patient"] for a in p["address"])
    assert all(c["code"]["coding"][0]["code"] for c in by_type["Condition"])
    assert any("valueQuantity" in o for o in by_type["Observation"])
    assert not any("text" in o or "note" in o or "valueString" in o for o in done)


def test_a_patient_as_a_reader_of_the_rules_expects_it() -> None:
    mr = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR", "display": "MRN"}
        ],
        "text": "Nr",
    }
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    done = apply(
        engine_of("default"),
        {
            "resourceType": "Patient",
            "id": "p",
            "meta": {"source": "http://clinic", "versionId": "3", "profile": ["http://profile"]},
            "text": {"status": "generated", "div": "<div>Max</div>"},
            "identifier": [
                {
                    "use": "official",
                    "type": mr,
                    "system": "http://clinic/mr",
                    "value": "4711",
                    "assigner": {"display": "C"},
                },
                {"system": "http://fhir.de/sid/gkv/kvid-10", "value": "A123456780"},
            ],
            "name": [{"use": "official", "family": "Mustermann", "given": ["Max"]}],
            "telecom": [{"system": "phone", "value": "0123"}],
            "gender": "male",
            "_gender": {"extension": [{"url": "http://x", "valueString": "x"}, absent]},
            "birthDate": "1970-02-03",
            "deceasedDateTime": "2020-02-03T10:00:00Z",
            "address": [
                {"line": ["Weg 1"], "city": "Ort", "postalCode": "01067", "state": "DE-SN", "country": "DE"}
            ],
            "contact": [{"gender": "female"}],
            "managingOrganization": {"reference": "Organization/o", "display": "Clinic"},
        },
    )
    assert done.pop("meta")["profile"] == ["http://profile"]
    identifier = done["identifier"]
    assert re.fullmatch(r"MR_[0-9a-f]{20}", identifier[0].pop("value"))
    assert identifier == [{"type": {"coding": mr["coding"]}, "system": "http://clinic/mr"}]
    assert re.fullmatch(r"[0-9a-f]{32}", done.pop("id"))
    assert re.fullmatch(r"Organization/[0-9a-f]{32}", done.pop("managingOrganization").pop("reference"))
    assert done.pop("name")[0]["use"] == "official"
    assert done == {
        "resourceType": "Patient",
        "identifier": identifier,
        "gender": "male",
        "_gender": {"extension": [absent]},
        "birthDate": "1970",
        "deceasedDateTime": "2020",
        "address": [{"state": "DE-SN", "postalCode": "01", "country": "DE"}],
    }


@needs_shared
@pytest.mark.parametrize("folder", ["ndjson", "torch"])
def test_redact_all_leaves_nothing(folder: str) -> None:
    machine = engine_of("redact-all")
    for file in sorted((SHARED / "data" / folder).glob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            done = parse(machine.deidentify(line))
            assert set(done) <= {"resourceType", "meta", "entry"} and set(done["meta"]) == {"security"}
            for entry in done.get("entry", []):
                assert set(entry) == {"resource"} and set(entry["resource"]) == {"resourceType", "meta"}
