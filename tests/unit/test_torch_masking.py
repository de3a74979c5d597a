"""Masked texts of TORCH: nothing that may be an id of a patient or resource stays."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.clients.torch.masking import cut, masked, one_line

JOB = "550e8400-e29b-41d4-a716-446655440000"
OTHER = "6b1e8400-e29b-41d4-a716-446655440000"
PROFILE = "https://www.medizininformatik-initiative.de/fhir/core/modul-diagnose/StructureDefinition/Diagnose"

# What a program of TORCH's kind may write around an id.
SENTENCES = (
    "Patient/{}", "patient {}", "Patient {} was excluded", "patient: {}", "ids: [{}, {}]", "id={}", "for '{}' there", 'value "{}"',
    "Encounter/{}/_history/{}", "GET http://blaze:8080/fhir/Patient/{}", "https://h/fhir/Observation?patient={}&_count=5", "({})",
    "<{}>", "{{{}}}", "resource Condition/{} and Encounter/{}.", "Patient/{}: not found", "Patient/{},Patient/{}", "{}", "x {} y",
    "PatientBatch[patientIds=[{}], batchId={}]", "Reference[Patient/{}]", "no {}!", "{}|{}", "a:{}", "subject.reference = Patient/{}",
    "identifier=http://fhir.de/sid/gkv/kvid-10|{}", "http://fhir.de/sid/gkv/kvid-10|{}", "„{}“ and »{}«", "`{}`", "'{}", '"{}', "\\{}",
    "https://fhir.de/Patient/{}", "http://hl7.org/{}", "urn:uuid:{}", "urn:oid:{}", "#{}", "Bundle.entry[0].resource.id:{}", "{}/x",
    "Patient.{}", "Condition.code.{}", "core.ndjson/{}", "a\n{}\tb", "key={} other={}", "x={},y={}", "{}=x", "Fall {} gesperrt",
    "/fhir/Patient/{}", "error for {};{}", "Patient/{}'s record", "@{}", "{}@hospital.example", "FHIR_CONTROLLER_01: Patient/{}",
)  # fmt: skip

fhir_ids = st.text(string.ascii_letters + string.digits + "-.", min_size=1, max_size=64) | st.uuids().map(str)
telling = fhir_ids.filter(
    lambda id_: (
        re.search(r"[0-9-]", id_)
        and re.search(r"[A-Za-z0-9]", id_)
        and not re.fullmatch(r"[0-9]{1,3}\.*", id_)
    )
)


def without_dots(text: str) -> str:
    """The full stop at the end of a sentence stays, and cannot be told from one at the end of an id."""
    return text.replace(".", "")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_no_id_has_any_trace(sentence: str) -> None:
    """What is shown is the same whatever the id is: the strongest that can be asked."""
    expected = without_dots(masked(sentence.replace("{}", "a-1").replace("{{", "{").replace("}}", "}")))

    @given(telling)
    def same(id_: str) -> None:
        assert (
            without_dots(masked(sentence.replace("{}", id_).replace("{{", "{").replace("}}", "}")))
            == expected
        )

    same()


@given(
    st.lists(st.sampled_from(SENTENCES), max_size=5),
    st.lists(telling, min_size=1, max_size=5),
    st.sampled_from([" ", "; ", "\n"]),
)
def test_no_id_in_any_mixture(sentences: list[str], ids: list[str], between: str) -> None:
    text = between.join(
        sentence.replace("{}", ids[number % len(ids)]) for number, sentence in enumerate(sentences)
    )
    words = set(re.findall(r"[A-Za-z0-9.-]+", masked(text)))
    sentence_words = set(re.findall(r"[A-Za-z0-9.-]+", " ".join(sentences)))
    for id_ in ids:
        assert id_ not in words - sentence_words
        assert len(id_) < 8 or id_ not in masked(text)


@pytest.mark.parametrize("number", ["7", "42", "123"])
@pytest.mark.parametrize(
    "sentence",
    ["Patient/{}", "patient {}", "Patient {}", "id {}", "id: {}", "id={}", "Encounter {}", "ids [{}]", "resource {}", "MRN {}", "'{}'",
     "Patient?_id={}", "Fall Nr. {}", "Observation:{}", "subject: {}"],
)  # fmt: skip
def test_short_numbers_that_are_ids(sentence: str, number: str) -> None:
    assert number not in masked(sentence.format(number))


@pytest.mark.parametrize(
    "text",
    [
        "4711", "12345678", "A123456780", "1970-05-06", "06.05.1970", "6.5.70", "1970-05-06T10:00:00Z", "030 123 456", "030/12-34", "123,456,789",
        "X 110 001", "anna@klinik.example", "kQzXvbNqWm", "p1", "anna-mueller", OTHER, OTHER.upper(), OTHER.replace("-", ""), "a_1", "１２３４",
        "ABCD\u200b1234", "Müller1", "http://[::1]/x", "https://user:pw9@host/x", "file:///home/x", "ftp://h/x1", "DE89 3704 0044", "0x1f",
    ],
)  # fmt: skip
def test_what_goes_wholly(text: str) -> None:
    shown = masked(f"seen {text} there", JOB)
    assert (
        not re.search(r"\d", shown)
        and "anna" not in shown
        and "home" not in shown
        and "pw9" not in shown
        and "kQ" not in shown
    )
    assert shown.startswith("seen ") and shown.endswith(" there") and "…" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Failed to load resources, connection refused.", "Could not parse Task resource: unexpected token", "HTTP 500", "404 Not Found",
        "status 503, retry 20 of 20", "progress 45%", "FHIR_CONTROLLER_01 refused", "TEMP_FAILED", "RUNNING_PROCESS_BATCH",
        "unknown attribute Condition.code", "Condition.code.coding", "Observation.value[x]", "'Condition.code' is missing", f"unknown profile {PROFILE}",
        f'profile "{PROFILE}".', "http://hl7.org/fhir/StructureDefinition/Patient", f"Job {JOB} is COMPLETED", f"Task/{JOB} cannot be $cancel", f"'{JOB}'",
        "mustHave of attributeRef in linkedGroups", "doesn't exist", "Die Prüfung schlug fehl", "core.ndjson is missing", "NullPointerException: null",
        "IOException", "groupId", "(DATASTORE_04)", "a -> b", "", "…",
    ],
)  # fmt: skip
def test_what_stays(text: str) -> None:
    assert masked(text, JOB) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://blaze.example:8080/fhir/Patient?name=Anna: 404", "GET https://blaze.example:8080/…: 404"),
        ("java.net.ConnectException: Connection refused", "ConnectException: Connection refused"),
        (f"{PROFILE}|2024.1.0 unknown", f"{PROFILE}… unknown"),
        (f"{PROFILE}/Patient/anna", f"{PROFILE}…"),
        ("https://fhir.de/StructureDefinition/p-1970", "https://fhir.de/…"),
        ("Patient/anna", "Patient/…"), ("name=Anna", "name=…"), ("name = Anna", "name = …"), ("patient: anna", "patient: …"),
        ("'Müller'", "'…'"), ("group “Müller Anna”", "group “…”"), ('"O\'Brien" said', '"…" said'), ("'O'Brien' said", "'…' said"),
        ('"a \\"b\\" Anna" said', '"…" said'), ("never 'closed Anna", "never '…"), ("4711, 4712; 4713", "…"),
        (f"Task/{OTHER} not found", "Task/… not found"), ("Condition.code.coding:icd10-gm", "Condition.code.coding:…"),
        ("Observation:anna", "Observation:…"), ("Observation: not found", "Observation: not found"), ("reference:anna", "reference:…"),
        ("word " + "a" * 41, "word …"), ("word " + "a" * 40, "word " + "a" * 40),
        ("Patient.anna", "…"), ("Anna.Mueller", "…"), ("https://h.example", "https://h.example"),
    ],
)  # fmt: skip
def test_what_goes_in_part(text: str, shown: str) -> None:
    assert masked(text, JOB) == shown


def test_a_job_of_digits_only() -> None:
    job = "12345678-1234-1234-1234-123456789012"
    assert masked(f"job {job} failed", job) == f"job {job} failed"
    assert masked(f"job {job} failed", JOB) == "job … failed"


@given(st.text())
def test_any_text(text: str) -> None:
    shown = masked(text, JOB)
    assert shown.isprintable() and not re.search(r"\d{4}", shown)
    assert len(masked(shown, JOB)) <= len(shown)  # masked again it may hide more, never show more


@pytest.mark.parametrize(
    "piece",
    ["1 ", "'", '"', "\\", "a=", "Patient/", "https://", "1-", "((((", "a.", "A", "aA", "fhir.de/", "'a "],
)
def test_long_texts_are_no_trouble(piece: str) -> None:
    """A pattern that tries everything would not end here."""
    for text in (piece * 200_000, "http://fhir.de/" + piece * 200_000):
        assert masked(text, JOB)


def test_cutting() -> None:
    assert cut("abc", 3) == "abc" and cut("abcd", 3) == "ab…" and cut("a bcd", 3) == "a…"
    assert one_line(" a\t\nb\u2028c\x00d ") == "a b c d"
