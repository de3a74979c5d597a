"""Keyed and sequential pseudonyms, and the file in which shards look them up."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.errors import ConfigError, InputError, LineError
from dimpflow.pseudonyms.keyed import HEX, in_alphabet, keyed_pseudonyms
from dimpflow.pseudonyms.lookup import mapped_pseudonyms, write_lookup
from dimpflow.pseudonyms.plan import DomainPlan, PseudonymPlan, prefixes_of, pseudonymizes
from dimpflow.pseudonyms.sequential import numbers
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options

ROOT = Path(__file__).parents[2]
KEY = "a key for tests"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, texts)
def test_hexadecimal_digits_are_the_form_without_a_configuration(domain: str, original: str) -> None:
    assert in_alphabet(KEY, HEX, 20)(domain, original) == keyed_pseudonyms(KEY)(domain, original)


@pytest.mark.parametrize(
    ("alphabet", "length"), [("01", 100), ("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 12), (HEX, 64), ("äöü", 30)]
)
def test_other_alphabets(alphabet: str, length: int) -> None:
    source = in_alphabet(KEY, alphabet, length)
    made = [source("d", str(n)) for n in range(500)]
    assert len(set(made)) == 500 and {len(one) for one in made} == {length}
    assert set("".join(made)) == set(alphabet)
    assert source("d", "1") == made[1] != in_alphabet("other", alphabet, length)("d", "1") != source("e", "1")


def test_domain_and_original_are_kept_apart() -> None:
    source = in_alphabet(KEY, "abc", 40)
    assert len({source("ab", "c"), source("a", "bc"), source("", "abc"), source("abc", "")}) == 4


def test_numbers_stay_and_tell_nothing_of_the_order() -> None:
    first = numbers("patient", [f"p{n:04}" for n in range(300)], {}, KEY, 5)
    assert sorted(first.values()) == [f"{n:05}" for n in range(1, 301)]
    in_order = [int(first[f"p{n:04}"]) for n in range(300)]
    rising = sum(a < b for a, b in itertools.pairwise(in_order))
    assert 110 < rising < 190  # of 299, as in any order that has nothing to do with it
    assert first == numbers("patient", [f"p{n:04}" for n in reversed(range(300))], {}, KEY, 5)
    more = numbers("patient", [f"p{n:04}" for n in range(350)], first, KEY, 5)
    assert {one: more[one] for one in first} == first
    assert sorted(more.values()) == [f"{n:05}" for n in range(1, 351)]
    assert numbers("patient", ["p0000"], {}, "other key", 5).keys() == {"p0000"}


def test_numbers_of_those_who_are_gone_are_not_given_again() -> None:
    known = {"gone": "00007"}
    assert numbers("d", ["new"], known, KEY, 3) == {"new": "008"}
    assert numbers("d", ["a", "b"], {"gone": "99999"}, KEY, 5).keys() == {"a", "b"}
    assert set(numbers("d", ["a", "b"], {"gone": "99999"}, KEY, 5).values()) == {"100000", "100001"}


@pytest.mark.parametrize("other", ["abc", "", "１", "-1"])
def test_numbers_after_pseudonyms_of_another_kind(other: str) -> None:
    with pytest.raises(InputError, match="of another kind"):
        numbers("d", ["new"], {"old": other}, KEY, 5)


# ---- the file --------------------------------------------------------------------------------------------------

ROWS = [("a", "x", "1"), ("a", "y'; DROP TABLE pseudonym; --", "2"), ("b", "x", "3"), ("", "ä\x00ö", "4")]


def test_looking_up(tmp_path: Path) -> None:
    path = tmp_path / "lookup.sqlite"
    write_lookup(path, ROWS)
    source = mapped_pseudonyms(path)
    assert [source(domain, original) for domain, original, _ in ROWS * 2] == [row[2] for row in ROWS * 2]
    assert path.stat().st_mode & 0o777 == 0o600 and [p.name for p in tmp_path.iterdir()] == ["lookup.sqlite"]
    with pytest.raises(LineError, match="no pseudonym was made") as caught:
        source("a", "kestrel")
    assert "kestrel" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        mapped_pseudonyms(tmp_path / "lookup.sqlite")


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="UNIQUE"):
        write_lookup(tmp_path / "lookup.sqlite", [ROWS[0], ROWS[0]])
    assert list(tmp_path.iterdir()) == []


# ---- plans -----------------------------------------------------------------------------------------------------


def test_plans() -> None:
    sequential = DomainPlan(source="sequential")
    plan = PseudonymPlan(DomainPlan(), {"patient": sequential}, keep=True)
    assert plan.of("patient") is sequential and plan.of("x") == DomainPlan() and plan.gathers
    assert not PseudonymPlan(DomainPlan(), {"patient": DomainPlan(length=9)}, keep=True).gathers
    assert PseudonymPlan.from_params(plan.as_params()) == plan


def test_prefixes_of_our_rule_set(tmp_path: Path) -> None:
    rules = ROOT / "config/rulesets/default.yaml"
    rule_set = load_rule_set(rules, {"DIMP_CRYPTO_HASH_KEY": KEY}, Options(strict=True))
    assert pseudonymizes(rule_set)
    assert prefixes_of(rule_set) == {"patient": "PT_", "record-number": "MR_", "visit-number": "VN_"}
    nothing = load_rule_set(ROOT / "config/rulesets/redact-all.yaml", {}, Options(strict=True))
    assert not pseudonymizes(nothing) and prefixes_of(nothing) == {}


def test_two_prefixes_of_one_domain(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "fhirVersion: R4\nparameters: {cryptoHashKey: k}\nfhirPathRules:\n"
        "- {path: Patient.id, method: pseudonymize, domain: p, prefix: A_}\n"
        "- {path: Patient.gender, method: pseudonymize, domain: q, prefix: B_}\n"
        "- {path: Observation.id, method: pseudonymize, domain: p, prefix: B_}\n"
    )
    with pytest.raises(ConfigError, match=r"rule 3 \(Observation.id\): another prefix"):
        prefixes_of(load_rule_set(path, {}, Options()))
