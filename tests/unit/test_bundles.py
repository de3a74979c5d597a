"""dimpflow.bundles: cutting and joining on raw bytes loses and changes nothing."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dimpflow.bundles import cut, join_entries, oversize, peek
from dimpflow.errors import LineError

# Spellings that a parser would change, and text that looks like structure.
values = st.sampled_from(
    [b"1.10", b"-0", b"1E+2", b"123456789012345678901234567890", b'"\\u00fc\\/"', '"ü 😀"'.encode(), b'"\\"entry\\":["',
     b'"\\\\"', b"null", b"[ ]", b'{ "entry" : [ {} , {} ] }', b'"],\\"x\\":[{"', b'{"a":[1,2,{"b":"}"}]}']
)  # fmt: skip
spaces = st.sampled_from([b"", b"", b" ", b"\t ", b" \r "])


@st.composite
def bundles(draw: Any) -> tuple[bytes, list[bytes], list[tuple[bytes, bytes]]]:
    """A Bundle line, its entries and its other members, as raw bytes."""
    names = draw(st.permutations([b"id", b"type", b"meta", b"total", b"link", b"_type", "grüße".encode()]))
    others = [(name, draw(values)) for name in names[: draw(st.integers(0, 7))]]
    others.insert(draw(st.integers(0, len(others))), (b"resourceType", b'"Bundle"'))
    space = draw(spaces)
    entries = [
        b'{"resource":'
        + space
        + b'{"resourceType":"Patient","x":'
        + draw(values)
        + b"}"
        + draw(spaces)
        + b"}"
        for _ in range(draw(st.integers(0, 7)))
    ]
    entry = (b"entry", b"[" + space + (space + b"," + space).join(entries) + space + b"]")
    place = draw(st.integers(0, len(others)))
    members = [*others[:place], entry, *others[place:]]
    text = b",".join(space + b'"' + name + b'"' + space + b":" + space + value for name, value in members)
    return space + b"{" + text + space + b"}" + space, entries, others


def raw_members(line: bytes) -> list[tuple[str, Any]]:
    """Members in order; numbers as they are spelled."""
    return json.loads(line, object_pairs_hook=list, parse_int=str, parse_float=str)  # type: ignore[no-any-return]


@settings(max_examples=500, deadline=None)
@given(bundle=bundles(), limit=st.integers(1, 700))
def test_cut(bundle: tuple[bytes, list[bytes], list[tuple[bytes, bytes]]], limit: int) -> None:
    line, entries, others = bundle
    chunks = cut(line, limit)
    if len(line) <= limit or len(entries) < 2:
        assert chunks == [line]
        return
    frame = b"{" + b",".join(b'"' + name + b'":' + value for name, value in others) + b"}"
    position = 0
    for chunk in chunks:
        json.loads(chunk)
        run: list[bytes] = []
        # Take entries until the chunk is exactly its frame and this run.
        for entry in entries[position:]:
            run.append(entry)
            if len(frame) + len(b'"entry":[],') + len(b",".join(run)) == len(chunk):
                break
        assert b'"entry":[' + b",".join(run) + b"]" in chunk
        without = chunk.replace(b'"entry":[' + b",".join(run) + b"]", b"", 1)
        assert without.replace(b"{,", b"{", 1).replace(b",,", b",", 1).replace(b",}", b"}") in (
            frame, frame.replace(b",}", b"}"),
        )  # fmt: skip
        assert len(chunk) <= limit or len(run) == 1
        position += len(run)
        if position < len(entries):  # greedy: the next entry would not have fitted
            assert len(chunk) + 1 + len(entries[position]) > limit
    assert position == len(entries)


@settings(max_examples=300, deadline=None)
@given(bundle=bundles(), limit=st.integers(1, 700))
def test_cut_and_join_is_the_bundle_in_definition_order(
    bundle: tuple[bytes, list[bytes], list[tuple[bytes, bytes]]], limit: int
) -> None:
    line, entries, _ = bundle
    joined = join_entries(cut(line, limit))
    assert joined == join_entries([line])
    expected = dict(raw_members(line))
    if not entries:
        del expected["entry"]
    assert dict(raw_members(joined)) == expected
    assert b",".join(entries) in joined
    order = ["resourceType", "id", "meta", "type", "_type", "total", "link", "entry", "grüße"]
    names = [name for name, _ in raw_members(joined)]
    assert names == [name for name in order if name in names]


LINE = b'{"resourceType":"Bundle","id":"a","entry":[{"x":1.10},{"x":2},{"x":3}],"type":"batch"}'


def test_exactly_at_the_threshold_uncut_one_over_cut() -> None:
    assert cut(LINE, len(LINE)) == [LINE]
    assert cut(LINE, len(LINE) - 1) == [
        b'{"resourceType":"Bundle","id":"a","entry":[{"x":1.10},{"x":2}],"type":"batch"}',
        b'{"resourceType":"Bundle","id":"a","entry":[{"x":3}],"type":"batch"}',
    ]


def test_a_chunk_may_be_exactly_as_large_as_the_limit() -> None:
    size = len(cut(LINE, len(LINE) - 1)[0])
    assert list(map(len, cut(LINE, size))) == [size, size - 11]
    assert len(cut(LINE, size - 1)[0]) == size - 8


def test_a_single_entry_over_the_limit_is_alone() -> None:
    big = b'{"resource":{"resourceType":"Binary","data":"' + b"A" * 500 + b'"}}'
    line = b'{"resourceType":"Bundle","entry":[{"a":1},' + big + b',{"b":2},{"c":3}]}'
    frame = b'{"resourceType":"Bundle","entry":[%s]}'
    chunks = cut(line, 300)
    assert chunks == [frame % b'{"a":1}', frame % big, frame % b'{"b":2},{"c":3}']
    assert [oversize(chunk, 300) for chunk in chunks] == [None, ("Binary", len(chunks[1])), None]


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceType":"Patient","entry":[{},{},{}],"x":"............"}',
        b'{"resourceType":"Bundle","id":"with no entry at all"}',
        b'{"resourceType":"Bundle","entry":"no list, so not for us to cut"}',
        b'{"resourceType":"Bundle","entry":[{"resource":{"id":"the only one"}}]}',
        b'{"resourceType":7,"entry":[{},{},{},{},{},{},{},{},{},{},{},{},{}]}',
        b'{"entry":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}',
        b'["Bundle", "as a list", "................................."]',
        b'{"resourceType":"Bundle","entry":[{},{},{},{},{},{},{},{},{},{}',
    ],
)
def test_what_is_not_a_bundle_of_several_entries_stays_as_it_is(line: bytes) -> None:
    assert cut(line, 10) == [line]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"resourceType":"Patient","x":"' + b"." * 60 + b'"}', "Patient"),
        (b'{"resourceType":"Bundle","entry":[],"x":"' + b"." * 60 + b'"}', "Bundle"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Group"}}],"x":"......"}', "Group"),
        (
            b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Erika"}}],"x":"......"}',
            "resource",
        ),
        (b'{"resourceType":"Erika","x":"' + b"." * 60 + b'"}', "resource"),
        (b'{"x":"' + b"." * 60 + b'"}', "resource"),
    ],
)
def test_oversize_names_a_known_type_and_the_exact_bytes(line: bytes, expected: str) -> None:
    assert oversize(line, len(line)) is None
    assert oversize(line, 50) == (expected, len(line))


def test_join_takes_the_members_of_the_first_chunk() -> None:
    first = b'{"entry":[{"a":1.10}],"id":"x","resourceType":"Bundle","meta":{"security":[1]}}'
    later = b'{"resourceType":"Bundle","id":"y"}'
    last = b'{"resourceType":"Bundle","entry":[ {"b":2} ]}'
    assert join_entries([first, later, last]) == (
        b'{"resourceType":"Bundle","id":"x","meta":{"security":[1]},"entry":[{"a":1.10},{"b":2}]}'
    )
    assert join_entries([later]) == later


@pytest.mark.parametrize(
    "chunk",
    [b'{"resourceType":"OperationOutcome"}', b"[]", b"{}", b"<html>", b'{"resourceType":"Bundle","entry":1}'],
)
def test_join_refuses_what_is_not_a_bundle(chunk: bytes) -> None:
    with pytest.raises(LineError):
        join_entries([LINE, chunk])


@given(st.sampled_from(["Patient", "Bundle"]), spaces, st.booleans())
@example("Patient", b"", True)
def test_peek(name: str, space: bytes, first: bool) -> None:
    member = b'"resourceType"' + space + b":" + space + json.dumps(name).encode()
    assert peek(b"{" + (member + b',"id":"x"' if first else b'"id":"x",' + member) + b"}") == name


def test_peek_reads_escapes() -> None:
    assert peek(b'{"resourceType":"Pat\\u0069ent"}') == "Patient"


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"", b'{"resourceType":1}', b'{"resourceType":"', b'{"resourceType":"Patient']
)
def test_peek_without_a_type(line: bytes) -> None:
    with pytest.raises(LineError, match=r"^no resourceType at \$\.resourceType$"):
        peek(line)
