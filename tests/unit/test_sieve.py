"""dimpflow.steps.sieve: what is dropped goes however it is written, and everything else keeps its bytes."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimpflow.errors import LineError
from dimpflow.steps.sieve import BundlePolicy, Sieve

PROVENANCE = b'{"resourceType":"Provenance","id":"torch-Secret1","target":[{"reference":"Patient/Secret2"}]}'
PATIENT = b'{"resourceType":"Patient","id":"p","x":[1.10,-0,1E+2,"\\u00fc\\/"]}'
DROP = BundlePolicy(frozenset({"Provenance"}))
SKIP = BundlePolicy(skip_empty=True)
BOTH = BundlePolicy(frozenset({"Provenance"}), skip_empty=True)


def entry(resource: bytes) -> bytes:
    return b'{"resource":%s,"request":{"method":"PUT","url":"X/y"}}' % resource


def bundle(*entries: bytes) -> bytes:
    return b'{"resourceType":"Bundle","type":"transaction","entry":[%s],"id":"b"}' % b",".join(entries)


def sifted(line: bytes, policy: BundlePolicy = DROP) -> bytes:
    return b"".join(line[start:end] for start, end in Sieve(policy).sift(line).kept)


def test_the_total_of_a_searchset_stays() -> None:
    line = b'{"resourceType":"Bundle","type":"searchset","total":2,"entry":[%s]}'
    assert sifted(line % (entry(PATIENT) + b"," + entry(PROVENANCE))) == line % entry(PATIENT)


def test_what_is_inside_other_resources_stays() -> None:
    holding = b'{"resourceType":"Patient","contained":[%s]}' % PROVENANCE
    parameters = b'{"resourceType":"Parameters","parameter":[{"name":"x","resource":%s}]}' % PROVENANCE
    listing = b'{"resourceType":"List","entry":[{"item":{"type":"Provenance"}}]}'
    odd = b'{"resourceType":"List","entry":7}'
    for resource in (holding, parameters, listing, odd):
        assert sifted(resource, BOTH) == resource
        assert sifted(bundle(entry(PROVENANCE), entry(resource)), BOTH) == bundle(entry(resource))


def test_entries_without_a_resource_count_as_entries() -> None:
    line = bundle(b'{"request":{"method":"DELETE","url":"Patient/1"}}')
    assert sifted(line, BOTH) == line


def test_the_white_space_beside_an_entry_goes_with_it() -> None:
    line = b' { "resourceType" : "Bundle" , "entry" : [ %s ] , "id" : "b" } '
    parts = {"a": entry(PATIENT), "b": b'{ "fullUrl" : "x" }', "P": b'{ "resource" : %s }' % PROVENANCE}

    def spelled(text: str) -> bytes:
        return line % b"".join(parts.get(one, one.encode()) for one in text)

    cases = {"P , a": "a", "a , P , b": "a , b", "a , P": "a", "P,a , P , P": "a", "a,P , P,b": "a,b"}
    for before, after in cases.items():
        assert sifted(spelled(before)) == spelled(after)
    assert sifted(spelled("P")) == b' { "resourceType" : "Bundle" , "id" : "b" } '
    only = parts["P"]
    assert sifted(b'{"resourceType":"Bundle" , "entry":[%s] }' % only) == b'{"resourceType":"Bundle" }'
    assert sifted(b'{ "entry":[%s] , "resourceType":"Bundle"}' % only) == b'{ "resourceType":"Bundle"}'


@pytest.mark.parametrize("name", [b"entry", b"resource", b"resourceType", b"Bundle", b"Provenance"])
def test_escapes_hide_nothing(name: bytes) -> None:
    line = bundle(entry(PATIENT), entry(PROVENANCE))
    for at in range(len(name)):
        for form in (b"%s\\u%04x%s", b"%s\\u%04X%s"):
            escaped = form % (name[:at], name[at], name[at + 1 :])
            old, new = b'"%s"' % name, b'"%s"' % escaped
            assert sifted(line.replace(old, new)) == bundle(entry(PATIENT)).replace(old, new)
            assert sifted(PROVENANCE.replace(old, new)) == b""


REPEATED = {
    "entry, the last one is clean": b'{"resourceType":"Bundle","entry":[<P>],"entry":[<a>]}',
    "entry, the first one is clean": b'{"resourceType":"Bundle","entry":[<a>],"entry":[<P>]}',
    "entry, twice the same": b'{"resourceType":"Bundle","entry":[<P>],"entry":[<P>],"id":"b"}',
    "entry, twice the same, at the end": b'{"resourceType":"Bundle","entry":[<P>],"entry":[<P>]}',
    "entry, one escaped": b'{"resourceType":"Bundle","\\u0065ntry":[<P>],"entry":[<a>]}',
    "entry, the last one is empty": b'{"resourceType":"Bundle","entry":[<P>],"entry":[]}',
    "a number that begins alike": b'{"resourceType":"Bundle","total":12,"entry":[<P>],"total":1}',
    "resource, the last one is clean": b'{"resourceType":"Bundle","entry":[{"resource":<R>,"resource":<p>}]}',
    "resource, the first one is clean": b'{"resourceType":"Bundle","entry":[{"resource":<p>,"resource":<R>}]}',
    "resource, one escaped": b'{"resourceType":"Bundle","entry":[{"resource":<R>,"res\\u006furce":<p>}]}',
    "type, the last one is clean": b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Provenance",'
    b'"resourceType":"Patient"}}]}',
    "type, the first one is clean": b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient",'
    b'"resourceType":"Provenance"}}]}',
    "type of the line": b'{"resourceType":"Provenance","id":"x","resourceType":"Patient"}',
    "type of the line, the first one is clean": b'{"resourceType":"Patient","resourceType":"Provenance"}',
    "Bundle or not": b'{"resourceType":"Bundle","entry":[<P>],"resourceType":"List"}',
    "Bundle or not, no array": b'{"resourceType":"Bundle","entry":{"resource":<R>},"resourceType":"List"}',
}


@pytest.mark.parametrize("text", REPEATED.values(), ids=REPEATED.keys())
@pytest.mark.parametrize("type_", ["Provenance", "AuditEvent"])
def test_what_can_be_read_in_two_ways_is_refused(text: bytes, type_: str) -> None:
    parts = {b"<P>": entry(PROVENANCE), b"<a>": entry(PATIENT), b"<R>": PROVENANCE, b"<p>": PATIENT}
    for short, part in parts.items():
        text = text.replace(short, part)
    letters = [f"\\u{ord(one):04x}" for one in type_]
    for at in range(len(type_) + 1):  # with an escape for one letter, and without
        spelled = type_[:at] + "".join(letters[at : at + 1]) + type_[at + 1 :]
        line = text.replace(b'"Provenance"', b'"%s"' % spelled.encode())
        with pytest.raises(LineError, match="a member is repeated") as error:
            sifted(line, BundlePolicy(frozenset({type_})))
        assert "Secret" not in str(error.value)


def test_an_empty_array_hides_no_entries() -> None:
    with pytest.raises(LineError, match="a member is repeated"):
        sifted(b'{"resourceType":"Bundle","entry":[%s],"entry":[]}' % entry(PATIENT), SKIP)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (b"null", "entry is not an array"),
        (entry(PROVENANCE), "entry is not an array"),
        (b"[[%s]]" % entry(PROVENANCE), "entry is not an array of objects"),
        (b'[{"resource":[%s]}]' % PROVENANCE, "entry is not an array of objects with resources"),
        (b'[{"resource":{"id":"Secret"}}]', "entry is not an array of objects with resources"),
        (b'[{"resource":{"resourceType":" Provenance"}}]', "unknown resourceType of an entry"),
        (b'[{"resource":{"resourceType":"provenance"}}]', "unknown resourceType of an entry"),
        (b'[{"resource":{"resourceType":""}}]', "unknown resourceType of an entry"),
    ],
)
@pytest.mark.parametrize("policy", [DROP, SKIP])
def test_what_lenient_readers_might_take_for_an_entry_is_refused(
    entries: bytes, reason: str, policy: BundlePolicy
) -> None:
    with pytest.raises(LineError, match=f"not FHIR.*{reason}") as error:
        sifted(b'{"resourceType":"Bundle","entry":%s}' % entries, policy)
    assert "Secret" not in str(error.value)


# ---- drawn lines, against Python's own parser --------------------------------------------------------------------------


class Pairs(list[tuple[str, Any]]):
    """The members of an object, repeated ones too."""

    def all(self, name: str) -> list[Any]:
        return [value for key, value in self if key == name]

    def repeats(self) -> bool:
        return len({key for key, _ in self}) < len(self)


class Draw:
    """Draws lines and writes them with white space, escapes and repeated members of any kind."""

    def __init__(self, seed: int, *, repeating: bool) -> None:
        self.random = random.Random(seed)
        self.loose = self.random.random() < 0.7
        self.escaping = self.random.choice([0, 0, 0.02])
        self.repeating = 0.15 if repeating else 0.0

    def resource(self) -> Pairs:
        more: Pairs = Pairs(
            [
                ("id", 'a"\\,]}{[ü'),
                ("n", 12),
                ("note", "Provenance"),
                ("list", []),
                ("contained", [Pairs([("resourceType", "Provenance")])]),
            ]
        )
        kept = self.random.sample(more, self.random.randrange(len(more) + 1))
        name = self.random.choice(["Patient", "Provenance", "Task", "Observation"])
        return self.mixed([("resourceType", name), *kept])

    def entries(self) -> list[Pairs]:
        return [self.entry() for _ in range(self.random.choice([0, 1, 2, 3, 6]))]

    def entry(self) -> Pairs:
        members = [("fullUrl", "Provenance"), ("resource", self.resource())]
        return self.mixed(members[self.random.randrange(2) :] if self.random.random() < 0.9 else members[:1])

    def line(self) -> Pairs:
        if self.random.random() < 0.15:
            return self.resource()
        members: list[tuple[str, Any]] = [("resourceType", "Bundle"), ("entry", self.entries())]
        return self.mixed([*members[: self.random.choice([1, 2, 2, 2, 2])], ("id", "b"), ("total", 12)])

    def mixed(self, members: list[tuple[str, Any]]) -> Pairs:
        if self.random.random() < self.repeating:
            name, value = self.random.choice(members)
            others: dict[str, list[Any]] = {
                "resourceType": ["Patient", "Provenance", "Bundle", "List"],
                "entry": [[], self.entries()],
                "resource": [self.resource()],
                "total": [1],
            }
            members = [*members, (name, self.random.choice([value, *others.get(name, [])]))]
        return Pairs(self.random.sample(members, len(members)))

    def space(self) -> str:
        return self.random.choice(["", "", " ", "\t ", "  \t"]) if self.loose else ""

    def written(self, value: Any) -> str:
        space = self.space
        if isinstance(value, Pairs):
            inner = ",".join(
                f"{space()}{self.written(name)}{space()}:{space()}{self.written(one)}{space()}"
                for name, one in value
            )
            return f"{{{inner}}}"
        if isinstance(value, list):
            return f"[{','.join(space() + self.written(one) + space() for one in value) or space()}]"
        if isinstance(value, str):
            text = json.dumps(value, ensure_ascii=self.random.random() < 0.5)[1:-1]
            if text.isalpha():
                text = "".join(
                    f"\\u{ord(c):04x}" if self.random.random() < self.escaping else c for c in text
                )
            return f'"{text}"'
        return str(value)


def filtered(line: dict[str, Any], policy: BundlePolicy) -> dict[str, Any] | None:
    """What the policy leaves of a parsed line, None for nothing."""
    if line["resourceType"] in policy.drop:
        return None
    if line["resourceType"] != "Bundle":
        return line
    before = line.get("entry", [])
    left = [one for one in before if one.get("resource", {}).get("resourceType") not in policy.drop]
    if not left and policy.skip_empty:
        return None
    if not left and before:
        return {name: value for name, value in line.items() if name != "entry"}
    return {**line, "entry": left} if "entry" in line else line


@settings(max_examples=600, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([DROP, SKIP, BOTH, BundlePolicy(frozenset({"Provenance", "Task"}))]),
)
def test_dropping_is_to_parse_and_filter(seed: int, policy: BundlePolicy) -> None:
    draw = Draw(seed, repeating=False)
    text = draw.space() + draw.written(draw.line()) + draw.space()
    line = text.encode()
    one = Sieve(policy).sift(line)
    done = sifted(line, policy)
    before = json.loads(line)
    expected = filtered(before, policy)
    if expected is None:
        assert done == b"" and one.changed
    else:
        # order of members and entries counts
        assert json.dumps(json.loads(done)) == json.dumps(expected)
        assert one.changed == (done != line) == (expected != before)
    assert one.type == before["resourceType"]
    assert one.empty == (expected is None and before["resourceType"] == "Bundle")
    inside = [e.get("resource", {}).get("resourceType") for e in before.get("entry", [])]
    types = inside if before["resourceType"] == "Bundle" else [before["resourceType"]]
    counts = {name: types.count(name) for name in policy.drop if name in types}
    assert dict(one.dropped) == counts


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**32))
def test_no_reader_finds_what_was_dropped(seed: int) -> None:
    """Whichever of repeated members it takes; and nothing is refused that has none."""
    draw = Draw(seed, repeating=True)
    line = draw.written(draw.line()).encode()
    read = json.loads(line, object_pairs_hook=Pairs)
    entries = [one for value in read.all("entry") for one in value]
    resources = [resource for one in entries for resource in one.all("resource")]
    try:
        done = sifted(line)
    except LineError as error:
        assert "repeated" in str(error)
        assert any(one.repeats() for one in (read, *entries, *resources))
        return
    if not done:
        assert read.all("resourceType") == ["Provenance"]
        return
    left = json.loads(done, object_pairs_hook=Pairs)
    assert "Provenance" not in left.all("resourceType")
    if "Bundle" in left.all("resourceType"):
        inside = [one for value in left.all("entry") for one in value]
        types = [kind for one in inside for r in one.all("resource") for kind in r.all("resourceType")]
        assert "Provenance" not in types
