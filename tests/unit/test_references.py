"""The id inside a reference: vectors of the specification, section 3.9."""

import pytest

from dimpflow.engine.references import is_resource_reference, transform

UUID = "9d9b8bed-7b79-7fa9-cea1-f133a6b4d551"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("#", "#"),
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
    assert transform(text, lambda id_: f"<{id_}>") == expected


def test_what_stood_before_the_id_is_told() -> None:
    texts = ("Patient/1", "http://s/Patient/1", "#1", "x y")
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
    assert is_resource_reference(text) is expected
