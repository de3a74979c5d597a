"""The FHIR R4 model."""

import msgspec
import orjson
import pytest

from dimpflow.fhir.model import decoder, struct
from dimpflow.fhir.table import RESOURCE_TYPES, elements, is_type, type_name, type_names
from shared import SHARED, needs_shared

FILES = sorted((SHARED / "data").glob("**/*.ndjson"))


def test_the_table_is_complete() -> None:
    assert len(RESOURCE_TYPES) == 146
    assert {"Patient", "Bundle", "Parameters"} <= RESOURCE_TYPES
    assert [e.json for e in elements("Identifier")] == [
        "id", "extension", "use", "type", "system", "value", "period", "assigner",
    ]  # fmt: skip
    assert sum(e.name == "value" for e in elements("Extension")) == 50
    assert type_name("Patient.contact") == "BackboneElement" and type_name("Timing.repeat") == "Element"
    assert {"Quantity", "boolean", "Patient"} <= type_names()


@pytest.mark.parametrize("full", [True, False])
def test_every_resource_type_can_be_decoded_and_written(full: bool) -> None:
    for name in RESOURCE_TYPES:
        text = b'{"resourceType":"%s","id":"x"}' % name.encode()
        assert msgspec.json.encode(decoder(name, full).decode(text)) == text
        for element in elements(name):
            assert element.primitive or element.resource or is_type(element.type)


def test_only_the_full_model_takes_extensions() -> None:
    text = b'{"resourceType":"Patient","extension":[{"url":"http://x","valueBoolean":true}],"_gender":{"id":"g"}}'
    assert msgspec.json.encode(decoder("Patient").decode(text)).startswith(
        b'{"resourceType":"Patient","extension"'
    )
    with pytest.raises(msgspec.ValidationError):
        decoder("Patient", False).decode(text)


def test_unknown_types_are_errors() -> None:
    with pytest.raises(KeyError):
        decoder("Max")
    with pytest.raises(KeyError):
        struct("Max")


@needs_shared
def test_real_resources_come_back_as_they_were() -> None:
    count = 0
    for file in FILES:
        for line in file.read_bytes().splitlines():
            name = orjson.loads(line)["resourceType"]
            assert orjson.loads(msgspec.json.encode(decoder(name).decode(line))) == orjson.loads(line)
            count += 1
    assert count > 800
