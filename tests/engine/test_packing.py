"""Which rule sets let single resources travel in a Bundle, and that their answers are then the same as alone.

The engine in compat mode stands in for the service. DIMP_CASES says how many rule lists are drawn.
"""

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from drawing import ALL_TYPES, USUAL_TYPES, Chooser, RandomChooser, resource, to_json
from drawing_rules import parameters, rules
from rules import TODAY, rule, rule_set

from dimpflow.engine.engine import Engine
from dimpflow.engine.packing import why_not_packed
from dimpflow.errors import LineError
from dimpflow.fhir.lenient import normalised
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet
from generate import generate
from shared import SHARED, needs_shared

CASES = int(os.environ.get("DIMP_CASES", "240"))
SEED = int(os.environ.get("DIMP_SEED", "1"))
BATCHES = 4
"""Parts of the random test, so that several cores can share it."""
PROJECT = Path(__file__).parents[2]
HOLDERS = ("Bundle", "Parameters")
"""Resources that always travel alone."""


def reason(*paths: str, method: str = "redact", given: dict[str, Any] | None = None, **settings: Any) -> str:
    return why_not_packed(rule_set([rule(path, method, **settings) for path in paths], given))


# ---- rule sets in use ------------------------------------------------------------------------------------------------


def loaded(path: Path) -> RuleSet:
    options = Options(reference_date=TODAY)
    return load_rule_set(path, {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}, options)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tests/rulesets/minimal.yaml", ""),
        ("tests/rulesets/mii-like.yaml", ""),
        ("tests/rulesets/general.yaml", "shifts dates by the id of the outermost resource"),
        ("tests/rulesets/hipaa-like.yaml", "shifts dates by the id of the outermost resource"),
        ("config/rulesets/default.yaml", ""),
        ("config/rulesets/redact-all.yaml", ""),
    ],
)
def test_our_rule_sets(file: str, expected: str) -> None:
    found = why_not_packed(loaded(PROJECT / file))
    assert (expected in found) if expected else not found


@needs_shared
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("rulesets/mii-dup-base.yaml", ""),
        ("de-identify/configs/conditional-crypthohash-url.yaml", ""),
        ("de-identify/configs/pseudonymization.yaml", ""),
        ("de-identify/configs/remove-encounter-entries.yaml", "may take entries out of a Bundle"),
    ],
)
def test_rule_sets_of_others(file: str, expected: str) -> None:
    found = why_not_packed(loaded(SHARED / "conformance" / file))
    assert (expected in found) if expected else not found


@pytest.mark.parametrize("name", ["general.yaml", "hipaa-like.yaml"])
def test_a_fixed_offset_makes_them_packable(name: str) -> None:
    fixed = Options(reference_date=TODAY, settings={"dateShiftFixedOffsetInDays": "3"})
    assert why_not_packed(load_rule_set(PROJECT / "tests/rulesets" / name, {}, fixed)) == ""


# ---- single rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("Resource.id", "cryptoHash"),
        ("Resource", "redact"),
        ("DomainResource", "keep"),
        ("nodesByType('Reference').reference", "cryptoHash"),
        ("nodesByType('date') | nodesByType('dateTime')", "redact"),
        ("nodesByType('Patient').name", "redact"),
        ("Patient.descendants()", "redact"),
        ("Patient.contained", "remove"),
        ("Patient.children().where($this is HumanName)", "remove"),
        ("Bundle.entry", "redact"),
        ("Bundle.entry.fullUrl", "cryptoHash"),
        ("Bundle.entry.response.outcome", "redact"),
        ("Bundle.entry.where(request.method = 'DELETE')", "remove"),
        ("Bundle.entry.where(request.url.startsWith('Task/')).resource.id", "keep"),
        ("Bundle.entry.where(link.exists() and resource is Patient).resource", "redact"),
        ("Bundle.type", "redact"),
        ("nodesByName('value')", "cryptoHash"),
        ("iif(Patient.deceased.exists(), Patient.address, Patient.name)", "redact"),
        ("Patient.select(name | address)", "remove"),
        ("nodesByType('BackboneElement')", "redact"),
    ],
)
def test_rules_that_let_pack(path: str, method: str) -> None:
    assert reason(path, method=method) == ""


REACHES = "reaches from a Bundle into the resources of its entries"
ENTRIES = "may take entries out of a Bundle"
ITSELF = "takes a resource as a whole"
TYPE = "may change Bundle.type"
NAMED = "asks for nodes of the name"


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("Bundle.entry.resource", "redact", REACHES),
        ("Bundle.entry.resource.id", "keep", REACHES),
        ("Bundle.entry.where(resource is Task).resource.id", "keep", REACHES),
        ("Bundle.entry.first().resource.name", "redact", REACHES),
        ("Bundle.entry[0].resource.name", "redact", REACHES),
        ("Bundle.entry.select(iif(resource is Task, resource, link))", "redact", REACHES),
        ("Bundle.entry.children()", "redact", REACHES),
        ("Bundle.descendants()", "redact", REACHES),
        ("Resource.descendants()", "redact", REACHES),
        ("descendants().ofType(HumanName)", "keep", REACHES),
        ("entry.resource | Patient.name", "redact", REACHES),
        ("nodesByType('BackboneElement').resource", "redact", REACHES),
        ("nodesByName('entry').resource.nodesByType('HumanName')", "redact", REACHES),
        ("children().children().children()", "keep", REACHES),
        ("Bundle.entry.where((request.exists()).not()).resource", "redact", REACHES),
        ("Bundle.entry.where(request.empty()).resource", "redact", REACHES),
        ("DomainResource.entry.resource", "keep", REACHES),
        ("Bundle.entry.resource.ofType(Patient)", "redact", REACHES),
        ("nodesByType('BackboneElement').resource.Patient.name", "redact", REACHES),
        ("Bundle.entry", "remove", ENTRIES),
        ("Bundle", "remove", ENTRIES),
        ("nodesByType('BackboneElement')", "remove", ENTRIES),
        ("nodesByName('entry')", "remove", ENTRIES),
        ("children()", "remove", ENTRIES),
        ("Bundle.entry.where(resource is Encounter)", "remove", ENTRIES),
        ("Bundle.where(type = 'collection')", "remove", ENTRIES),
        ("Resource", "remove", ENTRIES),
        ("Patient", "remove", ITSELF),
        ("Patient.where(active = false)", "remove", ITSELF),
        ("nodesByType('Patient')", "remove", ITSELF),
        ("Observation.select($this)", "remove", ITSELF),
        ("Bundle.type", "cryptoHash", TYPE),
        ("nodesByType('code')", "pseudonymize", TYPE),
        ("Resource", "cryptoHash", TYPE),
        ("Bundle.children().where($this is code)", "cryptoHash", TYPE),
        ("nodesByName('resource')", "redact", NAMED + " resource, which a resource itself has only in a Bundle"),
        ("Patient.where(nodesByName('Patient').exists()).name", "redact", NAMED + " Patient, which a resource itself has only alone"),
        ("(Patient.name | entry.count())", "redact", "may give a value that is no element"),
    ],
)  # fmt: skip
def test_rules_that_do_not(path: str, method: str, expected: str) -> None:
    found = reason(path, method=method)
    assert found.startswith(f"rule 1 ({path}) ") and expected in found and "\n" not in found


def test_substitution_of_what_entries_are_part_of() -> None:
    assert ENTRIES in reason("Bundle", method="substitute", replaceWith='{"type":"batch"}')
    assert ENTRIES in reason("Bundle.entry", method="substitute", replaceWith="{}")
    assert ITSELF in reason("Patient", method="substitute", replaceWith="{}")
    assert reason("Patient.name", method="substitute", replaceWith="{}") == ""


def test_dates_shifted_by_the_outermost_id() -> None:
    key = {"dateShiftKey": "dummy"}
    assert "outermost" in reason("Patient.birthDate", method="dateshift", given=key)
    for more in ({"dateShiftFixedOffsetInDays": "0"}, {"dateShiftKeyPrefix": "p"}):
        assert reason("Patient.birthDate", method="dateshift", given=key | more) == ""


def test_a_type_that_is_kept_may_be_named_by_later_rules() -> None:
    for keep in ("Bundle.type", "Bundle"):
        kept = rule_set([rule(keep, "keep"), rule("nodesByType('code')", "cryptoHash")])
        assert why_not_packed(kept) == ""
    late = rule_set([rule("nodesByType('code')", "cryptoHash"), rule("Bundle.type", "keep")])
    assert "rule 1" in why_not_packed(late)


def test_the_first_rule_that_is_in_the_way_is_named() -> None:
    found = reason("Patient.name", "Bundle.entry.resource", "Bundle.descendants()")
    assert found == f"rule 2 (Bundle.entry.resource) {REACHES}"


# ---- the same answers ------------------------------------------------------------------------------------------------

_ANSWER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRIES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def pack(lines: Sequence[bytes]) -> bytes:
    entries = b",".join(b'{"resource":' + line + b"}" for line in lines)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


def unpack(answer: bytes) -> list[dict[str, msgspec.Raw]]:
    members = _ANSWER.decode(answer)
    return _ENTRIES.decode(members["entry"]) if "entry" in members else []


def double(domain: str, value: str) -> str:
    return f"<{domain}|{value}>"


def answer(machine: Engine, line: bytes) -> bytes | None:
    """The output, None for a refusal."""
    try:
        return machine.deidentify(line)
    except LineError:
        return None


class Comparison:
    """Answers to packed lines beside those to the lines alone; counts the lines that were answered in company."""

    def __init__(self, case: object) -> None:
        self.case = case
        self.together = 0
        self.refused = 0

    def check(self, machine: Engine, lines: Sequence[bytes], alone: Sequence[bytes | None]) -> None:
        """Packs of all lines; where one is refused, of its halves, as the client does."""
        done = answer(machine, pack(lines))
        if done is None:
            self.refused += 1
            if len(lines) > 1:
                middle = len(lines) // 2
                self.check(machine, lines[:middle], alone[:middle])
                self.check(machine, lines[middle:], alone[middle:])
            return
        assert [entry.keys() for entry in unpack(done)] == [{"resource"}] * len(lines), self.case
        assert [bytes(entry["resource"]) for entry in unpack(done)] == list(alone), self.case
        self.together += len(lines) if len(lines) > 1 else 0


_TYPES = [type_ for type_ in ALL_TYPES if type_ not in HOLDERS]
_USUAL = [type_ for type_ in USUAL_TYPES if type_ not in HOLDERS]
_FAR = (
    "Resource.descendants()", "descendants().where($this is code)", "children()", "Resource.children().children()",
    "entry.resource", "entry.resource.nodesByType('id')", "Bundle.entry", "Bundle.entry.where(resource is Patient)",
    "Bundle.entry.where(request.exists()).resource.id", "Bundle.entry.where(fullUrl.empty()).resource.id",
    "nodesByName('resource')", "nodesByName('Patient')", "nodesByName('entry').resource", "nodesByName('type')",
    "Resource.where(nodesByName('resource').exists()).id", "Resource.where(nodesByName('Patient').empty()).id",
    "nodesByType('BackboneElement')", "nodesByType('code')", "nodesByType('Patient')", "Resource.where(id.exists())", "Resource",
    "nodesByType('dateTime') | nodesByType('date')", "nodesByType('Bundle').entry", "Resource.select(id | entry.resource.id)",
    "Bundle.type", "Bundle", "iif(entry.exists(), entry, id)", "Bundle.entry[0]", "entry.last().resource.meta", "Resource.id",
    "DomainResource.meta.security", "DomainResource.entry.resource", "entry.resource.ofType(Patient).id", "nodesByType('Coding')", "Bundle.entry.select(resource | link)", "contained",
)  # fmt: skip
"""Paths that look at Bundles, or look different in one."""
_METHODS: tuple[dict[str, Any], ...] = (
    {"method": "keep"}, {"method": "redact"}, {"method": "remove"}, {"method": "cryptoHash"}, {"method": "dateshift"},
    {"method": "substitute", "replaceWith": '{"id":"x"}'}, {"method": "pseudonymize"}, {"method": "encrypt"},
)  # fmt: skip


def drawn_rules(choose: Chooser, types: list[str]) -> list[dict[str, Any]]:
    """A rule list from the grammar, half of the time with rules that look at Bundles."""
    found = rules(choose, types)
    for _ in range(choose.one((0, 0, 1, 2))):
        one = {"path": choose.one(_FAR), **choose.one(_METHODS)}
        found.insert(choose.number(0, len(found)), one)
    return found


@cache
def cohort() -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        generate(Path(folder), patients=6, seed=3, shape="ndjson")
        return tuple(line for file in sorted(Path(folder).glob("*.ndjson")) for line in file.read_bytes().splitlines())  # fmt: skip


def case(choose: Chooser) -> tuple[list[bytes], RuleSet, object]:
    lines = []
    for _ in range(choose.number(2, 5)):
        type_ = choose.one(_USUAL) if choose.number(0, 3) else choose.one(_TYPES)
        # the engine reads a Bundle leniently as a whole if anything in it needs that; the service reads everything so
        lines.append(normalised(to_json(resource(choose, type_)).encode()))
    lines += [choose.one(cohort()) for _ in range(choose.number(0, 3))]
    types = sorted({json.loads(line)["resourceType"] for line in lines} | {"Patient"})
    drawn, given = drawn_rules(choose, types), parameters(choose)
    if choose.number(0, 2):
        given["dateShiftKeyPrefix"] = "prefix"  # or too few rule lists could be packed
    return lines, rule_set(drawn, given), (drawn, given, lines)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_packed_answers_are_those_of_the_lines_alone(batch: int) -> None:
    packed = not_packed = together = refused = changed = 0
    for number in range(CASES // BATCHES):
        lines, checked, described = case(RandomChooser(SEED * 1_000_000 + batch * 100_000 + number))
        if why_not_packed(checked):
            not_packed += 1
            continue
        packed += 1
        for only_tree in (False, True):
            machine = Engine(checked, pseudonyms=double, only_tree=only_tree)
            alone = [answer(machine, line) for line in lines]
            comparison = Comparison(described)
            comparison.check(machine, lines, alone)
            together += comparison.together
            refused += comparison.refused
            changed += sum(b'"security"' in (one or b"") for one in alone)
    # rule lists of both kinds; most lines travel in company; many come back changed; some Bundles are refused
    assert packed > CASES // BATCHES // 8 and not_packed > CASES // BATCHES // 4
    assert together > 4 * packed and changed > packed and refused > 0
