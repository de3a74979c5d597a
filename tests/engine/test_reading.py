"""What the engine reads strictly, what leniently, and what it refuses in which words."""

from collections.abc import Callable

import pytest
from rules import rule, rule_set

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError

Read = Callable[[str], bytes]


@pytest.fixture(params=[False, True], ids=["compiled", "tree"])
def read(request: pytest.FixtureRequest) -> Read:
    """The result of no rules for a patient with these members."""
    machine = Engine(rule_set([]), only_tree=request.param)
    return lambda members: machine.deidentify(patient(members))


@pytest.fixture(params=[False, True], ids=["compiled", "tree"])
def refuse(request: pytest.FixtureRequest) -> Callable[[bytes], str]:
    """Why a resource is refused, with a rule that looks at everything."""
    machine = Engine(rule_set([rule("nodesByType('markdown')", "redact")]), only_tree=request.param)

    def refused(data: bytes) -> str:
        with pytest.raises(LineError) as error:
            machine.deidentify(data)
        return str(error.value)

    return refused


def patient(members: str) -> bytes:
    return f'{{"resourceType":"Patient"{"," if members else ""}{members}}}'.encode()


@pytest.mark.parametrize(
    "members",
    [
        # white space around text and empty objects are strict
        '"name":[{"text":" a "}]',
        '"id":" "',
        '"name":[{}]',
        '"contact":[{"name":{}},{}]',
        '"_gender":{}',
        '"name":[{"given":["a"],"_given":[{}]}]',
        '"name":[{"given":[null,"b"],"_given":[{"id":"i"},null]}]',
        '"name":[{"_given":[{"id":"i"}]}]',
        '"birthDate":"unknown","deceasedDateTime":"2020-02-30T25:00"',
        '"multipleBirthInteger":2147483647',
        '"multipleBirthInteger":-2147483648',
        '"extension":[{"url":"u","valueDecimal":1e400}]',
        '"extension":[{"url":"u","valueDecimal":-0.0}]',
        '"extension":[{"url":"u","valueDecimal":0.10}]',
        '"extension":[{"url":"u","valuePositiveInt":-1}]',
        '"name":[{"text":"\\" \\\\ \\n ä€😀 / <>&"}]',
        '"active":false',
        '"_id":{"id":"x"}',
    ],
)
def test_strict_resources_stay_as_they_are(read: Read, members: str) -> None:
    assert read(members) == patient(members)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ('"name":{"text":" a "}', '"name":[{"text":"a"}]'),
        ('"name":[{"text":" a "}],"active":null', '"name":[{"text":"a"}]'),  # once lenient, all of it is
        ('"name":[{},{"text":"a"}],"gender":""', '"name":[{"text":"a"}]'),
        ('"name":[null]', ""),
        ('"name":[]', ""),
        ('"name":[{"given":["a",null]}]', '"name":[{"given":["a"]}]'),
        ('"name":[{"given":[null,"b"],"_given":[{"id":""},null]}]', '"name":[{"given":["b"]}]'),
        ('"name":[{"given":"a","_given":{"id":"i"}}]', '"name":[{"given":["a"],"_given":[{"id":"i"}]}]'),
        ('"gender":" male "', '"gender":"male"'),
        ('"nickname":null,"name":[{"familie":{}}]', ""),
        ('"deceasedBoolean":null,"deceasedDateTime":"2020"', '"deceasedDateTime":"2020"'),
        ('"contained":{"resourceType":"Basic","id":" b "}', '"contained":[{"resourceType":"Basic","id":"b"}]'),
        ('"contained":[{"resourceType":"Basic","id":""}]', '"contained":[{"resourceType":"Basic"}]'),
        ('"extension":{"url":"u","valueDecimal":1.50}', '"extension":[{"url":"u","valueDecimal":1.50}]'),
        # values in their usual form, strictly read or not
        ('"meta":{"lastUpdated":" 2020-01-01T10:00:00.50Z"}', '"meta":{"lastUpdated":"2020-01-01T10:00:00.5+00:00"}'),
        ('"photo":[{"data":"QU JD"}]', '"photo":[{"data":"QUJD"}]'),
        ('"name":[{}],"photo":[{"data":"QU JD\u00a0"}]', '"name":[{}],"photo":[{"data":"QUJD"}]'),
        ('"multipleBirthInteger":-0', '"multipleBirthInteger":0'),
        ('"name":[{"text":"\\u00e4\\/\\ud83d\\ude00"}]', '"name":[{"text":"ä/😀"}]'),
        # of a member that comes twice the last counts
        ('"gender":"male","gender":"female"', '"gender":"female"'),
        ('"gender":"Max","gender":"female"', '"gender":"female"'),
        ('"name":[{"text":"a"}],"name":null', ""),
    ],
)  # fmt: skip
def test_resources_that_are_brought_into_form(read: Read, members: str, expected: str) -> None:
    assert read(members) == patient(expected)


def test_a_type_that_comes_twice_or_late(read: Read) -> None:
    assert read('"id":"a","resourceType":"Basic"') == b'{"resourceType":"Basic","id":"a"}'
    machine = Engine(rule_set([]))
    assert machine.deidentify(b' { "id" : "a" , "resourceType" : " Basic " } ') == (
        b'{"resourceType":"Basic","id":"a"}'
    )
    assert machine.deidentify(b'{"resource\\u0054ype":"Basic"}') == b'{"resourceType":"Basic"}'


UNKNOWN = "an element that FHIR R4 does not have here"
CODE = "a code that FHIR R4 does not allow here"
TWICE = "several variants of an element of which FHIR R4 allows one"
INSTANT = "expected a date and time with seconds and zone for an instant"
NUMBER = "expected a number for a decimal"

REFUSED = [
    ('"nickname":"Max"', f"{UNKNOWN} at $"),
    ('"Name":[{"text":"Max"}]', f"{UNKNOWN} at $"),
    ('"_name":[{"id":"Max"}]', f"{UNKNOWN} at $"),
    ('"nickname":{"Max":null}', f"{UNKNOWN} at $"),
    ('"value":"Max"', f"{UNKNOWN} at $"),
    ('"name":[{"text":"a"},{"familie":"Max"}]', f"{UNKNOWN} at $.name[1]"),
    ('"contact":[{"name":{"familie":"Max"}}]', f"{UNKNOWN} at $.contact[0].name"),
    ('"extension":[{"url":"u","_url":{"id":"Max"}}]', f"{UNKNOWN} at $.extension[0]"),
    ('"extension":[{"url":"u","valueMax":1}]', f"{UNKNOWN} at $.extension[0]"),
    ('"_gender":{"value":"Max"}', f"{UNKNOWN} at $._gender"),
    ('"gender":"Max"', f"{CODE} at $.gender"),
    ('"gender":"Male"', f"{CODE} at $.gender"),
    ('"contact":[{"telecom":[{"system":"Max"}]}]', f"{CODE} at $.contact[0].telecom[0].system"),
    ('"name":"Max"', "Expected `object`, got `str` at $.name[0]"),
    ('"name":[["Max"]]', "Expected `object`, got `array` at $.name[0]"),
    ('"name":[{"given":[1]}]', "Expected `str | null`, got `int` at $.name[0].given[0]"),
    ('"gender":["male"]', "Expected `str`, got `array` at $.gender"),
    ('"gender":{"Max":1}', "Expected `str`, got `object` at $.gender"),
    ('"active":"true"', "Expected `bool`, got `str` at $.active"),
    ('"active":1', "Expected `bool`, got `int` at $.active"),
    ('"_gender":"Max"', "Expected `object`, got `str` at $._gender"),
    ('"birthDate":1970', "Expected `str`, got `int` at $.birthDate"),
    ('"multipleBirthInteger":"1"', "Expected `int`, got `str` at $.multipleBirthInteger"),
    ('"multipleBirthInteger":1.0', "Expected `int`, got `float` at $.multipleBirthInteger"),
    ('"multipleBirthInteger":1e0', "Expected `int`, got `float` at $.multipleBirthInteger"),
    ('"multipleBirthInteger":2147483648', "Expected `int` <= 2147483647 at $.multipleBirthInteger"),
    ('"multipleBirthInteger":-2147483649', "Expected `int` >= -2147483648 at $.multipleBirthInteger"),
    ('"extension":[{"url":"u","valueDecimal":"1"}]', f"{NUMBER} at $.extension[0].valueDecimal"),
    ('"extension":[{"url":"u","valueDecimal":true}]', f"{NUMBER} at $.extension[0].valueDecimal"),
    ('"extension":[{"url":"u","valueDecimal":{"Max":1}}]', f"{NUMBER} at $.extension[0].valueDecimal"),
    ('"deceasedBoolean":true,"deceasedDateTime":"2020"', f"{TWICE} at $"),
    ('"deceasedBoolean":true,"_deceasedDateTime":{"id":"i"}', f"{TWICE} at $"),
    ('"extension":[{"url":"u","valueString":"Max","valueCode":"Max"}]', f"{TWICE} at $.extension[0]"),
    ('"meta":{"lastUpdated":"2020"}', f"{INSTANT} at $.meta.lastUpdated"),
    ('"meta":{"lastUpdated":"2020-01-01T10:00:00"}', f"{INSTANT} at $.meta.lastUpdated"),
    ('"meta":{"lastUpdated":"2016-12-31T23:59:60Z"}', f"{INSTANT} at $.meta.lastUpdated"),
    ('"photo":[{"data":"Max"}]', "expected base64 at $.photo[0].data"),
    ('"contained":[{"id":"Max"}]', "no resourceType at $.contained[0].resourceType"),
    ('"contained":["Max"]', "no resourceType at $.contained[0].resourceType"),
    ('"contained":[{"resourceType":"Max"}]', "not a FHIR R4 resource at $.contained[0]"),
    ('"contained":[{"resourceType":"HumanName"}]', "not a FHIR R4 resource at $.contained[0]"),
    ('"contained":[{"resourceType":"Basic"},{"resourceType":"Basic","x":"Max"}]', f"{UNKNOWN} at $.contained[1]"),
    # what is empty before the bad one does not move it
    ('"name":[{},{"familie":"Max"}]', f"{UNKNOWN} at $.name[1]"),
    ('"contact":[{"name":{}},{"gender":"Max"}]', f"{CODE} at $.contact[1].gender"),
    ('"extension":[{},{"url":"u","valueDecimal":"Max"}]', f"{NUMBER} at $.extension[1].valueDecimal"),
    ('"contained":[{"resourceType":"Basic","code":{}},{"resourceType":"Basic","x":"Max"}]', f"{UNKNOWN} at $.contained[1]"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "message"), REFUSED)
def test_what_is_refused_and_where(refuse: Callable[[bytes], str], members: str, message: str) -> None:
    assert refuse(patient(members)) == message
    assert "Max" not in message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no resourceType at $.resourceType"),
        (b"null", "no resourceType at $.resourceType"),
        (b"[]", "no resourceType at $.resourceType"),
        (b'"Patient"', "no resourceType at $.resourceType"),
        (b"{}", "no resourceType at $.resourceType"),
        (b'{"resourceType":null}', "no resourceType at $.resourceType"),
        (b'{"resourceType":["Patient"]}', "no resourceType at $.resourceType"),
        (b'{"resourceType":"patient"}', "not a FHIR R4 resource at $"),
        (b'{"resourceType":"HumanName"}', "not a FHIR R4 resource at $"),
        (b'{"resourceType":"Resource"}', "not a FHIR R4 resource at $"),
        (b'\xef\xbb\xbf{"resourceType":"Patient"}', "no resourceType at $.resourceType"),
        ('{"resourceType":"Patient"}'.encode("utf-16"), "not UTF-8 at $"),
        (b'{"resourceType":"Patient","id":"M\xe4x"}', "not UTF-8 at $"),
        (b'{"resourceType":"Patient","M\xe4x":1}', "not UTF-8 at $"),
        (b'{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"M\xe4x"}]}', "not UTF-8 at $"),
        (b'{"resourceType":"Patient","id":"Max', "Input data was truncated at $"),
        (b'{"resourceType":"Patient"} Max', "JSON is malformed: trailing characters (byte 27) at $"),
        (b'{"resourceType":"Patient",}', "JSON is malformed: trailing comma in object (byte 26) at $"),
        (b'{"resourceType":"Patient","id":Max}', "JSON is malformed: invalid character (byte 31) at $"),
        (b"{'resourceType':'Patient'}", "no resourceType at $.resourceType"),
    ],
)  # fmt: skip
def test_what_is_no_resource_in_json(refuse: Callable[[bytes], str], data: bytes, message: str) -> None:
    assert refuse(data).startswith(message.split(" (byte")[0])
    assert refuse(data).endswith(message.split(" at ")[1])
    assert "Max" not in refuse(data) and "\n" not in refuse(data)


@pytest.mark.parametrize(
    "members",
    [
        '"id":"\\ud800"',
        '"name":[{"text":"Max\\udc00"}]',
        '"nickname":"\\ud800"',
        '"name":{"text":"\\ud83dMax"}',
    ],
)
def test_half_of_a_pair_of_surrogates(refuse: Callable[[bytes], str], members: str) -> None:
    message = refuse(patient(members))
    assert " at $" in message and "Max" not in message


def test_what_is_nested_too_deeply(refuse: Callable[[bytes], str]) -> None:
    inner = '{"url":"u","extension":[' * 3000 + "{}" + "]}" * 3000
    members = f'"extension":[{inner}]'
    assert refuse(patient(members)) == "nested too deeply at $"
    inner = '{"resourceType":"Basic","contained":[' * 3000 + "]}" * 3000
    assert refuse(patient(f'"contained":[{inner}]')) == "nested too deeply at $"


@pytest.mark.parametrize("only_tree", [False, True], ids=["compiled", "tree"])
def test_a_refused_resource_leaves_no_trace(only_tree: bool) -> None:
    machine = Engine(rule_set([rule("Patient.id", "redact")]), only_tree=only_tree)
    machine.deidentify(patient('"id":"a"'))
    with pytest.raises(LineError):
        machine.deidentify(patient('"id":"a","nickname":1'))
    machine.deidentify(patient('"id":"a","active":null'))
    assert [(c.matched, c.changed) for c in machine.take_counts()] == [(2, 2)]
    assert machine.take_resources() == {"Patient": 2}
