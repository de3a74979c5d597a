"""The probe of rule sets: original ids in a Provenance of TORCH that would go out are found, and named by their place."""

from pathlib import Path

import orjson
import pytest
import yaml
from rules import RULESETS, rule, rule_set

from dimpflow.clients.access import Access, open_session
from dimpflow.clients.dimp_service import DimpService, Wrapping
from dimpflow.clients.retry import Retry
from dimpflow.engine.engine import Engine
from dimpflow.engine.probe import embedded_leaks, leaks_of_provenance
from dimpflow.errors import LineError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from doubles.dimp import DimpDouble

KEYS = {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}
CLOSED = {
    "Provenance.target.reference": rule("nodesByType('Reference').reference", "cryptoHash"),
    "Provenance.entity.what.identifier.value": rule("nodesByType('Identifier').value", "redact"),
    "Provenance.id": rule("nodesByType('id')", "cryptoHash"),
    "Bundle.entry.request.url": rule("Bundle.entry.request.url", "cryptoHash"),
}
"""A rule for each place."""
ALL = tuple(CLOSED)


def closed_but(place: str) -> list[dict[str, object]]:
    return [one for name, one in CLOSED.items() if name != place]


@pytest.mark.parametrize("name", ["default", "redact-all"])
@pytest.mark.parametrize("strict", [True, False])
def test_our_rule_sets_leave_nothing(name: str, strict: bool) -> None:
    rules = load_rule_set(RULESETS / f"{name}.yaml", KEYS, Options(strict=strict))
    assert embedded_leaks(rules) == ()
    assert leaks_of_provenance(Engine(rules, only_tree=True).deidentify) == ()


def test_a_rule_set_that_keeps_the_targets_is_found_out(tmp_path: Path) -> None:
    text = (RULESETS / "default.yaml").read_text(encoding="utf-8")
    keeping = "fhirPathRules:\n  - {path: Provenance.target, method: keep}\n"
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace("fhirPathRules:\n", keeping), encoding="utf-8")
    assert embedded_leaks(load_rule_set(path, KEYS)) == ("Provenance.target.reference",)


def test_each_place_that_no_rule_closes_is_named() -> None:
    assert embedded_leaks(rule_set(list(CLOSED.values()))) == ()
    for place in ALL:
        assert embedded_leaks(rule_set(closed_but(place))) == (place,)
    assert set(embedded_leaks(rule_set([rule("Patient.name", "redact")]))) == set(ALL)


@pytest.mark.parametrize("name", ["Patient", "Observation", "Encounter", "Condition"])
def test_one_target_of_several_is_enough(name: str) -> None:
    others = f"nodesByType('Reference').where(reference.startsWith('{name}/').not()).reference"
    rules = rule_set([rule(others, "cryptoHash"), *closed_but("Provenance.target.reference")])
    assert embedded_leaks(rules) == ("Provenance.target.reference",)


def test_a_provenance_on_a_line_of_its_own_is_tried_too() -> None:
    found = embedded_leaks(rule_set([rule("Bundle.entry", "remove")]))
    assert set(found) == set(ALL) - {"Bundle.entry.request.url"}


def test_an_id_that_is_cut_short_is_found() -> None:
    cut = rule("Provenance.id", "generalize", cases={"$this": "$this.toString().substring(0, 20)"})
    assert embedded_leaks(rule_set([cut, *closed_but("Provenance.id")])) == ("Provenance.id",)


def escaped(line: bytes) -> bytes:
    return "".join(f"\\u{ord(one):04x}" if one.isalnum() else one for one in line.decode()).encode()


def test_ids_in_another_spelling_are_found() -> None:
    found = set(leaks_of_provenance(lambda line: escaped(orjson.dumps({"x": line.decode()}))))
    assert found == set(ALL)
    assert set(leaks_of_provenance(lambda line: orjson.dumps([line.decode().upper()]))) == set(ALL)


def test_ids_are_fresh_and_the_group_may_stay() -> None:
    lines: list[bytes] = []

    def note(line: bytes) -> bytes:
        lines.append(line)
        return b"{}"

    assert leaks_of_provenance(note) == leaks_of_provenance(note) == ()
    bundle, bare, other, _ = map(orjson.loads, lines)
    assert bundle["type"] == "transaction" and bundle["entry"][0]["resource"] == bare
    group, job = (entity["what"]["identifier"]["value"] for entity in bare["entity"])
    once = {bare["id"], job, *(target["reference"] for target in bare["target"])}
    again = other["entry"][0]["resource"]
    assert once.isdisjoint([again["id"], *(target["reference"] for target in again["target"])])
    assert len(once) == 6 and job.encode() not in lines[2] and group.encode() in lines[2]
    assert leaks_of_provenance(lambda _: orjson.dumps({"kept": group})) == ()


def test_rules_that_refuse_such_a_resource_are_heard() -> None:
    with pytest.raises(LineError):
        embedded_leaks(rule_set([rule("Provenance.recorded", "cryptoHash")]))


def test_a_service_is_probed_in_the_same_way(tmp_path: Path) -> None:
    for place in ("", "Provenance.target.reference"):
        path = tmp_path / "rules.yaml"
        rules = {"fhirVersion": "R4", "fhirPathRules": closed_but(place)}
        path.write_text(yaml.safe_dump({**rules, "parameters": {"cryptoHashKey": "k"}}), encoding="utf-8")
        with DimpDouble(path) as server:
            reach = Access(server.url, "services.dimp")
            with open_session(reach, {}, connections=1) as session:
                service = DimpService(
                    session, server.url, Retry(1, 1, 1), wrapping=Wrapping(), compress=False
                )
                assert leaks_of_provenance(service.ask) == ((place,) if place else ())
