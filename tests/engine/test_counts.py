"""What the engine counts: by rule, by type of the nearest resource, by path; the same by walk and by tree, however lines are dealt."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from both_ways import engines
from drawing import RandomChooser
from rules import engine, rule, rule_set
from test_drawn_cases import answer, case, double, loads, terms
from test_drawn_cases import engines as both

from dimpflow.engine.engine import Engine, RuleCount
from dimpflow.errors import RuleSetError
from dimpflow.ruleset.rules import RuleSet
from generate import Shape, generate

Json = dict[str, Any]
Sums = dict[tuple[int, str], Counter[str]]
CASES = 40
RESOURCES = 6


def sums(counts: Iterable[RuleCount], into: Sums | None = None) -> Sums:
    """All numbers by rule and path; those of other calls are added."""
    found: Sums = defaultdict(Counter) if into is None else into
    for count in counts:
        for path, numbers in count.places.items():
            found[count.rule, path].update(numbers)
        for path, number in count.within.items():
            found[count.rule, path]["within"] += number
    return found


def checked(counts: list[RuleCount]) -> list[RuleCount]:
    for count in counts:
        assert count.matched == sum(one["matched"] for one in count.places.values())
        assert count.changed == sum(one["changed"] for one in count.places.values())
        assert all(0 <= one["changed"] <= one["matched"] > 0 for one in count.places.values())
        assert all(number > 0 for number in count.within.values())
    return counts


def drawn_rule_sets(seed: int) -> Iterator[tuple[list[bytes], RuleSet]]:
    """Drawn resources with drawn rules, compat and strict."""
    lines, drawn, parameters = case(RandomChooser(seed), RESOURCES)
    yield lines, rule_set(drawn, parameters)
    usable = [one for one in drawn if loads([one], parameters)]
    try:
        yield lines, rule_set(usable, parameters, strict=True, unmatched="redact")
    except RuleSetError:
        return


@pytest.mark.parametrize("batch", range(4))
def test_walk_and_tree_count_the_same_and_refused_lines_not_at_all(batch: int) -> None:
    taken = within = refused = 0
    for number in range(CASES // 4):
        for lines, rules in drawn_rule_sets(5_000_000 + batch * 1000 + number):
            walk, tree = both(rules)
            for line in lines:
                done = [answer(lambda: machine.deidentify(line)) for machine in (walk, tree)]  # noqa: B023
                counts = [checked(machine.take_counts()) for machine in (walk, tree)]
                assert counts[0] == counts[1], line
                taken += sum(count.matched for count in counts[0])
                within += sum(len(count.within) for count in counts[0])
                if done[0] is None:
                    refused += 1
                    assert not sums(counts[0])
    assert taken > 50 and within > 5 and refused > 1


def test_counts_do_not_depend_on_how_lines_are_dealt() -> None:
    """One engine over all lines, forward and backward, and one for each line: which model a line is read by depends on those before."""
    for number in range(CASES // 8):
        for lines, rules in drawn_rule_sets(6_000_000 + number):
            lines = lines * 2
            machines = [Engine(rules, pseudonyms=double, terms=terms) for _ in range(2)]
            for machine, order in zip(machines, (lines, lines[::-1]), strict=True):
                for line in order:
                    answer(lambda: machine.deidentify(line))  # noqa: B023
            alone: Sums = defaultdict(Counter)
            for line in lines:
                machine = Engine(rules, pseudonyms=double, terms=terms)
                answer(lambda: machine.deidentify(line))  # noqa: B023
                sums(machine.take_counts(), alone)
            assert sums(machines[0].take_counts()) == sums(machines[1].take_counts()) == alone


# ---- beside a naive count --------------------------------------------------------------------------------------------

RULES = (
    rule("Patient.name.given", "cryptoHash"),
    rule("nodesByType('HumanName')", "redact"),
    rule("nodesByType('Reference').reference", "cryptoHash"),
    rule("Patient.birthDate", "generalize", cases={"$this": "$this.toString().substring(0,4)"}),
    rule("Observation.code", "keep"),
    rule("Patient.address", "remove"),
    rule("Resource.id", "cryptoHash"),
)
NAMES = {"Patient": ("name", "contact.name"), "Practitioner": ("name",), "RelatedPerson": ("name",)}


def nodes(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every element below a resource, with its path; what is in an array counts one by one."""
    for name, value in node.items():
        if name == "resourceType":
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and "resourceType" in one:
                yield one["resourceType"], one
                yield from nodes(one, one["resourceType"])
                continue
            yield f"{path}.{name}", one
            if isinstance(one, dict):
                yield from nodes(one, f"{path}.{name}")


def naive(lines: Iterable[bytes]) -> Sums:
    """What RULES match and change, looked up in the JSON by hand."""
    found: Sums = defaultdict(Counter)
    for line in lines:
        resource = json.loads(line)
        type_ = resource["resourceType"]
        for path, value in [(type_, resource), *nodes(resource, type_)]:
            kind, _, rest = path.partition(".")
            if path == "Patient.name.given":
                found[1, path].update(matched=1, changed=1)
            elif rest in NAMES.get(kind, ()):
                # of a patient's name the given names are taken before: redacted is what else it has
                changed = path != "Patient.name" or bool(value.keys() - {"given"})
                found[2, path].update(matched=1, changed=int(changed))
            elif rest.rpartition(".")[2] == "reference" and isinstance(value, str):
                found[3, path].update(matched=1, changed=1)
            elif path == "Patient.birthDate":
                found[4, path].update(matched=1, changed=int(len(value) > 4))
            elif path == "Observation.code":
                found[5, path].update(matched=1, changed=0)
            elif path == "Patient.address":
                found[6, path].update(matched=1, changed=1)
            elif rest == "id":
                found[7, path].update(matched=1, changed=1)
    return found


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_counts_are_those_of_a_naive_count(shape: Shape, tmp_path: Path) -> None:
    """Resources one a line, and Bundles; more of the lines are read by the full model where they have extensions."""
    generate(tmp_path / "in", 12, seed=3, shape=shape)
    lines = [
        line for path in sorted((tmp_path / "in").glob("*.ndjson")) for line in path.read_bytes().splitlines()
    ]
    wanted = naive(lines)
    assert len(wanted) > 20 and len({rule for rule, _ in wanted}) == len(RULES)
    for machine in engines(*RULES):
        for line in lines:
            machine.deidentify(line)
        assert sums(checked(machine.take_counts())) == wanted
        assert not sums(machine.take_counts())


def places(
    resource: Mapping[str, Any], *rules: Mapping[str, Any], **settings: Any
) -> list[tuple[Json, Json]]:
    """Places (as pairs) and parts of whole resources, by rule; both ways agree."""
    found = []
    for machine in engines(*rules, **settings):
        machine.deidentify(json.dumps(resource).encode())
        counts = checked(machine.take_counts())
        pairs = [{path: (n["matched"], n["changed"]) for path, n in count.places.items()} for count in counts]
        found.append(list(zip(pairs, [count.within for count in counts], strict=True)))
    assert found[0] == found[1]
    return found[0]


def test_what_stands_in_a_bundle_or_is_contained_counts_under_its_own_type() -> None:
    observation = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/1", "display": "x"},
        "contained": [{"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}],
    }
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": observation},
            {"resource": {"resourceType": "Patient", "name": [{"text": "C"}]}},
        ],
    }
    [(names, _), (displays, _)] = places(
        bundle, rule("Patient.name", "redact"), rule("nodesByType('Reference').display", "redact")
    )
    assert names == {"Patient.name": (3, 3)}
    assert displays == {"Observation.subject.display": (1, 1)}


def test_of_whole_resources_the_changed_elements_are_told_and_those_of_nested_ones_are_theirs() -> None:
    """The Bundle itself has lost its type only, though the same rule empties what is in it."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "a", "name": [{"family": "A"}, {"family": "B"}], "gender": "male"}},
            {"fullUrl": "urn:x", "resource": {"resourceType": "Basic", "id": "b"}},
        ],
    }  # fmt: skip
    keep = rule("Bundle.type", "keep")
    [(ids, _), (whole, within)] = places(bundle, rule("Resource.id", "keep"), rule("Resource", "redact"))
    assert ids == {"Basic.id": (1, 0), "Patient.id": (1, 0)}
    assert whole == {"Bundle": (1, 1), "Patient": (1, 1), "Basic": (1, 0)}
    assert within == {"Bundle.type": 1, "Bundle.entry": 1, "Patient.name": 2, "Patient.gender": 1}
    del bundle["entry"][1]["fullUrl"]  # type: ignore[attr-defined]
    # what is in a name is worked on further down, one by one
    one_by_one = rule("Patient.name.use", "keep")
    *_, (whole, within) = places(bundle, keep, one_by_one, rule("Resource", "redact"))
    assert whole["Bundle"] == (1, 0) and within["Patient.name"] == 2
    assert not [path for path in within if path.startswith("Bundle")]


def test_a_value_that_stays_as_it_was_is_matched_only() -> None:
    year = rule("Patient.birthDate", "generalize", cases={"$this": "$this.toString().substring(0,4)"})
    assert places({"resourceType": "Patient", "birthDate": "1970"}, year) == [
        ({"Patient.birthDate": (1, 0)}, {})
    ]
    assert places({"resourceType": "Patient", "birthDate": "1970-01"}, year) == [
        ({"Patient.birthDate": (1, 1)}, {})
    ]


def test_what_stands_beside_a_value_belongs_to_it() -> None:
    """A primitive is one element, whether it has a value, something beside it, or both."""
    extension = {"extension": [{"url": "http://x", "valueString": "v"}]}
    patient = {
        "resourceType": "Patient",
        "birthDate": "1970",
        "_birthDate": extension,
        "name": [
            {"given": ["a", None], "_given": [extension, extension], "_family": extension},
            {"_given": [extension, extension, extension]},
        ],
    }
    values = [
        rule("Patient.birthDate", "remove"),
        rule("Patient.name.given", "redact"),
        rule("Patient.name.family", "redact"),
    ]
    found = places(patient, *values)
    assert [one for one, _ in found] == [
        {"Patient.birthDate": (1, 1)}, {"Patient.name.given": (5, 5)}, {"Patient.name.family": (1, 1)},
    ]  # fmt: skip
    [(extensions, _)] = places(patient, rule("nodesByType('Extension')", "remove"))
    assert extensions == {
        "Patient._birthDate.extension": (1, 1),
        "Patient.name._given.extension": (5, 5),
        "Patient.name._family.extension": (1, 1),
    }


def test_below_an_element_that_a_rule_took_it_takes_none_again() -> None:
    name = {"family": "A", "extension": [{"url": "http://x", "valueHumanName": {"family": "B"}}]}
    [(names, _)] = places(
        {"resourceType": "Patient", "name": [name]}, rule("nodesByType('HumanName')", "redact")
    )
    assert names == {"Patient.name": (1, 1)}
    nested = {"resourceType": "Bundle", "entry": [{"link": [{"relation": "self", "url": "http://x"}], "request": {"method": "GET", "url": "x"}}]}  # fmt: skip
    [(parts, _)] = places(nested, rule("nodesByType('BackboneElement')", "redact"))
    assert sum(matched for matched, _ in parts.values()) == len(nested["entry"])


def test_a_line_that_only_lenient_reading_takes_counts_once() -> None:
    """It is walked, fails, and is walked again as the FHIR Pseudonymizer's parser would read it."""
    line = b'{"resourceType":"Patient","name":{"family":"A"},"birthDate":"1970-01-01","nickname":"x"}'
    for machine in engines(rule("nodesByType('HumanName')", "redact"), strict=False):
        done = answer(lambda: machine.deidentify(line))  # noqa: B023
        counts = sums(machine.take_counts())
        assert done is None and not counts
    line = b'{"resourceType":"Patient","name":{"family":"A"}}'
    for machine in engines(rule("nodesByType('HumanName')", "redact")):
        machine.deidentify(line)
        assert sums(machine.take_counts()) == {(1, "Patient.name"): Counter(matched=1, changed=1)}


def test_a_failed_resource_takes_back_its_own_counts_only() -> None:
    machine = engine(
        rule("Patient.name", "redact"), rule("nodesByType('Reference').reference", "pseudonymize")
    )
    good = {
        "resourceType": "Patient",
        "name": [{"family": "A"}],
        "managingOrganization": {"reference": "Organization/2"},
    }
    bad = {**good, "managingOrganization": {"reference": "#x"}}
    for resource in (good, bad, good, bad):
        answer(lambda: machine.deidentify(json.dumps(resource).encode()))  # noqa: B023
    assert sums(machine.take_counts()) == {
        (1, "Patient.name"): Counter(matched=2, changed=2),
        (2, "Patient.managingOrganization.reference"): Counter(matched=2, changed=2),
    }


def test_what_was_counted_before_a_type_is_left_to_the_tree_is_not_lost() -> None:
    """A rule of the outer resource reaches into a nested one whose own rules need the tree: that shows only when such a one comes."""
    rules = [
        rule("Bundle.type", "redact"),
        rule("Bundle.entry.resource.language", "redact"),
        rule("Patient.name.first().given", "redact"),
    ]
    plain = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x"}]}
    nested = {
        **plain,
        "entry": [{"resource": {"resourceType": "Patient", "name": [{"given": ["a"]}, {"given": ["b"]}]}}],
    }
    for machine in engines(*rules):
        for resource in (plain, plain, nested, plain):
            machine.deidentify(json.dumps(resource).encode())
        assert machine.take_resources() == {"Bundle": 4}
        counts = sums(checked(machine.take_counts()))
        assert counts[1, "Bundle.type"] == Counter(matched=4, changed=4)
