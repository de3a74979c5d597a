"""The answers for the chunks of a Bundle, joined, are the answer for all of it. The engine in compat mode stands in for the
service."""

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from dimpflow.bundles import cut
from dimpflow.clients.labels import join_answers
from dimpflow.engine.engine import Engine
from dimpflow.engine.labels import OWN, codings
from dimpflow.errors import LineError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from generate import generate
from shared import SHARED, needs_shared

RULESETS = Path(__file__).parents[1] / "rulesets"
OPTIONS = Options.from_params(Options().as_params() | {"reference_date": "2026-08-07"})
LIMITS = (1, 20_000, 40_000, 1 << 30)
ADDED: dict[str, dict[str, str]] = {
    one.code: {k: getattr(one, k) for k in ("system", "code", "display") if isinstance(getattr(one, k), str)}
    for one in codings(OWN, set())
}
"""Labels as the service writes them, by code."""
REDACTED, CRYTOHASH, PSEUDED = (ADDED[code] for code in ("REDACTED", "CRYTOHASH", "PSEUDED"))
OWN_LABELS: tuple[list[dict[str, str]], ...] = (
    [], [{"code": "own"}], [{"code": "crytohash"}, {"display": "no code"}], [REDACTED], [PSEUDED, {"code": "own"}],
    [PSEUDED, REDACTED], [CRYTOHASH],
)  # fmt: skip


@cache
def engine(name: str) -> Engine:
    return Engine(load_rule_set(RULESETS / name, {}, OPTIONS))


@cache
def bundles() -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        generate(Path(folder), patients=6, seed=4, shape="torch")
        files = [file for file in sorted(Path(folder).glob("*.ndjson")) if "consent" not in file.name]
        lines = [line for file in files for line in file.read_bytes().splitlines()]
    return tuple(line for line in lines if line.startswith(b'{"resourceType":"Bundle"'))


def with_labels(bundle: bytes, labels: Sequence[dict[str, str]]) -> bytes:
    parsed = json.loads(bundle)
    meta = parsed.get("meta", {}) | {"profile": ["http://profile"], "tag": [{"code": "t"}]}
    parsed["meta"] = meta | ({"security": list(labels)} if labels else {})
    return json.dumps(parsed, ensure_ascii=False).encode()


def joined(machine: Engine, bundle: bytes, limit: int) -> tuple[bytes, list[bytes]]:
    """The joined answer, and the answers."""
    chunks = cut(bundle, limit)
    answers = [machine.deidentify(chunk) for chunk in chunks]
    return join_answers(chunks, answers), answers


def codes(answer: bytes) -> list[str | None]:
    return [label.get("code") for label in json.loads(answer).get("meta", {}).get("security", [])]


# ---- real rule sets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("rules", ["general.yaml", "hipaa-like.yaml", "mii-like.yaml", "minimal.yaml"])
def test_generated_bundles(rules: str, limit: int) -> None:
    machine = engine(rules)
    most = 0
    for i, plain in enumerate(bundles()):
        labels = OWN_LABELS[i % len(OWN_LABELS)]
        for bundle in (plain, with_labels(plain, labels)):
            done, answers = joined(machine, bundle, limit)
            most = max(most, len(answers))
            assert done == machine.deidentify(bundle)
            assert "CRYTOHASH" in codes(done) or {"code": "crytohash"} in labels
    assert most == 1 if limit == 1 << 30 else most > 1


@needs_shared
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("rules", ["general.yaml", "hipaa-like.yaml", "mii-like.yaml"])
def test_bundles_of_torch(rules: str, limit: int) -> None:
    machine = engine(rules)
    found = 0
    for file in sorted((SHARED / "data" / "torch").glob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            if json.loads(line)["resourceType"] == "Bundle":
                found += 1
                assert joined(machine, line, limit)[0] == machine.deidentify(line)
    assert found


# ---- drawn labels --------------------------------------------------------------------------------------------------------

_METHODS: dict[str, dict[str, Any]] = {
    "language": {"method": "generalize", "cases": {"$this": "'de'"}},
    "implicitRules": {"method": "encrypt"},
    "birthDate": {"method": "dateshift"},
    "gender": {"method": "redact"},
    "active": {"method": "remove"},
    "name": {"method": "substitute", "replaceWith": '{"text":"x"}'},
    "id": {"method": "cryptoHash"},
    "identifier": {"method": "pseudonymize", "domain": "d"},
}
_VALUES: dict[str, Any] = {
    "language": "en", "implicitRules": "u", "birthDate": "2000-01-01", "gender": "male", "active": True,
    "name": [{"family": "Doe"}], "id": "p", "identifier": [{"value": "1"}],
}  # fmt: skip
_OF_BUNDLE = (
    {"path": "Bundle.meta.security", "method": "keep"},
    {"path": "Bundle.meta.security", "method": "redact"},
    {"path": "Bundle.meta.security", "method": "remove"},
    {"path": "Bundle.meta.security.display", "method": "remove"},
    {"path": "Bundle.meta", "method": "remove"},
    {"path": "Bundle.meta.security.first()", "method": "substitute", "replaceWith": '{"code":"MASKED"}'},
    {"path": "Bundle.meta.profile", "method": "redact"},
    {"path": "Bundle.identifier.value", "method": "cryptoHash"},
    {"path": "Bundle.total", "method": "remove"},
    {"path": "Bundle", "method": "redact"},
)


def drawn(draw: random.Random) -> tuple[list[dict[str, Any]], bytes]:
    """Rules of which each does one thing to one element, and a Bundle of patients with some of these elements."""
    names = draw.sample(sorted(_METHODS), draw.randint(1, 6))
    rules = [{"path": f"Patient.{name}", **_METHODS[name]} for name in names]
    if draw.random() < 0.6:
        rules.insert(draw.randrange(len(rules) + 1), draw.choice(_OF_BUNDLE))
    bundle: dict[str, Any] = {"resourceType": "Bundle"}
    if draw.random() < 0.7:
        bundle["meta"] = {"versionId": "1", "tag": [{"code": "t"}]}
        labels = draw.choice(OWN_LABELS)
        if labels:
            bundle["meta"]["security"] = labels
    bundle |= {"identifier": {"value": "b"}, "type": "searchset", "total": 9, "entry": []}
    for _ in range(draw.randint(1, 6)):
        chosen = draw.sample(sorted(_VALUES), draw.randint(0, 3))
        bundle["entry"].append({"resource": {"resourceType": "Patient"} | {n: _VALUES[n] for n in chosen}})
    return rules, json.dumps(bundle).encode()


def tells(rules: Sequence[dict[str, Any]], bundle: bytes, answers: Sequence[bytes]) -> bool:
    """Whether the place of REDACTED can be told: it is not there, or comes from redact alone, or from remove alone and some answer
    has it beside another label that was added."""
    if not any("REDACTED" in codes(answer) for answer in answers):
        return True
    methods = {rule["method"] for rule in rules}
    if methods >= {"redact", "remove"}:
        return False
    if "redact" in methods:
        return True
    added = [set(codes(answer)) & set(ADDED) - set(codes(bundle)) for answer in answers]
    return any("REDACTED" in one and len(one) > 1 for one in added)


@pytest.mark.parametrize("batch", range(4))
def test_drawn_bundles(batch: int, tmp_path: Path) -> None:
    exact = open_ = different = 0
    parameters = {"cryptoHashKey": "k", "dateShiftKey": "k", "encryptKey": "sixteen-letters-"}
    for number in range(150):
        rules, bundle = drawn(random.Random(batch * 1000 + number))
        path = tmp_path / "rules.yaml"
        document = {"fhirVersion": "R4", "fhirPathRules": rules, "parameters": parameters}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        machine = Engine(load_rule_set(path, {}, OPTIONS))
        whole = machine.deidentify(bundle)
        for limit in (1, 350, 500):
            done, answers = joined(machine, bundle, limit)
            different += len({str(codes(answer)) for answer in answers}) > 1
            if tells(rules, bundle, answers):
                assert done == whole, (rules, bundle, limit)
                exact += 1
            else:
                assert sorted(codes(done), key=str) == sorted(codes(whole), key=str), (rules, bundle, limit)
                assert without_labels(done) == without_labels(whole)
                open_ += 1
    assert exact > open_ > 0 and different > 100


def without_labels(answer: bytes) -> Any:
    parsed = json.loads(answer)
    parsed.get("meta", {}).pop("security", None)
    return parsed


# ---- answers by hand -----------------------------------------------------------------------------------------------------


def bundle_of(number: int, *added: str, own: Sequence[str] = (), **members: Any) -> bytes:
    labels = [{"code": code} for code in own] + [ADDED[code] for code in added]
    meta = {"meta": {"security": labels}} if labels else {}
    entry = [{"resource": {"resourceType": "Patient", "id": str(number)}}]
    return json.dumps({"resourceType": "Bundle", "id": "b", **meta, **members, "entry": entry}).encode()


def labels_of(*answers: Sequence[str], own: Sequence[str] = ()) -> list[str | None]:
    chunks = [bundle_of(i, own=own) for i in range(len(answers))]
    return codes(join_answers(chunks, [bundle_of(i, *a, own=own) for i, a in enumerate(answers)]))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([["CRYTOHASH"], ["CRYTOHASH"]], ["CRYTOHASH"]),
        ([[], ["CRYTOHASH"], []], ["CRYTOHASH"]),
        ([["PSEUDED"], ["ABSTRED", "PERTURBED"]], ["ABSTRED", "PERTURBED", "PSEUDED"]),
        # redact
        ([["CRYTOHASH"], ["REDACTED", "CRYTOHASH"]], ["REDACTED", "CRYTOHASH"]),
        # remove
        ([["CRYTOHASH", "REDACTED"], ["CRYTOHASH", "PERTURBED"]], ["CRYTOHASH", "PERTURBED", "REDACTED"]),
        # both
        ([["CRYTOHASH", "REDACTED"], ["REDACTED", "CRYTOHASH"]], ["REDACTED", "CRYTOHASH"]),
        # open, then what the others show, then the first place
        ([["REDACTED"], ["CRYTOHASH", "REDACTED"]], ["CRYTOHASH", "REDACTED"]),
        ([["REDACTED"], ["REDACTED", "CRYTOHASH"]], ["REDACTED", "CRYTOHASH"]),
        ([["REDACTED"], ["CRYTOHASH"]], ["REDACTED", "CRYTOHASH"]),
    ],
)
def test_the_order_of_labels(answers: list[list[str]], expected: list[str]) -> None:
    assert labels_of(*answers) == expected
    assert labels_of(*answers, own=["a", "B"]) == ["a", "B", *expected]


def test_own_labels_that_look_like_those_of_the_service() -> None:
    own = ["CRYTOHASH"]
    assert labels_of(["REDACTED"], ["PERTURBED"], own=own) == ["CRYTOHASH", "REDACTED", "PERTURBED"]
    assert labels_of(["PERTURBED"], ["MASKED"], own=["PSEUDED"]) == ["PSEUDED", "MASKED", "PERTURBED"]


def test_only_the_label_list_is_written_anew() -> None:
    chunk = b'{"resourceType":"Bundle","id":"b","meta":{"tag":[{"code":"\\u00e4"}]},"entry":[{"link":[]}]}'
    first = b'{"resourceType":"Bundle","id":"b","meta":{"tag":[ {"code":"\\u00e4"} ]},"entry":[{"x": 1.10}]}'
    later = (
        b'{"resourceType":"Bundle","id":"b","meta":{"security":[{"code" :"MASKED"}],"tag":[{"code":"\xc3\xa4"}]},'
        b'"entry":[ {"y":2} ]}'
    )
    assert join_answers([chunk, chunk], [first, later]) == (
        b'{"resourceType":"Bundle","id":"b","meta":{"security":[{"code" :"MASKED"}],"tag":[ {"code":"\\u00e4"} ]},'
        b'"entry":[{"x": 1.10},{"y":2}]}'
    )
    bare = b'{"resourceType":"Bundle","type":"batch","entry":[{"x":1}]}'
    marked = b'{"resourceType":"Bundle","meta":{"security":[{"code":"MASKED"}]},"type":"batch"}'
    assert join_answers([bare, bare], [bare, marked]) == (
        b'{"resourceType":"Bundle","meta":{"security":[{"code":"MASKED"}]},"type":"batch","entry":[{"x":1}]}'
    )


@pytest.mark.parametrize(
    ("other", "path"),
    [
        (bundle_of(2, id="secret"), "$.id"),
        (bundle_of(2, total=5), "$.total"),
        (bundle_of(2, secret="x"), "$"),
        (bundle_of(2, meta={"source": "secret"}), "$.meta"),
        (bundle_of(2, own=["secret"]), "$.meta.security"),
        (bundle_of(2, "PERTURBED", "MASKED"), "$.meta.security"),
        (bundle_of(2, "MASKED", "MASKED"), "$.meta.security"),
        (b'{"resourceType":"Bundle","meta":{"security":"secret"}}', "$.meta"),
        (b'{"resourceType":"Bundle","meta":["secret"]}', "$.meta"),
        (b'{"resourceType":"OperationOutcome","issue":[{"diagnostics":"secret"}]}', "$.resourceType"),
        (b"[]", "$.meta"),
        (b"<html>secret</html>", "$.meta"),
        (b'{"resourceType":"Bundle","id":"b","entry":"secret"}', "$.entry"),
    ],
)
def test_answers_that_do_not_go_together(other: bytes, path: str) -> None:
    chunks = [bundle_of(1), bundle_of(2)]
    for answers in ([bundle_of(1), other], [other, bundle_of(1)]):
        with pytest.raises(LineError) as error:
            join_answers(chunks, answers)
        assert error.value.path == path
        assert "secret" not in str(error.value) and "\n" not in str(error.value)


def test_as_many_answers_as_chunks() -> None:
    for chunks, answers in (([], []), ([bundle_of(1)], []), ([bundle_of(1)], [bundle_of(1), bundle_of(2)])):
        with pytest.raises(LineError, match="not equally many"):
            join_answers(chunks, answers)
