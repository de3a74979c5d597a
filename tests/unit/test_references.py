"""The id inside a reference: vectors of the specification, section 3.9."""

import pytest

from dimpflow.engine.methods.references import References, default_domain, id_in

UUID = "9d9b8bed-7b79-7fa9-cea1-f133a6b4d551"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#", "#<>"),
        ("#p1", "#<p1>"),
        ("Patient/123", "Patient/<123>"),
        ("http://s/fhir/Patient/1/_history/2", "http://s/fhir/Patient/<1>/_history/2"),
        ("Patient/1/_history/2", "Patient/<1>/_history/2"),
        ("https://my-server.org/fhir/Patient/1", "<https://my-server.org/fhir/Patient/1>"),
        (f"urn:uuid:{UUID}", f"urn:uuid:<{UUID}>"),
        ("urn:oid:1.2.36", "urn:oid:<1.2.36>"),
        ("Patient?identifier=http://x|42", "Patient?identifier=http://x|<42>"),
        ("Patient?identifier=https://x.org/a-b|42", "Patient?identifier=https://x.org/a-b|<42>"),
        ("identifier=42", "identifier=<42>"),
        ("Patient?identifier=urn:oid:1.2|5", "<Patient?identifier=urn:oid:1.2|5>"),
        ("Patient?name=x", "<Patient?name=x>"),
        ("Patient", "<Patient>"),
        ("Questionnaire/q1|1.0", "<Questionnaire/q1|1.0>"),
        ("Patient/1#x", "<Patient/1#x>"),
        ("Patient/" + "x" * 65, "<Patient/" + "x" * 65 + ">"),
        ("Max/1", "<Max/1>"),
        ("Patient/", "<Patient/>"),
    ],
)
def test_transform(text: str, expected: str) -> None:
    assert References(strict=False).transform(text, lambda id_: f"<{id_}>") == expected


def test_what_stood_before_the_id_is_told() -> None:
    texts = ("Patient/1", "http://s/Patient/1", "#1", "x y")
    transform = References(strict=False).transform
    assert [transform(text, str, before=lambda prefix: lambda id_: f"<{prefix}>") for text in texts] == [
        "Patient/<Patient/>", "http://s/Patient/<http://s/Patient/>", "#<#>", "<>",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", True),
        ("Patient?identifier=1", True),
        (f"urn:uuid:{UUID}", False),
        ("#p", False),
        ("http://x", False),
    ],
)
def test_is_resource_reference(text: str, expected: bool) -> None:
    assert References(strict=False).parts(text)[3] is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", "Patient/<1>"),
        ("https://my-server.org/fhir/Patient/1", "Patient/<1>"),
        ("http://s/fhir/Patient/1/_history/2", "Patient/<1>"),
        ("Patient/1/_history/2", "Patient/<1>"),
        ("Patient?identifier=http://x|42", "Patient?identifier=<42>"),
        ("Patient?identifier=42", "Patient?identifier=<42>"),
        ("https://h/fhir/Patient?name=Max", "Patient?identifier=<Max>"),
        ("Patient?name=Max&birthdate=1970", "Patient?identifier=<name=Max&birthdate=1970>"),
        ("identifier=http://x|42", "identifier=<42>"),
        (f"urn:uuid:{UUID}", f"urn:uuid:<{UUID}>"),
        ("urn:oid:1.2.36", "urn:oid:<1.2.36>"),
        ("#p1", "#<p1>"),
        ("http://clinic.example/Max", "<http://clinic.example/Max>"),
        ("ftp://s/Patient/1", "<ftp://s/Patient/1>"),
    ],
)
def test_strictly_nothing_of_a_server_stays(text: str, expected: str) -> None:
    references = References(strict=True)
    assert references.transform(text, lambda id_: f"<{id_}>") == expected
    if text[0] != "#":
        assert references.parts(text)[3] is not expected.startswith("<")


def test_strictly_the_url_of_a_post_stays() -> None:
    assert References(strict=True).parts("Patient") == ("Patient", "", "", True)
    assert References(strict=False).parts("Patient") == ("", "Patient", "", False)


@pytest.mark.parametrize(
    ("prefix", "domain", "search"),
    [
        ("Patient/", "Patient", "Patient"),
        ("http://s/fhir/Patient/", "http://s/fhir/Patient", "http:"),
        ("urn:uuid:", "urn:uuid:", "urn:uuid:"),
        ("Patient?identifier=http://x|", "Patient?identifier=http://x|", "Patient"),
        ("identifier=http://sys|", "identifier=http://sys|", "identifier=http:"),
        ("#", "", ""),
    ],
)
def test_the_domain_that_a_reference_stands_for(prefix: str, domain: str, search: str) -> None:
    assert default_domain(prefix) == domain
    assert default_domain(prefix, conditional=True) == search


def test_whose_reference_it_is() -> None:
    assert id_in("Patient/1", "Patient") == id_in("http://s/Patient/1", "Patient") == "1"
    assert id_in(f"urn:uuid:{UUID}", "Patient") == UUID
    assert id_in("Group/1", "Patient") == id_in("x", "Patient") == ""
