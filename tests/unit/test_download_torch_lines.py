"""dimpflow.clients.torch.lines: what TORCH's result files must be, line by line, and that nothing of them is said."""

import json
import random
import tracemalloc
from typing import Any

import pytest

from dimpflow.clients.download import ContentError
from dimpflow.clients.torch.lines import TorchLines
from downloading import bundle, content

SECRET = "geheim"


def judged(data: bytes, size: int = 1 << 18) -> int:
    """The lines of a file that comes in pieces of a size."""
    checker = TorchLines()
    for at in range(0, len(data), size):
        checker.feed(data[at : at + size])
    return checker.finish()


def fault(data: bytes, size: int = 1 << 18) -> tuple[int, str]:
    with pytest.raises(ContentError) as caught:
        judged(data, size)
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value.line, caught.value.reason


def entries(*resources: Any) -> bytes:
    """A line with these resources."""
    return bundle(1, entry=[{"resource": one} for one in resources])


def line(**members: Any) -> bytes:
    return json.dumps(members).encode() + b"\n"


PATIENT = {"resourceType": "Patient", "id": "1", "birthDate": "1970-01-01"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"resourceType":"Bundle","type":"transaction"}\n',
        b'{"resourceType":"Bundle","type":"transaction","entry":[]}\n',
        b' {"type" : "transaction", "resourceType": "\\u0042undle"} \n',
        entries(PATIENT, {"resourceType": "Basic"}, {"resourceType": "Basic", "code": 1}),
        entries(PATIENT, dict(reversed(PATIENT.items()))),  # twice the same
        entries(PATIENT, {**PATIENT, "resourceType": "Person"}),
        entries({**PATIENT, "gender": "Ä€😀"}),
        b"",
    ],
)
def test_lines_that_are_fine(data: bytes) -> None:
    assert judged(data) == data.count(b"\n")
    assert judged(data, 1) == data.count(b"\n")


FAULTS = [
    (b"\n", "a blank line"),
    (b" \t\n", "a blank line"),
    (bundle(1)[:-1] + b"\r\n", "a carriage return; lines end with a line feed alone"),
    (bundle(1)[:-2] + b"\r}\n", "a carriage return; lines end with a line feed alone"),
    (b"{\n", "not JSON: the line ends too early"),
    (bundle(1)[:-20] + b"\n", "not JSON: the line ends too early"),
    (b'{"resourceType":"Bundle" "geheim"}\n', "not JSON at byte 26 of the line"),
    (
        bundle(1)[:-1] + b" " + bundle(2),
        f"something follows the Bundle at byte {len(bundle(1)) + 1} of the line",
    ),
    (b'{"resourceType":"Bundle","x":"geheim\xff"}\n', "not UTF-8 at byte 37 of the line"),
    (b'{"resourceType":"Bundle","x":"\xc3"}\n', "not UTF-8 at byte 31 of the line"),
    (b'{"resourceType":"Bundle","x":"\xed\xa0\x80"}\n', "not UTF-8 at byte 31 of the line"),
    (b'{"geheim":1,}\n', "not JSON at byte 13 of the line"),
    (b"[]\n", "not a Bundle"),
    (b'"geheim"\n', "not a Bundle"),
    (b"{}\n", "not a Bundle"),
    (line(resourceType=["geheim"]), "not a Bundle"),
    (line(resourceType="Patient", id=SECRET), "not a Bundle"),
    (line(resourceType="Observation", type={"text": SECRET}), "not a Bundle"),
    (line(resourceType="Bundle"), "a Bundle of another type than transaction"),
    (line(resourceType="Bundle", type="searchset"), "a Bundle of another type than transaction"),
    (line(resourceType="Bundle", type=[SECRET]), "a Bundle whose type is no text"),
    (bundle(1, entry={"geheim": 1}), "a Bundle whose entry is no list of objects"),
    (bundle(1, entry=[SECRET]), "a Bundle whose entry is no list of objects"),
    (bundle(1, entry=[{"request": {"url": SECRET}}]), "an entry without a resource"),
    (entries(None), "an entry without a resource"),
    (entries(SECRET), "an entry without a resource"),
    (entries({"id": SECRET}), "an entry whose resource has no proper resourceType or id"),
    (
        entries({"resourceType": "Basic", "id": [SECRET]}),
        "an entry whose resource has no proper resourceType or id",
    ),
    (entries({"resourceType": ""}), "an entry whose resource has no proper resourceType or id"),
    (
        entries(PATIENT, PATIENT, {**PATIENT, "gender": SECRET}),
        "two entries of one Bundle have the same type and id, but not the same content",
    ),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n", "nested too deeply"),
]


@pytest.mark.parametrize(("bad", "reason"), FAULTS)
def test_faults(bad: bytes, reason: str) -> None:
    assert fault(bad) == (1, reason)
    assert fault(content(3) + bad + content(2)) == (4, reason)
    assert fault(content(3) + bad + content(2), 7) == (4, reason)


def test_a_byte_order_mark() -> None:
    assert fault(b"\xef\xbb\xbf" + content(2)) == (1, "a byte order mark (BOM)")


def test_a_last_line_without_its_end() -> None:
    for size in (1, 100, 1 << 18):
        assert fault(content(2)[:-1], size) == (2, "no line end: the file is cut off")
    assert fault(content(1) + b"{") == (2, "no line end: the file is cut off")


@pytest.mark.parametrize(("one", "other", "same"), [("1.10", "1.10", True), ("1.10", "1.1", False), ("1", '"1"', False), ("1e2", "100", False)])  # fmt: skip
def test_numbers_are_what_is_written(one: str, other: str, same: bool) -> None:
    """1.10 and 1.1 have another precision in FHIR."""
    resources = ",".join(
        f'{{"resource":{{"resourceType":"Basic","id":"1","x":{value}}}}}' for value in (one, other)
    )
    data = f'{{"resourceType":"Bundle","type":"transaction","entry":[{resources}]}}\n'.encode()
    if same:
        assert judged(data) == 1
    else:
        assert fault(data)[0] == 1


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size_are_judged_alike(seed: int) -> None:
    """A piece may end within a character, a line, a line end."""
    draw = random.Random(seed)
    data = content(draw.randrange(1, 30))
    bad, reason = draw.choice(FAULTS)
    for middle, expected in ((b"", None), (bad, (data.count(b"\n") + 1, reason))):
        checker = TorchLines()
        rest = data + middle + content(3)
        found: object = None
        try:
            while rest:
                size = draw.choice((1, 10, 400, 5000))
                checker.feed(rest[:size])
                rest = rest[size:]
            assert checker.finish() == data.count(b"\n") + 3
        except ContentError as error:
            found = error.line, error.reason
        assert found == expected


def test_a_line_of_50_mb() -> None:
    """It is in memory once, and what is made of it is small."""
    long = bundle(1, entry=[{"resource": {**PATIENT, "id": str(n), "text": "ä" * 5000}} for n in range(5000)])
    assert len(long) > 50_000_000
    data = content(2) + long + content(2)
    del long
    tracemalloc.start()
    try:
        assert judged(data) == 5
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(data)
    finally:
        tracemalloc.stop()
