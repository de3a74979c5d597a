"""dimpflow.audit.pages: what rules do, in words, for any rule set."""

import random
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from dimpflow.audit.pages.frame import Language, Page
from dimpflow.audit.pages.kinds import KINDS, kind_of
from dimpflow.audit.pages.places import place_of
from dimpflow.audit.pages.rule_counts import rule_counts_part
from dimpflow.audit.pages.rules import RuleRow, numbers_in_short, rules_in_words, rules_page
from dimpflow.audit.pages.treatment import treatment
from dimpflow.errors import InputError
from dimpflow.ruleset.rules import RuleSet
from loading import ENCRYPT, HASH, KEYS, load, one_rule
from page_reading import plain, read_page

ROOT = Path(__file__).parents[2]
RULE_SETS = sorted([*ROOT.glob("config/rulesets/*.yaml"), *ROOT.glob("tests/rulesets/*.yaml")])
ENVIRON = {**KEYS, "DIMP_CRYPTO_HASH_KEY": "a key for tests only"}
OURS = ("default.yaml", "default-keep-text.yaml", "redact-all.yaml")


def loaded(path: Path, folder: Path, **options: Any) -> RuleSet:
    return load(folder, path.read_text(encoding="utf-8"), ENVIRON, strict=path.name in OURS, **options)


def shown(text: str) -> str:
    """HTML as it is read."""
    return unescape(re.sub(r"<[^<>]*>", "", text))


def counted(rule_set: RuleSet) -> list[dict[str, Any]]:
    found = []
    for rule in rule_set.rules:
        numbers = {"matched": 10 * rule.number, "changed": rule.number}
        places = {"by_type": {"Patient": numbers}, "by_path": {"Patient.name": numbers}, "within": {}}
        found.append({"rule": rule.number, "path": rule.path, **numbers, **places})
    return found


@pytest.mark.parametrize("path", RULE_SETS, ids=lambda path: path.name)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_rule_is_told_once(path: Path, language: Language, tmp_path: Path) -> None:
    rule_set = loaded(path, tmp_path)
    rows = rules_in_words(rule_set, counted(rule_set), language)
    assert sorted(number for row in rows for number in row.numbers) == list(range(1, len(rule_set.rules) + 1))
    for row in rows[:-1]:
        assert (row.matched, row.changed) == (10 * sum(row.numbers), sum(row.numbers))
    assert len({(row.kind, row.happens) for row in rows}) == len(rows)
    assert rows[-1].numbers == () and rows[-1].happens in ("kept unchanged", "bleibt unverändert")
    order = [kind.by(language) for kind in KINDS]
    assert [row.kind for row in rows] == sorted((row.kind for row in rows), key=order.index)
    assert not any(
        text in shown(row.elements) + row.happens for row in rows for text in ("{", "None", "Said(")
    )


def test_the_default_rule_set_in_words(tmp_path: Path) -> None:
    rows = rules_in_words(loaded(ROOT / "config/rulesets/default.yaml", tmp_path), [])
    told = {(row.kind, shown(row.elements)): row for row in rows}

    def happens(kind: str, elements: str) -> str:
        return told[kind, elements].happens

    assert happens("Names of people", "Patient.name") == "replaced by one pseudonym (PT_…) per patient"
    assert happens("Names of people", "HumanName everywhere") == "removed with all that it holds"
    assert (
        happens("Birth and death", "Patient.birthDate, Patient.deceased.ofType(dateTime)")
        == "cut to the year"
    )
    assert (
        happens("Addresses and places", "Patient.address.postalCode")
        == "first 2 characters of the postal code kept"
    )
    assert (
        happens("Addresses and places", "Address everywhere; Location.position")
        == "removed, but for what an earlier rule took"
    )
    identifiers = "Identifiers (record, visit, insurance numbers)"
    record = "Identifier.value everywhere, if it is a medical record number (MR)"
    assert happens(identifiers, record) == "replaced by a pseudonym (MR_…), the same for the same value"
    hashed = "hashed with a secret key (HMAC-SHA256), cut to 32 characters"
    assert happens("Ids of resources", "id everywhere") == hashed
    assert (
        happens(
            "References between resources",
            "Reference.reference everywhere; Bundle.entry.fullUrl, Bundle.entry.request.url",
        )
        == hashed
    )
    assert (
        happens("Free text and other text", "Narrative, Annotation everywhere")
        == "removed with all that it holds"
    )
    assert happens("Free text and other text", "string, markdown everywhere") == "removed"
    assert (rows[-1].kind, rows[-1].happens) == ("Everything else", "kept unchanged")
    assert (
        shown(rows[-1].elements)
        == "what no rule reaches; without a rule of their own: Other dates and times, Ages"
    )
    assert all((row.matched, row.changed) == (None, None) for row in rows)


def test_what_no_rule_reaches_is_told_as_configured(tmp_path: Path) -> None:
    rules = (ROOT / "tests/rulesets/minimal.yaml").read_text(encoding="utf-8")
    *_, last = rules_in_words(load(tmp_path, rules, unmatched="redact"), [])
    assert (last.kind, last.elements, last.numbers) == ("Everything else", "what no rule reaches", (5,))
    assert last.happens == "removed, but for what an earlier rule took"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Patient.name.family", "Names of people"),
        ("nodesByType('HumanName').given", "Names of people"),
        ("Patient.contact.name", "Telephone, e-mail, contact persons"),
        ("Patient.birthDate", "Birth and death"),
        ("Patient.deceased", "Birth and death"),
        ("(Patient.birthDate | Person.birthDate)", "Birth and death"),
        ("(Patient.birthDate | Patient.name)", "Other elements, or several kinds"),
        ("Patient.address[0].postalCode", "Addresses and places"),
        ("Patient.address.select(city | district)", "Addresses and places"),
        (
            "iif(Patient.active, Patient.telecom, Patient.telecom.first()).value",
            "Telephone, e-mail, contact persons",
        ),
        (
            "nodesByType('Identifier').where(system = 'x').assigner",
            "Identifiers (record, visit, insurance numbers)",
        ),
        ("Resource.id", "Ids of resources"),
        ("nodesByType('Reference').reference", "References between resources"),
        ("nodesByType('Reference').display", "Free text and other text"),
        ("Bundle.entry.request.url", "References between resources"),
        ("Encounter.period.start", "Other dates and times"),
        ("nodesByType('instant')", "Other dates and times"),
        ("Condition.onset as Age", "Ages"),
        ("nodesByType('Age').unit", "Values, numbers and units"),
        ("Observation.value.ofType(Quantity)", "Values, numbers and units"),
        ("Observation.value.ofType(string)", "Free text and other text"),
        ("Observation.note.text", "Free text and other text"),
        ("Patient.photo", "Photos, attachments, signatures"),
        ("Patient.extension", "Extensions"),
        ("Patient.extension.value.ofType(HumanName)", "Extensions"),
        ("Condition.code", "Codes, their labels and vocabularies"),
        ("Condition.code.text", "Free text and other text"),
        ("nodesByType('BackboneElement').linkId", "Codes, their labels and vocabularies"),
        ("Patient.gender", "Codes, their labels and vocabularies"),
        ("nodesByType('uri')", "Web addresses and technical names"),
        ("Patient", "Whole resources"),
        ("Bundle.entry.resource", "Whole resources"),
        ("Patient.descendants()", "Other elements, or several kinds"),
        ("Patient.nosuch", "Other elements, or several kinds"),
    ],
)
def test_kinds_of_data(path: str, kind: str, tmp_path: Path) -> None:
    rule = load(tmp_path, one_rule("method: redact", f'"{path}"')).rules[0]
    assert kind_of(rule).en == kind


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Patient.name.family", "Patient.name.family"),
        ("nodesByType('HumanName')", "HumanName everywhere"),
        ("Resource.nodesByType('id')", "id everywhere"),
        ("Patient.nodesByType('id')", "Patient.nodesByType('id')"),
        ("Resource", "Resource (whole)"),
        ("nodesByType('Extension').where(url = 'http://x')", "Extension everywhere, where url = http://x"),
        ("Patient.identifier.where(use = 'usual').value", "Patient.identifier.value where use = usual"),
        ("Patient.identifier.where(use != 'usual').value", "Patient.identifier.where(use != 'usual').value"),
        ("Patient.name[0]", "Patient.name[0]"),
        ("(Patient.name | Patient.photo)", "(Patient.name | Patient.photo)"),
    ],
)
def test_places(path: str, words: str, tmp_path: Path) -> None:
    place = place_of(load(tmp_path, one_rule("method: redact", f'"{path}"')).rules[0], "en")
    assert f"{place.path} {shown(place.behind)}".strip() == words


TYPE_OF = "nodesByType('Identifier').where(type.coding.where({}).exists())"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("system='http://terminology.hl7.org/CodeSystem/v2-0203' and code='MR'", ", if it is a medical record number (MR)"),
        ("system='http://fhir.de/CodeSystem/identifier-type-de-basis' and (code='GKV' or code='PKV')",
         ", if it is a number of statutory insurance (GKV) or number of private insurance (PKV)"),
        # what is not quite that is told as it stands
        ("system='http://x' and code='MR'", None),
        ("system='http://terminology.hl7.org/CodeSystem/v2-0203' and code!='MR'", None),
        ("system='http://terminology.hl7.org/CodeSystem/v2-0203' or code='MR'", None),
        ("(system='http://terminology.hl7.org/CodeSystem/v2-0203' or system='http://x') and code='MR'", None),
        ("system='http://terminology.hl7.org/CodeSystem/v2-0203' and code='NEW'", None),
    ],
)  # fmt: skip
def test_kinds_of_identifiers(condition: str, words: str | None, tmp_path: Path) -> None:
    path = TYPE_OF.format(condition)
    place = place_of(load(tmp_path, one_rule("method: redact", f'"{path}"')).rules[0], "en")
    told = f"{place.path} {shown(place.behind)}".strip()
    assert told == (path if words is None else f"Identifier everywhere{words}")


PARTIAL = "enablePartialDatesForRedact: true, enablePartialAgesForRedact: true, enablePartialZipCodesForRedact: true"
YEARS = "dates cut to the year, removed if they mean an age over 89"
SHIFT = 'dateShiftKey: "${SHIFT}"'


@pytest.mark.parametrize(
    ("path", "settings", "parameters", "words"),
    [
        ("Patient.name", "method: keep", "", "kept unchanged"),
        ("Patient.name", "method: redact", "", "removed, but for what an earlier rule took"),
        ("Patient.birthDate", "method: redact", "", "removed"),
        ("Patient.birthDate", "method: redact", PARTIAL, YEARS),
        ("Patient.name", "method: redact", PARTIAL, f"removed, but for what an earlier rule took; {YEARS}"),
        ("Patient.gender", "method: redact", PARTIAL, "removed"),
        ("Patient.address.postalCode", "method: redact", PARTIAL, "removed; of postal codes the first 3 characters stay"),
        ("Patient.address.city", "method: redact", PARTIAL, "removed"),
        ("Condition.onset.ofType(Age).value", "method: redact", PARTIAL, "removed; ages up to 89 stay"),
        ("Condition.onset.ofType(Age).unit", "method: redact", PARTIAL, "removed"),
        ("Patient.name", "method: remove", "", "removed with all that it holds"),
        ("Patient.id", "method: cryptoHash", "", "hashed with a secret key (HMAC-SHA256)"),
        ("Patient.id", "method: cryptoHash", "cryptoHashAlgorithm: blake3", "hashed with a secret key (BLAKE3)"),
        ("Patient.id", "method: cryptoHash, truncateToMaxLength: 0", "", "removed"),
        ("Patient.id", "method: cryptoHash, truncateToMaxLength: 64", "", "hashed with a secret key (HMAC-SHA256)"),
        ("Patient.name", "method: encrypt", "", "each value in it: encrypted (AES-CBC); who has the key can decrypt it"),
        ("Patient.name.family", "method: substitute, replaceWith: x", "", "replaced by a fixed value"),
        ("Patient.name.family", "method: substitute, replaceWith: null", "", "removed"),
        ("Observation.value.ofType(Quantity).value", "method: perturb, span: 3", "", "random noise of up to ±1.5 added"),
        ("Observation.value.ofType(Quantity).value", "method: perturb, span: 0.1, rangeType: proportional", "",
         "random noise of up to ±5 % of the value added"),
        ("Observation.value", "method: perturb, span: 3", "", "numbers in it: random noise of up to ±1.5 added; all else in it stays"),
        ("Observation.issued", "method: dateshift", SHIFT,
         "moved by up to 50 days (secret key; the same within a resource); times set to midnight; incomplete dates and those "
         "that mean an age over 89 are removed"),
        ("Observation.effective", "method: dateshift", "dateShiftFixedOffsetInDays: 7",
         "dates in it: moved by a fixed number of days; times set to midnight; incomplete dates and those that mean an age over 89 "
         "are removed; all else in it stays"),
        ("Patient.birthDate", 'method: generalize, cases: {"$this": "$this.toString().substring(0, 7)"}', "", "cut to the month"),
        ("Patient.gender", 'method: generalize, cases: {"$this": "$this.substring(0, 1)"}', "", "first 1 characters kept"),
        ("Patient.gender", "method: generalize, cases: {\"$this = 'male'\": \"$this.substring(0, 1)\"}", "",
         "made coarser by the rule’s own list of cases (1 case); what fits none is removed"),
        ("Patient.gender", "method: generalize, cases: {\"$this\": \"$this.substring(1, 4)\"}, otherValues: keep", "",
         "made coarser by the rule’s own list of cases (1 case); what fits none is kept unchanged"),
        ("Patient.id", "method: pseudonymize, domain: d", "", "replaced by a pseudonym, the same for the same value"),
        ("Encounter.id", "method: pseudonymize, domain: d, valueFrom: Resource.id, prefix: E", "", "replaced by one pseudonym (E…) per resource"),
        ("Observation.note.text", "method: scrub, marker: '[x]'", "",
         "known terms of the patient replaced by [x], all other text stays; removed if the patient is not known"),
        ("Patient.nosuch", "method: keep", "", "nothing: the path can select nothing in FHIR R4"),
    ],
)  # fmt: skip
def test_treatments(path: str, settings: str, parameters: str, words: str, tmp_path: Path) -> None:
    rule_set = load(tmp_path, one_rule(settings, path, parameters), KEYS)
    assert treatment(rule_set.rules[0], rule_set.parameters, rule_set.options, "en") == words


def test_the_mode_decides_how_dates_are_shifted(tmp_path: Path) -> None:
    rule_set = load(tmp_path, one_rule("method: dateshift", "Observation.issued", SHIFT), KEYS, strict=True)
    assert "the same for all of a patient" in treatment(
        rule_set.rules[0], rule_set.parameters, rule_set.options, "en"
    )


_ENDS = (
    "",
    ".first()",
    "[1]",
    ".where($this.exists())",
    ".children()",
    ".descendants()",
    ".select(id | extension)",
    ".ofType(string)",
)
_MIDDLES = (
    "name",
    "identifier.value",
    "extension",
    "address.postalCode",
    "birthDate",
    "contact.telecom",
    "value",
    "nosuch",
    "meta.tag",
)
_STARTS = (
    "Patient.", "Observation.", "Resource.", "Bundle.entry.resource.", "HumanName.", "nodesByType('Identifier').", "nodesByName('value').",
    "DomainResource.", "Bundle.entry.where(resource is Patient).resource.",
)  # fmt: skip
_METHODS: tuple[Mapping[str, Any], ...] = (
    {"method": "keep"}, {"method": "redact"}, {"method": "remove"}, {"method": "cryptoHash", "truncateToMaxLength": "0"},
    {"method": "encrypt"}, {"method": "dateshift"}, {"method": "substitute", "replaceWith": "<b>x</b>"},
    {"method": "perturb", "span": "1e2"}, {"method": "pseudonymize", "domain": "d", "prefix": "{x}<"},
    {"method": "generalize", "cases": {"$this > 10": "$this div 10", "true": "$this.toString().substring(0, 3)"}},
    {"method": "scrub", "marker": "{0}", "unknown": "keep"},
)  # fmt: skip


def drawn_path(draw: random.Random) -> str:
    path = draw.choice(_STARTS) + draw.choice(_MIDDLES) + draw.choice(_ENDS)
    if draw.random() < 0.2:
        path = f"iif({path}.exists(), {path}, {drawn_path(draw)})"
    return f"({path} | {drawn_path(draw)})" if draw.random() < 0.2 else path


@pytest.mark.parametrize("seed", range(40))
def test_drawn_rule_sets(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    rules = [{"path": drawn_path(draw), **draw.choice(_METHODS)} for _ in range(draw.randint(1, 12))]
    switches = {name.split(":")[0]: draw.choice(["true", "false"]) for name in PARTIAL.split(", ")}
    document = {
        "fhirVersion": "R4",
        "parameters": {"dateShiftKey": "dummy", **switches},
        "fhirPathRules": rules,
    }
    environ = {HASH: "hash-secret", ENCRYPT: "encrypt-secret16"}
    unmatched = draw.choice(["keep", "redact"])
    rule_set = load(tmp_path, yaml.safe_dump(document), environ, unmatched=unmatched)
    for language in ("en", "de"):
        rows: list[RuleRow] = rules_in_words(rule_set, counted(rule_set), language)  # type: ignore[arg-type]
        assert sorted(n for row in rows for n in row.numbers) == [rule.number for rule in rule_set.rules]
        assert all(row.happens and row.elements for row in rows)
        page = read_page(rules_page(facts_of(rule_set), rule_set, language), language)  # type: ignore[arg-type]
        assert not any(tag == "b" for tag, _ in page.tags)


def facts_of(rule_set: RuleSet) -> dict[str, Any]:
    used = {"file": "rules.yaml", "sha256": rule_set.sha256, "engine": "embedded", "did": counted(rule_set)}
    return {"rules": used}


def test_the_page_shows_the_rows(tmp_path: Path) -> None:
    rule_set = loaded(ROOT / "tests/rulesets/hipaa-like.yaml", tmp_path)
    page = read_page(rules_page(facts_of(rule_set), rule_set))
    assert rule_set.sha256 in page.text and f"{len(rule_set.rules)} rules" in page.text
    assert "Wherever a rule removes, extensions included: dates cut to the year" in page.text
    table, by_rule = page.tables
    assert [row[2] for row in by_rule[1:3]] == [
        "Patient 10\u00a0/\u00a01 (name)",
        "Patient 20\u00a0/\u00a02 (name)",
    ]
    assert len(by_rule) == len(rule_set.rules) + 1
    cells = [row for row in table[1:] if len(row) > 1]
    rows = rules_in_words(rule_set, counted(rule_set))
    assert [row[0] for row in cells] == [shown(row.elements) for row in rows]
    assert [row[1] for row in cells] == [row.happens for row in rows]
    assert [row[2] for row in cells] == [numbers_in_short(row.numbers) or "–" for row in rows]
    assert [plain(row[3]) for row in cells[:-1]] == [row.matched for row in rows[:-1]]
    assert cells[-1][3:] == ["–", "–"]


def test_another_rule_set_than_that_of_the_facts_is_refused(tmp_path: Path) -> None:
    rule_set = loaded(ROOT / "tests/rulesets/minimal.yaml", tmp_path)
    facts = facts_of(rule_set)
    facts["rules"]["sha256"] = "0" * 64
    with pytest.raises(
        InputError, match=r"rules\.yaml is not the rule set that audit\.json tells of; run the workflow again"
    ):
        rules_page(facts, rule_set)


def test_numbers_in_short() -> None:
    assert numbers_in_short([1, 3, 4, 5, 7, 8]) == "1, 3–5, 7–8"
    assert numbers_in_short([]) == ""


def test_what_each_rule_did_is_told_by_type_and_element() -> None:
    both = {"matched": 1200, "changed": 7}
    did = [
        {"rule": 1, "path": "Resource", "by_type": {"Basic": both, "Patient": both}, "by_path": {"Basic": both, "Patient": both},
         "within": {"Patient.birthDate": 3, "Patient.name": 4}},
        {"rule": 2, "path": "x", "by_type": {"Patient": both}, "by_path": {"Patient.a.b": both, "Patient.<c>": both}, "within": {}},
        {"rule": 3, "path": "never", "by_type": {}, "by_path": {}, "within": {}},
    ]  # fmt: skip
    [title, _, table] = rule_counts_part(did, "en")
    assert shown(title) == "How often, rule by rule"
    rows = read_page(Page("", [table])).tables[0][1:]
    numbers = "1\u202f200\u00a0/\u00a07"
    assert rows == [
        ["1", "Resource", f"Basic {numbers}; Patient {numbers} (changed in birthDate 3, name 4)"],
        ["2", "x", f"Patient {numbers} (a.b {numbers}, <c> {numbers})"],
    ]
    assert "&lt;c&gt;" in table and "geändert in" in rule_counts_part(did, "de")[-1]
    assert rule_counts_part(did[2:]) == []
