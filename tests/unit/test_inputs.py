"""What kind of input is given."""

from pathlib import Path

import pytest

from dimpflow.errors import ConfigError
from dimpflow.inputs import CrtdlFile, Inputs, LocalFiles, TorchJob, WebFile, WebFiles, inputs_of, name_of

JOB = "14c26ae0-d48c-481c-9d3a-4cb1531f6489"


def kind(*texts: str) -> Inputs:
    return inputs_of(texts, texts)


def fault(*texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        kind(*texts)
    message = str(caught.value)
    assert "\n" not in message
    return message


def written(folder: Path, text: str, name: str = "cohort.json") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"cohortDefinition": {}, "dataExtraction": {}}',
        '{"cohortDefinition": {}}',
        '{"version": "1", "dataExtraction": []}',
        '{"cohortDefinition": null}',
    ],
)
def test_a_crtdl_document_is_known_by_its_members_even_if_one_is_missing(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert kind(path) == CrtdlFile(Path(path))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"resourceType": "Patient", "cohortDefinition": {}}', "p.json"),
        ('{"resourceType": "Bundle"}', "p.json"),
        ("{}", "p.json"),
        ("[1]", "p.json"),
        ('{"cohortDefinition": ', "p.json"),
        ('{"cohortDefinition": {}}', "p.ndjson"),
    ],
)
def test_all_other_files_are_data(tmp_path: Path, text: str, name: str) -> None:
    path = written(tmp_path, text, name)
    assert kind(path) == LocalFiles((path,))


def test_folders_and_what_is_not_there_are_local(tmp_path: Path) -> None:
    assert kind(str(tmp_path), "nowhere.json") == LocalFiles((str(tmp_path), "nowhere.json"))


def test_a_crtdl_document_stands_alone(tmp_path: Path) -> None:
    assert "stands alone" in fault(written(tmp_path, '{"cohortDefinition": {}}'), str(tmp_path))


@pytest.mark.parametrize("path", ["__status", "extraction", "result"])
@pytest.mark.parametrize("base", ["http://torch:8080", "https://dic.example/torch"])
def test_the_address_of_a_job(base: str, path: str) -> None:
    found = kind(f"{base}/fhir/{path}/{JOB.upper()}")
    assert found == TorchJob(base, JOB) and name_of(found) == "torch-14c26ae0"


def test_a_job_stands_alone() -> None:
    address = f"http://torch/fhir/__status/{JOB}"
    assert "stands alone" in fault(address, "http://x/a.ndjson")


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("https://x.example/a/Patient.ndjson", "Patient.ndjson"),
        ("HTTP://x.example/a/Patient.NDJSON.gz", "Patient.NDJSON.gz"),
        ("https://x.example/export/Patient", "Patient.ndjson"),
        ("https://x.example/a/bundle.json", "bundle.json"),
        ("https://x.example/a/", "download.ndjson"),
        ("https://x.example", "download.ndjson"),
        ("https://x.example/a/Pati%65nt.ndjson", "Patient.ndjson"),
        ("https://x.example/FHIR/__status/1", "1.ndjson"),
    ],
)
def test_a_file_of_the_web_is_named_after_its_address(address: str, file: str) -> None:
    found = kind(address)
    assert isinstance(found, WebFiles)
    (one,) = found.files
    assert (one.file, one.url) == (file, address)
    assert name_of(found) == file


def test_what_may_be_secret_in_an_address_is_kept_out() -> None:
    found = inputs_of(["https://x.example/a.ndjson?sig=kestrel57"], ["${SIGNED}"])
    assert found == WebFiles((WebFile("a.ndjson", "${SIGNED}", "https://x.example/a.ndjson"),))
    message = fault("https://x.example/a.ndjson?sig=kestrel57")
    assert "write ${VARIABLE}" in message and "kestrel" not in message


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["http://x/a.ndjson", "data"], "cannot go together"),
        (["http://x/1/a.ndjson", "http://x/2/a.ndjson.gz"], "same name 'a'"),
        (["http://x/a%20b.ndjson"], "letters A-Z"),
        (["http://x/..%2fa.ndjson"], "letters A-Z"),
        (["http://x/" + "a" * 200], "at most 150"),
        (["http:///a.ndjson"], "must be an http or https address"),
    ],
)
def test_addresses_that_cannot_be_used(texts: list[str], words: str) -> None:
    message = fault(*texts)
    assert message.startswith("input") and words in message
