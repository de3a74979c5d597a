"""dimpflow.crtdl.enrichment: what rules add to a CRTDL document (aether.md 1.8, Enrichment)."""

import copy
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtdl_documents import CONDITION, MII, PATIENT, attribute, document, group
from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.enrichment import ADDED, Enriched, enrich, parse_enrichments
from dimpflow.crtdl.reading import Crtdl, parse_crtdl
from dimpflow.errors import ConfigError
from shared import SHARED

KEY = "services.crtdl_preprocessing.enrichments"
PERSON, DIAGNOSIS = PATIENT["groupReference"], CONDITION["groupReference"]
ENCOUNTER = MII + "modul-fall/StructureDefinition/KontaktGesundheitseinrichtung"
Json = dict[str, Any]


def read(content: Any) -> Crtdl:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse_crtdl(raw, Path("cohort.json"))


def rule(profile: str, *attributes: Any, **more: Any) -> Json:
    """A rule; an attribute that is a text is its attributeRef."""
    listed = [{"attributeRef": one} if isinstance(one, str) else one for one in attributes]
    return {"groupReference": profile, "attributes": listed, **more}


def enriched(content: Any, *rules: Json) -> Enriched:
    """The result, after a look at what every result has to be."""
    crtdl, parsed = read(content), parse_enrichments(list(rules), KEY)
    kept = copy.deepcopy(crtdl.document)
    found = enrich(crtdl, parsed)
    assert crtdl.document == kept, "the input is not changed"
    assert json.loads(found.crtdl.raw) == found.crtdl.document
    again = enrich(found.crtdl, parsed)
    assert again.crtdl.raw == found.crtdl.raw, "to enrich it again changes nothing"
    return found


def groups(found: Enriched) -> list[Json]:
    listed: list[Json] = found.crtdl.document["dataExtraction"]["attributeGroups"]
    return listed


def test_a_new_attribute() -> None:
    found = enriched(document(), rule(DIAGNOSIS, "Condition.note"))
    assert groups(found) == [
        PATIENT,
        {**CONDITION, "attributes": [*CONDITION["attributes"], attribute("Condition.note")]},
    ]
    assert found.notes == ()


def test_an_attribute_that_is_there() -> None:
    content = document(PATIENT, group("c", DIAGNOSIS, attribute("Condition.code")))
    assert (
        groups(enriched(content, rule(DIAGNOSIS, "Condition.code")))[1]
        == content["dataExtraction"]["attributeGroups"][1]
    )
    must = {"attributeRef": "Condition.code", "mustHave": True}
    assert groups(enriched(content, rule(DIAGNOSIS, must)))[1]["attributes"] == [
        attribute("Condition.code", True)
    ]
    never_taken_back = {**must, "mustHave": False}
    assert groups(enriched(document(), rule(DIAGNOSIS, never_taken_back)))[1] == CONDITION


def test_a_new_attribute_is_never_must_have() -> None:
    must = {"attributeRef": "Condition.note", "mustHave": True}
    expected = {"attributeRef": "Condition.note", "mustHave": False, ADDED: True}
    one = enriched(document(), rule(DIAGNOSIS, must))
    assert groups(one)[1]["attributes"][1] == expected
    (note,) = one.notes
    assert note.startswith(f'{KEY}[0].attributes[0]: "Condition.note" is new') and "not made mustHave" in note
    for rules in itertools.permutations([rule(DIAGNOSIS, must), rule(DIAGNOSIS, "Condition.note")]):
        assert groups(enriched(document(), *rules))[1]["attributes"][1] == expected
    assert check_crtdl(one.crtdl, Settings(schema="error")) == [], "the mark is allowed"


def test_every_group_of_the_profile() -> None:
    content = document(
        PATIENT, CONDITION, {**CONDITION, "id": "b", "name": "b"}, group("o", "https://a.example/o")
    )
    found = groups(enriched(content, rule(DIAGNOSIS, "Condition.note")))
    assert [len(one["attributes"]) for one in found] == [1, 2, 2, 0]


@pytest.mark.parametrize(
    ("reference", "profile", "same"),
    [("{}|1.0", "{}", True), ("{}|1.0", "{}|1.0", True), ("{}", "{}|1.0", False), ("{}|2.0", "{}|1.0", False), ("{}x", "{}", False)],
)  # fmt: skip
def test_versions_of_profiles(reference: str, profile: str, same: bool) -> None:
    content = document(PATIENT, group("c", reference.format(DIAGNOSIS)))
    found = enriched(content, rule(profile.format(DIAGNOSIS), "Condition.note"))
    assert bool(groups(found)[1]["attributes"]) == same and bool(found.notes) != same


def test_no_group_of_the_profile() -> None:
    content = document()
    found = enriched(content, rule(ENCOUNTER, "Encounter.status"))
    assert found.crtdl.raw == json.dumps(content).encode(), "the very bytes"
    (note,) = found.notes
    assert note.startswith(f"{KEY}[0]: left out, no group has the profile") and "createIfMissing" in note


def test_a_group_on_request() -> None:
    wanted = rule(ENCOUNTER, "Encounter.status", createIfMissing=True)
    id_ = "generated-" + hashlib.sha256(ENCOUNTER.encode()).hexdigest()[:8]
    found = enriched(document(), wanted)
    made = group(id_, ENCOUNTER, attribute("Encounter.status"))
    assert groups(found) == [PATIENT, CONDITION, {**made, "name": "KontaktGesundheitseinrichtung"}]
    assert check_crtdl(found.crtdl, Settings(schema="error")) == [] and found.notes == ()
    assert groups(enriched(document(), {**wanted, "groupName": "visits"}))[2]["name"] == "visits"
    again = enriched(document(), wanted, rule(ENCOUNTER, "Encounter.class", createIfMissing=True))
    assert [one["attributeRef"] for one in groups(again)[2]["attributes"]] == [
        "Encounter.status",
        "Encounter.class",
    ]


def test_a_group_on_request_serves_earlier_rules_too() -> None:
    rules = [rule(ENCOUNTER, "Encounter.class"), rule(ENCOUNTER, "Encounter.status", createIfMissing=True)]
    found = enriched(document(), *rules)
    assert [one["attributeRef"] for one in groups(found)[2]["attributes"]] == [
        "Encounter.class",
        "Encounter.status",
    ]
    assert found.notes == ()


def test_names_and_ids_that_are_taken() -> None:
    digest = hashlib.sha256(ENCOUNTER.encode()).hexdigest()
    named = {**CONDITION, "id": f"generated-{digest[:8]}", "name": "kontakt gesundheitseinrichtung"}
    other = "https://a.example/Kontakt-Gesundheitseinrichtung|1.0"
    wanted = [rule(url, "Encounter.status", createIfMissing=True) for url in (ENCOUNTER, other)]
    made = groups(enriched(document(PATIENT, named), *wanted))[2:]
    assert made[0]["id"] == f"generated-{digest[:9]}"
    assert [one["name"] for one in made] == [
        "KontaktGesundheitseinrichtung",
        "Kontakt-Gesundheitseinrichtung 2",
    ]


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("https://a.example/x/|2", "x"),
        ("urn:oid:1.2", "urn:oid:1.2"),
        ("https://a.example/" + "x" * 70, "x" * 64),
    ],
)
def test_names_from_profiles(profile: str, name: str) -> None:
    found = enriched(document(), rule(profile, "Encounter.status", createIfMissing=True))
    assert groups(found)[2]["name"] == name


LINKING = rule(DIAGNOSIS, {"attributeRef": "Condition.encounter", "linkedGroups": [ENCOUNTER]})
MAKING = rule(ENCOUNTER, "Encounter.status", createIfMissing=True)


def test_links_whatever_the_order_of_rules() -> None:
    for rules in ([LINKING, MAKING], [MAKING, LINKING]):
        found = enriched(document(), *rules)
        made = groups(found)[2]["id"]
        assert groups(found)[1]["attributes"][1] == attribute("Condition.encounter", False, made)
        assert check_crtdl(found.crtdl, Settings(schema="error")) == []


def test_links_are_added_to_those_that_are_there() -> None:
    linked = group("c", DIAGNOSIS, attribute("Condition.encounter", True, "a"))
    visits = [group(id_, ENCOUNTER, attribute("Encounter.status")) for id_ in ("a", "b", "")]
    found = enriched(document(PATIENT, linked, *visits), LINKING)
    assert groups(found)[1]["attributes"] == [attribute("Condition.encounter", True, "a", "b")]


def test_links_that_lead_nowhere() -> None:
    two = rule(
        DIAGNOSIS, {"attributeRef": "Condition.asserter", "linkedGroups": [PERSON, "https://a.example/p"]}
    )
    with pytest.raises(ConfigError) as caught:
        enriched(document(), LINKING, two)
    first, second = str(caught.value).split("\n")
    assert first.startswith(f'{KEY}[0].attributes[0].linkedGroups[0]: no group has the profile "{ENCOUNTER}"')
    assert second.startswith(
        f'{KEY}[1].attributes[0].linkedGroups[1]: no group has the profile "https://a.example/p"'
    )
    assert enriched(document(PATIENT), LINKING).notes, "links of a rule that is left out are not looked for"


def ordered(raw: str | bytes) -> Any:
    """JSON with the order of keys and the digits of numbers."""
    return json.loads(raw, object_pairs_hook=list, parse_int="int {}".format, parse_float="float {}".format)


def test_the_rest_stays_as_it_is() -> None:
    numbers = '"unknown": {"b": 1.10, "a": [1E5, -0, 1e400, "1", ' + "9" * 500 + "]}"
    texts = r'"zz": ["\ud800", "\u00fc", "ü", "\u2028", "a\/b\n", null, true, {}, []]'
    text = json.dumps(document(), indent=2).replace('"id": "condition"', numbers + ', "id": "condition"')
    text = text.replace('"version": "1"', texts + ', "version": "1"')
    found = enriched(text.encode(), rule(DIAGNOSIS, "Condition.note"))
    new = '"mustHave": true}, {"attributeRef": "Condition.note", "mustHave": false}'
    expected = re.sub(r'"mustHave": true\s*}', new, text)
    assert ordered(found.crtdl.raw) == ordered(expected) != ordered(text)
    assert numbers.replace(" ", "").encode() in found.crtdl.raw
    assert b"\\ud800" in found.crtdl.raw and b"\n" not in found.crtdl.raw


def test_nothing_to_do_gives_the_same_bytes() -> None:
    raw = json.dumps(document(), indent=4).encode()
    assert enrich(read(raw), ()) == Enriched(read(raw), ())
    assert enriched(raw, rule(DIAGNOSIS, "Condition.code")).crtdl.raw == raw


def broken(place: str, value: Any) -> Json:
    """The document without faults, with another value in its second group or in that group's attribute."""
    found = document()
    one = found["dataExtraction"]["attributeGroups"][1]
    (one if place in one else one["attributes"][0])[place] = value
    return found


@pytest.mark.parametrize(
    "content",
    [
        {}, {"dataExtraction": []}, {"dataExtraction": {"attributeGroups": {}}},
        b'{"dataExtraction": {"attributeGroups": [], "attributeGroups": []}}',
        broken("attributes", None), broken("attributes", {}), broken("groupReference", 1), broken("groupReference", None),
    ],
)  # fmt: skip
def test_documents_that_cannot_be_enriched(content: Any) -> None:
    found = enriched(content, rule(DIAGNOSIS, "Condition.note"))
    assert found.crtdl == read(content) and len(found.notes) == 1
    assert any(finding.level == "error" for finding in check_crtdl(found.crtdl, Settings()))


def test_attributes_of_a_wrong_shape_are_left_alone() -> None:
    for strange in (None, 1, "Condition.note", [], {"attributeRef": 1}):
        found = enriched(broken("attributes", [strange]), rule(DIAGNOSIS, "Condition.note"))
        assert groups(found)[1]["attributes"] == [strange, attribute("Condition.note")]
    linked = {"attributeRef": "Condition.code", "linkedGroups": [PERSON]}
    assert (
        groups(enriched(broken("linkedGroups", "a"), rule(DIAGNOSIS, linked)))[1]["attributes"][0][
            "linkedGroups"
        ]
        == "a"
    )
    assert groups(enriched(broken("linkedGroups", None), rule(DIAGNOSIS, linked)))[1]["attributes"][0][
        "linkedGroups"
    ] == ["patient"]


PROFILES = st.sampled_from([PERSON, DIAGNOSIS, ENCOUNTER, "https://a.example/x|1"])
ATTRIBUTES = st.fixed_dictionaries(
    {"attributeRef": st.sampled_from(["Condition.code", "Condition.note", "Patient.identifier"]), "mustHave": st.booleans()},
    optional={"linkedGroups": st.lists(PROFILES, max_size=2)},
)  # fmt: skip
RULES = st.lists(
    st.fixed_dictionaries(
        {"groupReference": PROFILES, "attributes": st.lists(ATTRIBUTES, min_size=1, max_size=3), "createIfMissing": st.booleans()}
    ),
    max_size=4,
)  # fmt: skip


@given(RULES, st.randoms())
def test_any_rules_in_any_order(rules: list[Json], random_: Any) -> None:
    try:
        one = enriched(document(), *rules)
    except ConfigError as error:
        assert all("no group has the profile" in line for line in str(error).split("\n"))
        return
    before, after = document()["dataExtraction"]["attributeGroups"], groups(one)
    assert [g["id"] for g in after[:2]] == [g["id"] for g in before], "groups stay where they are"
    for old, new in zip(before, after[:2], strict=True):
        kept = [
            {**a, "mustHave": n["mustHave"]}
            for a, n in zip(old["attributes"], new["attributes"], strict=False)
        ]
        assert [
            {k: n[k] for k in ("attributeRef", "mustHave")} for n in new["attributes"][: len(kept)]
        ] == kept
        assert not any(a["mustHave"] for a in new["attributes"][len(kept) :])
    shuffled = random_.sample(rules, len(rules))
    assert sets(groups(enriched(document(), *shuffled))) == sets(after)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
GROUP_PLACES = ["id", "name", "groupReference", "attributes", "attributeRef", "mustHave", "linkedGroups"]


@given(st.sampled_from(GROUP_PLACES), JSON)
def test_whatever_the_document_holds(place: str, value: Any) -> None:
    content = broken(place, value)
    try:
        found = enriched(content, MAKING, LINKING)
    except ConfigError:
        raise AssertionError("the group to link to is made") from None
    assert len(groups(found)) == 3 and groups(found)[0] == PATIENT
    if not isinstance(value, list) or place not in ("attributes", "linkedGroups"):
        old = content["dataExtraction"]["attributeGroups"][1]
        holder = groups(found)[1] if place in old else groups(found)[1]["attributes"][0]
        assert holder[place] == value


def sets(found: list[Json]) -> Any:
    """What is in the groups, without any order; names depend on it by their numbers."""
    return {
        g["id"]: {
            a["attributeRef"]: (a["mustHave"], ADDED in a, frozenset(a.get("linkedGroups", ())))
            for a in g["attributes"]
        }
        for g in found
    }


DOCUMENTS = sorted((SHARED / "data" / "crtdl" / "torch-accepts").glob("*.json"))


@pytest.mark.parametrize("file", DOCUMENTS or [None], ids=lambda file: file.stem if file else "none")
def test_documents_of_others(file: Path | None) -> None:
    if file is None:
        pytest.skip("needs third-party data in shared/ beside the project")
    raw = file.read_bytes()
    profile = next(
        g["groupReference"]
        for g in json.loads(raw)["dataExtraction"]["attributeGroups"]
        if "atient" in g["groupReference"]
    )
    found = enriched(raw, rule(profile, "Patient.identifier"))
    assert found.crtdl.raw.count(b'"Patient.identifier"') == 1 and found.notes == ()
    codes = [{f.code for f in check_crtdl(one, Settings(schema="off"))} for one in (read(raw), found.crtdl)]
    assert codes[0] - codes[1] == {"no-identifier"} and codes[1] <= codes[0]
