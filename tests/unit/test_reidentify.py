"""Re-identification: what was de-identified comes back, or nothing does."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

import generate
from certificates import owner
from dimpflow.atomic import AtomicFile
from dimpflow.engine.methods.encrypt import Cipher
from dimpflow.ndjson import open_input
from dimpflow.pseudonyms.sealed import seal
from dimpflow.reidentify import originals, run
from dimpflow.reidentify.originals import MappingFile, RefusedError, Sources
from reidentifying import (
    KEYS,
    OBSERVATION,
    PATIENT,
    RESOURCES,
    RULES,
    Case,
    Directory,
    as_line,
    case,
    refused,
    sequential,
)

DEFAULT = Path(__file__).parents[2] / "config" / "rulesets" / "default.yaml"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("cohort") / "data"
    generate.generate(folder, 12, 3)
    return [line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines()]


@pytest.fixture
def job(tmp_path: Path) -> Case:
    return case(tmp_path / "job", RESOURCES)


# ---- round trips ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("numbered", [False, True], ids=["keyed", "sequential"])
def test_all_comes_back(tmp_path: Path, strict: bool, numbered: bool) -> None:
    resources = RESOURCES
    if strict:  # the address of a server, versions and systems are dropped on purpose there
        plain = {k: v for k, v in OBSERVATION.items() if k not in ("encounter", "hasMember")}
        resources = [RESOURCES[0], as_line(plain)]
    rules = RULES.replace("  - {path: Identifier, method: keep}\n", "") if strict else RULES
    job = case(tmp_path / "job", resources, rules, source=sequential() if numbered else None, strict=strict)
    assert job.results.read_bytes() != job.originals.read_bytes()
    assert b"4711" not in job.results.read_bytes().replace(b'"text":"4711"', b"")
    done = job.run()
    assert job.output.read_bytes() == job.originals.read_bytes()
    assert done.lines == len(resources) and done.hashes == 0
    assert done.domains["id"] == sum(domain == "id" for domain, _ in job.recorder.given)


@pytest.mark.parametrize("strict", [False, True])
def test_a_generated_cohort_comes_back(tmp_path: Path, cohort: list[bytes], strict: bool) -> None:
    rules = """
fhirVersion: R4
parameters: {cryptoHashKey: "${HASH}", encryptKey: "${AES}"}
fhirPathRules:
  - {path: nodesByType('HumanName'), method: encrypt}
  - {path: nodesByType('Address').line, method: encrypt}
  - {path: nodesByType('Identifier').value, method: pseudonymize, domain: number, prefix: NR_}
  - {path: nodesByType('id'), method: pseudonymize, domain: id}
  - {path: nodesByType('Reference').reference, method: pseudonymize, domain: id}
"""
    job = case(tmp_path / "job", cohort, rules.replace("HumanName')", "HumanName').family"), strict=strict)
    assert len(job.recorder.given) > 100
    job.run()
    assert job.output.read_bytes() == job.originals.read_bytes()


def test_our_default_rule_set_gives_back_numbers_and_puts_the_patients_id_in_the_name(
    tmp_path: Path, cohort: list[bytes]
) -> None:
    job = case(tmp_path / "job", cohort, DEFAULT, source=sequential(), strict=True)
    done = job.run()
    assert done.hashes > len(cohort)
    patients = 0
    for before, after in zip(
        job.originals.read_bytes().splitlines(), job.output.read_bytes().splitlines(), strict=True
    ):
        old, new = orjson.loads(before), orjson.loads(after)
        if old["resourceType"] == "Patient":
            patients += 1
            assert {name["text"] for name in new["name"]} == {old["id"]}
            assert new["id"] != old["id"]
            numbers = {i["value"] for i in new["identifier"] if "value" in i}
            assert numbers and numbers <= {i["value"] for i in old["identifier"]}
    given = sum(domain == "patient" for domain, _ in job.recorder.given)
    assert patients == 12 and done.domains["patient"] == given


def test_what_no_rule_has_changed_is_not_touched_though_it_looks_like_a_pseudonym(tmp_path: Path) -> None:
    job = case(tmp_path / "job", [as_line(PATIENT)], source=sequential())
    pseudonym = job.recorder.given["number", "4711"]
    looking_alike = as_line({"resourceType": "Basic", "code": {"text": pseudonym}})
    job.results.write_bytes(job.results.read_bytes() + looking_alike + b"\n")
    job.run()
    assert json.loads(job.output.read_bytes().splitlines()[1]) == json.loads(looking_alike)


@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_packed_files(job: Case, packed: str) -> None:
    source, target = job.folder / f"in.ndjson{packed}", job.output.with_name(f"out.ndjson{packed}")
    with AtomicFile(source, compression=packed[1:]) as file:  # type: ignore[arg-type]
        file.write(job.results.read_bytes())
    job.run(input=source, output=target)
    assert open_input(target, packed[1:]).read() == job.originals.read_bytes()  # type: ignore[arg-type]


def test_without_the_key_of_hashes_pseudonyms_come_back_all_the_same(
    tmp_path: Path, cohort: list[bytes]
) -> None:
    job = case(tmp_path / "job", cohort, DEFAULT, strict=True)
    assert job.run(environ={}).domains["patient"] >= 12


# ---- where originals come from --------------------------------------------------------------------------------------------


def test_a_sealed_mapping(job: Case) -> None:
    ann, eve = owner("ann"), owner("eve")
    sealed = job.mapping.with_name("mapping.ndjson.cms")
    sealed.write_bytes(seal(job.mapping.read_bytes(), [ann.certificate]))
    job.mapping.unlink()
    aes = KEYS["AES"].encode()
    for certificate, key in [(eve.certificate, eve.key), (ann.certificate, eve.key)]:
        sources = Sources(MappingFile(sealed, certificate, key), aes)
        refused(job, "wrong key", "key", sources=sources)
    job.run(sources=Sources(MappingFile(sealed, ann.certificate, ann.key), aes))
    assert job.output.read_bytes() == job.originals.read_bytes()


def test_a_service_gets_one_request_for_each_domain(job: Case) -> None:
    directory = Directory(job.recorder)
    job.run(sources=Sources(None, KEYS["AES"].encode(), directory))
    assert job.output.read_bytes() == job.originals.read_bytes()
    assert [domain for domain, _ in directory.asked] == ["id", "number", "official"]


def test_a_service_gets_what_the_mapping_lacks(job: Case) -> None:
    lines = job.mapping.read_bytes().splitlines(keepends=True)
    job.mapping.write_bytes(b"".join(line for line in lines if b'"domain":"id"' in line))
    directory = Directory(job.recorder)
    job.run(sources=Sources(MappingFile(job.mapping), KEYS["AES"].encode(), directory))
    assert job.output.read_bytes() == job.originals.read_bytes()
    assert [domain for domain, _ in directory.asked] == ["number", "official"]


# ---- all or nothing ----------------------------------------------------------------------------------------------------------


def test_a_foreign_mapping_gives_an_error_and_nothing_else(job: Case, tmp_path: Path) -> None:
    other = case(tmp_path / "other", [as_line({**PATIENT, "id": "else", "identifier": [{"value": "17"}]})])
    message = refused(
        job,
        "unknown pseudonyms",
        r"\d+ of \d+ pseudonyms are unknown",
        sources=Sources(MappingFile(other.mapping), KEYS["AES"].encode()),
    )
    assert str(other.mapping) in message


def test_one_entry_that_is_missing_is_enough(job: Case) -> None:
    job.mapping.write_bytes(b"".join(job.mapping.read_bytes().splitlines(keepends=True)[1:]))
    refused(job, "unknown pseudonyms", "1 of ")


def test_a_mapping_of_other_numbers_is_found_out_by_the_hash_of_the_id(tmp_path: Path) -> None:
    """Sequential pseudonyms of two jobs are the same texts, so only the hash of the id can tell."""
    ours = case(
        tmp_path / "ours", [as_line({**PATIENT, "id": "a"})], DEFAULT, source=sequential(), strict=True
    )
    other = case(
        tmp_path / "other", [as_line({**PATIENT, "id": "b"})], DEFAULT, source=sequential(), strict=True
    )
    foreign = Sources(MappingFile(other.mapping))
    refused(ours, "foreign mapping", "another resource than the hash of its id", sources=foreign)
    ours.run()
    assert json.loads(ours.output.read_bytes())["name"][0]["text"] == "a"


@pytest.mark.parametrize("number", range(20))
def test_a_wrong_key_gives_an_error_and_nothing_else(job: Case, number: int) -> None:
    wrong = Sources(MappingFile(job.mapping), f"{number:016d}".encode())
    refused(job, "wrong key", "cannot be decrypted with this key", sources=wrong)


def test_a_wrong_key_never_gives_noise_for_a_single_short_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The padding alone would let some 8 of 2,000 keys pass."""
    monkeypatch.setattr(originals, "fingerprint", lambda key: "")  # slow on purpose
    hidden = Cipher(b"sixteen-letters-").encrypt("Ann", "seed")
    for number in range(2000):
        key = f"{number:016d}".encode()
        with pytest.raises(RefusedError, match="cannot be decrypted"):
            originals.resolve({(None, hidden): ""}, Sources(encrypt_key=key))


def test_without_the_key_of_encrypted_values(job: Case) -> None:
    refused(job, "no key", "encryptKey", environ={})


def test_nothing_to_do(job: Case) -> None:
    job.results.write_bytes(as_line({"resourceType": "Basic"}) + b"\n")
    refused(job, "nothing to do", "no pseudonyms and no encrypted values")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "nothing in it"),
        (b'{"resourceType":"Patient","nonsense":1}\n', r"results.ndjson:1: "),
        (b'\n{"resourceType":"Patient"}\n{"resourceType":\n', r"results.ndjson:3: "),
        (b'{"resourceType":"Patient","id":"\xff"}', "not UTF-8"),
    ],
)
def test_input_that_cannot_be_read(job: Case, data: bytes, match: str) -> None:
    job.results.write_bytes(data)
    refused(job, "input", match)


def test_input_that_changes_meanwhile(job: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*arguments: Any) -> Any:
        found = real(*arguments)
        job.results.write_bytes(job.results.read_bytes() + b'{"resourceType":"Basic"}\n')
        return found

    real = run.resolve
    monkeypatch.setattr(run, "resolve", resolve)
    refused(job, "input", "has changed")
