"""Primitive values in their usual form, and resources that are no strict FHIR JSON brought into it."""

import json
from typing import Any

import msgspec
import pytest

from dimpflow.fhir.lenient import normalised
from dimpflow.fhir.primitives import instant_of, normal_base64, normal_instant

DAY = "2020-02-29T10:11:12"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{DAY}Z", f"{DAY}+00:00"),
        (f"{DAY}+00:00", f"{DAY}+00:00"),
        (f"{DAY}-00:00", f"{DAY}+00:00"),
        (f"{DAY}+01:30", f"{DAY}+01:30"),
        (f"{DAY}-13:59", f"{DAY}-13:59"),
        (f"{DAY}+14:00", f"{DAY}+14:00"),
        (f"{DAY}-14:00", f"{DAY}-14:00"),
        (f"{DAY}.5Z", f"{DAY}.5+00:00"),
        (f"{DAY}.500Z", f"{DAY}.5+00:00"),
        (f"{DAY}.000Z", f"{DAY}+00:00"),
        (f"{DAY}.05+02:00", f"{DAY}.05+02:00"),
        (f"{DAY}.1234567Z", f"{DAY}.1234567+00:00"),
        (f"{DAY}.123456789Z", f"{DAY}.1234567+00:00"),
        (f"{DAY}.12345609Z", f"{DAY}.123456+00:00"),
        (f"{DAY}.00000009Z", f"{DAY}+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("2016-12-31T23:59:59Z", "2016-12-31T23:59:59+00:00"),
    ],
)
def test_instants(text: str, expected: str) -> None:
    assert normal_instant(text) == instant_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2020-02-29T10:11Z", DAY, f"{DAY}z", f"{DAY}.Z", f"{DAY}+14:01", f"{DAY}+15:00", f"{DAY}+1:00", f"{DAY}+10:60",
        f"{DAY}+0100", "2020-02-29 10:11:12Z", "2020-02-30T10:11:12Z", "2019-02-29T10:11:12Z", "2020-13-01T10:11:12Z",
        "2020-02-29T24:00:00Z", "2020-02-29T10:60:00Z", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", f"{DAY}Z\n",
        f" {DAY}Z", "٢٠٢٠-02-29T10:11:12Z", "2020-2-29T10:11:12Z",
    ],
)  # fmt: skip
def test_what_is_no_instant(text: str) -> None:
    assert normal_instant(text) is None and instant_of(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020", "2020-01-01T00:00:00+00:00"),
        ("2020-02", "2020-02-01T00:00:00+00:00"),
        ("2020-02-29", "2020-02-29T00:00:00+00:00"),
        ("2019-02-29", None),
        ("2020-13", None),
        ("0000", None),
        ("20", None),
        ("2020-2", None),
        ("2020-02-29T", None),
        ("unknown", None),
    ],
)
def test_a_date_as_an_instant(text: str, expected: str | None) -> None:
    assert instant_of(text) == expected
    assert normal_instant(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QUJD", "QUJD"),
        ("QUI=", "QUI="),
        ("QQ==", "QQ=="),
        ("+/+/", "+/+/"),
        ("QU JD", "QUJD"),
        (" QUJD\r\n\tQUJD ", "QUJDQUJD"),
        ("\u00a0QU JD\v\u00a0", "QUJD"),
        ("QU I =", "QUI="),
        ("QUJ=", "QUI="),  # other bits than zero behind the last byte
        ("QR==", "QQ=="),
    ],
)
def test_base64(text: str, expected: str) -> None:
    assert normal_base64(text) == expected


@pytest.mark.parametrize(
    "text",
    ["Q", "QU", "QUJ", "QUJDQ", "====", "QU=D", "QQ==QUJD", "QQ=", "_-_-", "QU,D", "ÄUJD", "QU\u00a0JD", "QU\vJD"],
)  # fmt: skip
def test_what_is_no_base64(text: str) -> None:
    assert normal_base64(text) is None


# ---- lenient reading -----------------------------------------------------------------------------------------------


def read(members: str) -> Any:
    return json.loads(normalised(f'{{"resourceType":"Patient",{members}}}'.encode()))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # a bare value where a list belongs
        ('"name":{"text":"a"}', '"name":[{"text":"a"}]'),
        ('"name":[{"given":"a"}]', '"name":[{"given":["a"]}]'),
        ('"name":{"given":"a","_given":{"id":"i"}}', '"name":[{"given":["a"],"_given":[{"id":"i"}]}]'),
        ('"contained":{"resourceType":"Basic","id":"b"}', '"contained":[{"resourceType":"Basic","id":"b"}]'),
        ('"contact":{"telecom":{"value":"1"}}', '"contact":[{"telecom":[{"value":"1"}]}]'),
        # text is trimmed
        ('"id":" a\\t","name":[{"text":"\\n a b "}]', '"id":"a","name":[{"text":"a b"}]'),
        ('"gender":" male "', '"gender":"male"'),
        ('"_gender":{"id":" i ","extension":{"url":" u "}}', '"_gender":{"id":"i","extension":[{"url":"u"}]}'),
        # what counts as absent
        ('"name":null,"active":null,"gender":"","birthDate":"  "', ""),
        ('"name":[],"contact":{},"meta":{}', ""),
        ('"name":[null,{},{"text":""},{"text":"a"}]', '"name":[{"text":"a"}]'),
        ('"contact":[{"name":{"given":[""]}}]', ""),
        ('"contact":[{"name":{"period":{"start":null}}},{"gender":"male"}]', '"contact":[{"gender":"male"}]'),
        ('"contained":[null,{"resourceType":"Basic","code":{}}]', '"contained":[{"resourceType":"Basic"}]'),
        ('"_gender":{},"_birthDate":{"extension":[]}', ""),
        ('"nickname":null,"other":{}', ""),
        # but these do not
        ('"active":false,"multipleBirthInteger":0', '"active":false,"multipleBirthInteger":0'),
        ('"nickname":{"a":null}', '"nickname":{"a":null}'),
        ('"name":"a"', '"name":["a"]'),
        ('"gender":["male"]', '"gender":["male"]'),
        # lists of primitives, with what stands beside them
        ('"name":[{"given":["a",null,"b",""]}]', '"name":[{"given":["a","b"]}]'),
        (
            '"name":[{"given":["",null,"b"],"_given":[{},{"id":"i"},null]}]',
            '"name":[{"given":[null,"b"],"_given":[{"id":"i"},null]}]',
        ),
        ('"name":[{"given":[null],"_given":[{"id":"i"}]}]', '"name":[{"_given":[{"id":"i"}]}]'),
        ('"name":[{"given":["a","b"],"_given":[{"id":""}]}]', '"name":[{"given":["a","b"]}]'),
        (
            '"name":[{"given":["a"],"_given":[null,{"id":"i"}]}]',
            '"name":[{"given":["a",null],"_given":[null,{"id":"i"}]}]',
        ),
        ('"name":[{"_given":[null,{"id":"i"}]}]', '"name":[{"_given":[{"id":"i"}]}]'),
        ('"name":[{"_given":{"id":"i"}}]', '"name":[{"_given":[{"id":"i"}]}]'),
        ('"_gender":{"id":"i"},"gender":""', '"_gender":{"id":"i"}'),
        # of a member that comes twice the last counts
        ('"gender":"male","gender":" female"', '"gender":"female"'),
    ],
)  # fmt: skip
def test_lenient_reading(given: str, expected: str) -> None:
    assert read(given) == json.loads(f'{{"resourceType":"Patient"{"," if expected else ""}{expected}}}')


def test_decimals_keep_their_spelling() -> None:
    text = b'{"resourceType":"Observation","valueQuantity":{"value":%s,"unit":" g "}}'
    for number in (b"1.50", b"1e400", b"-0.0", b"12345678901234567890.123456789"):
        assert normalised(text % number) == (text % number).replace(b" g ", b"g")


def test_a_resource_of_no_known_type_stays_as_it_is() -> None:
    for document in ({"resourceType": "Max", "name": None}, {"name": None}, [None], "x", None):
        assert json.loads(normalised(json.dumps(document).encode())) == document
    assert json.loads(normalised(b'{"id":"a","resourceType":" Basic "}')) == {
        "resourceType": "Basic",
        "id": "a",
    }


@pytest.mark.parametrize("data", [b"", b"{", b'{"a":1,}', b'{"a":\xff}', b'{"a":"\\ud800"}'])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        normalised(data)
