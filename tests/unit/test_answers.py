"""Answers that can be what the service made of what was sent, and those that cannot."""

import json
from typing import Any

import pytest

from dimpflow.clients.answers import (
    BrokenAnswerError,
    WrongAnswerError,
    check,
    is_empty,
    line_of,
    pack,
    unpack,
)
from dimpflow.errors import LineError

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p", "name": [{"family": "Max"}]}
DONE: dict[str, Any] = {"resourceType": "Patient", "id": "5f"}
OTHER: dict[str, Any] = {"resourceType": "Basic", "id": "b"}
SHELL: dict[str, Any] = {"resourceType": "Patient", "meta": {"security": [{"code": "REDACTED"}]}}


def data(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def bundle(*resources: Any, **more: Any) -> bytes:
    return data(
        {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": r, **more} for r in resources]}
    )


def wrong(sent: bytes, answer: bytes, *, allow_empty: bool = False) -> str:
    with pytest.raises(WrongAnswerError) as error:
        check(sent, answer, allow_empty=allow_empty)
    assert "Max" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{"a":1.50,\r\n "b":[1e2, "\\u00e4 x"]}\n', b'{"a":1.50,"b":[1e2,"\\u00e4 x"]}'),
        (' {"a":"ä \\n"} '.encode(), '{"a":"ä \\n"}'.encode()),
    ],
)  # fmt: skip
def test_an_answer_is_one_line_with_its_tokens_as_they_came(answer: bytes, line: bytes) -> None:
    assert line_of(answer) == line


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"null", b'{"a":1', b'{"a":1}}', b"<html>", b'{"a":"\xff"}', b'{"a":1} x', b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_whole_json_object(answer: bytes) -> None:
    with pytest.raises(BrokenAnswerError):
        line_of(answer)


def test_good_answers() -> None:
    check(data(PATIENT), data(DONE), allow_empty=False)
    check(data(SHELL), data(SHELL), allow_empty=False)  # there was nothing before
    check(data(PATIENT), data(SHELL), allow_empty=True)
    check(bundle(PATIENT, OTHER), bundle(DONE, OTHER), allow_empty=False)
    check(bundle(PATIENT, OTHER), bundle(SHELL, OTHER), allow_empty=False)  # something is left
    check(bundle(), bundle(), allow_empty=False)
    check(data({"resourceType": "Bundle"}), data({"resourceType": "Bundle"}), allow_empty=False)
    taken = data({"resourceType": "Bundle", "entry": [{"request": {"method": "PUT"}}]})
    check(bundle(PATIENT, request={"method": "PUT"}), taken, allow_empty=True)


def test_wrong_answers() -> None:
    assert "another type" in wrong(data(PATIENT), data(OTHER))
    assert "another type" in wrong(data(PATIENT), data({"x": 1}))
    assert "another type" in wrong(data(PATIENT), bundle(PATIENT))
    assert "services.dimp.allow_empty" in wrong(data(PATIENT), data(SHELL))
    assert "1 entries for a Bundle of 2" in wrong(bundle(PATIENT, OTHER), bundle(DONE), allow_empty=True)
    assert "in another order" in wrong(bundle(PATIENT, OTHER), bundle(OTHER, DONE), allow_empty=True)
    assert "services.dimp.allow_empty" in wrong(bundle(PATIENT, PATIENT), bundle(SHELL, SHELL))
    put, post = (bundle(PATIENT, request={"method": method}) for method in ("PUT", "POST"))
    assert "in another order" in wrong(put, post)


def test_what_was_sent_is_no_resource() -> None:
    for sent in (b"{}", b"[", b'"x"'):
        with pytest.raises(LineError, match="no resourceType"):
            check(sent, data(DONE), allow_empty=False)


def test_empty() -> None:
    assert is_empty(data(SHELL)) and is_empty(b'{"resourceType":"Patient"}') and not is_empty(data(DONE))


class TestPacks:
    """Single resources that go together."""

    SENT = (data(PATIENT), data(OTHER), data(PATIENT))

    def answered(self, *resources: Any, ids: tuple[str, ...] = ("0", "1", "2")) -> bytes:
        entries = [{"id": id_, "resource": r} for id_, r in zip(ids, resources, strict=True)]
        return data({"resourceType": "Bundle", "type": "collection", "entry": entries})

    def test_there_and_back(self) -> None:
        sent = json.loads(pack(self.SENT, numbered=True))
        assert sent["type"] == "collection" and "id" not in sent
        assert [entry["id"] for entry in sent["entry"]] == ["0", "1", "2"]
        assert json.loads(pack(self.SENT, numbered=False)) == {
            **sent,
            "entry": [{"resource": entry["resource"]} for entry in sent["entry"]],
        }
        assert unpack(self.SENT, pack(self.SENT, numbered=True), numbered=True, allow_empty=False) == list(
            self.SENT
        )
        answer = self.answered(DONE, OTHER, DONE)
        assert unpack(self.SENT, answer, numbered=True, allow_empty=False) == [
            data(DONE),
            data(OTHER),
            data(DONE),
        ]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda self: self.answered(DONE, OTHER, ids=("0", "1")), "2 entries for a Bundle of 3"),
            (lambda self: self.answered(OTHER, DONE, DONE), "another type"),
            (lambda self: self.answered(DONE, OTHER, DONE, ids=("2", "1", "0")), "another order"),
            (lambda self: self.answered(DONE, OTHER, DONE, ids=("0", "", "2")), "another order"),
            (lambda self: self.answered(DONE, OTHER, SHELL), "services.dimp.allow_empty"),
            (lambda self: data(OTHER), "another type"),
            (
                lambda self: data({"resourceType": "Bundle", "entry": [{"id": str(i)} for i in range(3)]}),
                "no resource",
            ),
        ],
    )
    def test_wrong_ones(self, answer: Any, words: str) -> None:
        with pytest.raises(WrongAnswerError, match=words):
            unpack(self.SENT, answer(self), numbered=True, allow_empty=False)

    def test_without_numbers_ids_say_nothing(self) -> None:
        answer = self.answered(DONE, OTHER, DONE, ids=("x", "", "0"))
        assert len(unpack(self.SENT, answer, numbered=False, allow_empty=False)) == 3
