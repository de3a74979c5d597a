"""Addresses of TORCH's jobs and files (torch-crtdl.md 1.1, 1.3, 1.5; aether.md 1.3)."""

import pytest

from dimpflow.clients.torch.addresses import api_url, file_url, is_torch_url, job_id_of, split_torch_url

JOB = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    "location",
    [
        f"http://localhost:8086/fhir/__status/{JOB}", f"https://torch.example/torch/fhir/__status/{JOB}/", f"/fhir/__status/{JOB}",
        f"torch.example:8080/fhir/__status/{JOB}", f"torch.example/fhir/__status/{JOB}//", f"__status/{JOB}", JOB,
        f"http://h/fhir/__status/{JOB}?a=/b", f"http://h/fhir/__status/{JOB}/?a#/c", f"http://h/fhir/__status/{JOB}#x",
        f" http://h/fhir/__status/{JOB.upper()}\t", f"//h/fhir/__status/{JOB}", f"http://h//fhir//__status//{JOB}",
    ],
)  # fmt: skip
def test_the_job_of_a_location(location: str) -> None:
    assert job_id_of(location) == JOB


@pytest.mark.parametrize(
    "location",
    [
        "", "/", "http://h/fhir/__status/", "http://h/fhir/__status/secret-4711", f"http://h/{JOB}/secret", f"http://h/?{JOB}",
        f"http://h/__status/{JOB}secret", f"http://h/__status/x{JOB}", f"http://h/__status/{JOB.replace('-', '')}",
        f"http://h/__status/{{{JOB}}}", f"http://h/__status/{JOB}%2Fsecret", f"http://h/__status/{JOB[:-1]}g",
        f"http://h/__status/{JOB[:-1]}٣", f"http://h/..{JOB}", f"http://h\\{JOB}", f"{JOB}\n{JOB}",
    ],
)  # fmt: skip
def test_a_location_without_a_job(location: str) -> None:
    with pytest.raises(ValueError, match="Content-Location") as caught:
        job_id_of(location)
    assert (
        "secret" not in str(caught.value) and JOB not in str(caught.value) and caught.value.__cause__ is None
    )


@pytest.mark.parametrize("end", ["", "/", "/fhir", "/fhir/", "//"])
@pytest.mark.parametrize(
    "base", ["http://h:8080", "https://h/torch", "https://fhir/fhir/torch", "https://h/myfhir"]
)
def test_addresses_of_the_api(base: str, end: str) -> None:
    assert api_url(base + end, "$extract-data") == f"{base}/fhir/$extract-data"
    assert api_url(base + end, "Task", JOB, "$resume") == f"{base}/fhir/Task/{JOB}/$resume"
    assert api_url(base + end) == f"{base}/fhir"


@pytest.mark.parametrize(
    "server", ["http://h", "http://h/", "https://h/torch/fileserver", "https://h/torch/fileserver//"]
)
def test_addresses_of_files(server: str) -> None:
    assert file_url(server, JOB, "core.ndjson") == f"{server.rstrip('/')}/{JOB}/core.ndjson"


@pytest.mark.parametrize("kind", ["__status", "extraction", "result"])
@pytest.mark.parametrize(
    "base", ["http://localhost:8086", "https://h.example/torch", "HTTPS://h/a/fhir/b", "http://[::1]:80"]
)
@pytest.mark.parametrize("end", ["", "/", "?x=/y", "/#z"])
def test_addresses_of_jobs(base: str, kind: str, end: str) -> None:
    url = f"{base}/fhir/{kind}/{JOB.upper()}{end}"
    assert is_torch_url(url)
    assert split_torch_url(url) == (base, JOB)


@pytest.mark.parametrize(
    "text",
    [
        f"http://h/FHIR/result/{JOB}", f"http://h/fhir/Result/{JOB}", f"http://h/fhir/__STATUS/{JOB}", f"ftp://h/fhir/result/{JOB}",
        "http://h/fhir/result/", "http://h/fhir/result/core.ndjson", f"http://h/fhir/result/{JOB}/core.ndjson", f"/fhir/result/{JOB}",
        f"http://h/fhir/other/{JOB}", f"http:///fhir/result/{JOB}", f"http://h:port/fhir/result/{JOB}", f"http://h/fhir/{JOB}",
        f" http://h/fhir/result/{JOB}", f"http://h/fhir/result/{JOB} x", "", "data/fhir/result", f"http://h/xfhir/result/{JOB}",
        f"http://h?/fhir/result/{JOB}", f"http://h#/fhir/result/{JOB}", f"http://h/fhir/result/{JOB}\n", f"http://[::1/fhir/result/{JOB}",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_job(text: str) -> None:
    assert not is_torch_url(text)
    with pytest.raises(ValueError, match="not the address of a TORCH job") as caught:
        split_torch_url(text)
    assert JOB not in str(caught.value)


def test_credentials_in_an_address_stay_with_the_server_so_that_they_are_found() -> None:
    base, _ = split_torch_url(f"https://user:pass@h/fhir/result/{JOB}")
    assert base == "https://user:pass@h"
