"""The mapping of a job: made, carried over, refused where it would contradict itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.errors import ConfigError, InputError
from dimpflow.pseudonyms.mapping import Entry, read_mapping, write_mapping
from dimpflow.pseudonyms.pairs import Pair, merged, read_pairs, write_pairs
from dimpflow.pseudonyms.plan import DomainPlan, PseudonymPlan
from dimpflow.steps.mapping import Making, counts_of, digest_of, make_mapping

KEY = "a key for tests"
SEQUENTIAL = DomainPlan(source="sequential")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def making(
    plan: DomainPlan = SEQUENTIAL, day: str = "2026-11-24", key: str = KEY, **domains: DomainPlan
) -> Making:
    asked = lambda domain, originals: {one: f"gpas-{domain}-{one}" for one in originals}  # noqa: E731
    return Making(PseudonymPlan(plan, domains, keep=True), {"patient": "PT_"}, key, day, asked)


def pairs(folder: Path, *files: Sequence[Pair]) -> list[Path]:
    paths = [folder / f"{number}.ndjson" for number in range(len(files))]
    for path, found in zip(paths, files, strict=True):
        write_pairs(path, found)
    return paths


def entries(paths: Sequence[Path], known: Sequence[Entry] = (), by: Making | None = None) -> list[Entry]:
    return [entry for entry, _ in make_mapping(paths, known, by or making())]


PATIENTS: list[Pair] = [("patient", f"p{n}") for n in range(40)]


@given(st.lists(st.lists(st.tuples(texts, texts), max_size=20), max_size=5))
def test_sorted_files_become_one(tmp_path_factory: pytest.TempPathFactory, files: list[list[Pair]]) -> None:
    paths = pairs(tmp_path_factory.mktemp("pairs"), *files)
    assert list(merged(paths)) == sorted({pair for found in files for pair in found})


def test_files_of_pairs_are_private_and_damage_is_told(tmp_path: Path) -> None:
    (path,) = pairs(tmp_path / "gather", PATIENTS)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="is damaged"):
        list(read_pairs(path))


def test_the_same_whatever_the_files(tmp_path: Path) -> None:
    one = entries(pairs(tmp_path / "a", PATIENTS))
    many = entries(pairs(tmp_path / "b", PATIENTS[30:], PATIENTS[:10], PATIENTS[5:35]))
    assert one == many and len(one) == 40
    assert sorted(entry.pseudonym for entry in one) == [f"PT_{n:05}" for n in range(1, 41)]


def test_what_was_given_stays(tmp_path: Path) -> None:
    first = entries(pairs(tmp_path / "a", PATIENTS[:30]))
    later = entries(pairs(tmp_path / "b", PATIENTS[10:]), first, making(day="2027-01-01"))
    assert [entry for entry in later if entry.original in {one.original for one in first}] == first
    assert {entry.first_seen for entry in later} == {"2026-11-24", "2027-01-01"}
    assert len({entry.pseudonym for entry in later}) == 40


def test_who_is_here_now_is_told(tmp_path: Path) -> None:
    known = [Entry("patient", "gone", "PT_00001", "2020-01-01")]
    assert [
        (entry.original, here) for entry, here in make_mapping(pairs(tmp_path, PATIENTS[:1]), known, making())
    ] == [
        ("gone", False),
        ("p0", True),
    ]


def test_each_domain_has_its_source(tmp_path: Path) -> None:
    paths = pairs(tmp_path, [("patient", "a"), ("keyed", "a"), ("other", "a")])
    by = making(keyed=DomainPlan(prefix="K-", length=8), other=DomainPlan(source="gpas"))
    found = {entry.domain: entry.pseudonym for entry in entries(paths, (), by)}
    assert found["patient"] == "PT_00001" and found["other"] == "gpas-other-a"
    assert found["keyed"].startswith("K-") and len(found["keyed"]) == 10


def test_a_service_is_asked_for_what_is_new(tmp_path: Path) -> None:
    asked: list[tuple[str, list[str]]] = []

    def ask(domain: str, originals: Sequence[str]) -> dict[str, str]:
        asked.append((domain, list(originals)))
        return {one: f"new-{one}" for one in originals}

    by = Making(PseudonymPlan(DomainPlan(source="vfps"), {}, keep=True), {}, KEY, "2026-11-24", ask)
    known = [Entry("d", "a", "old-a", "2020-01-01")]
    found = entries(pairs(tmp_path, [("d", "a"), ("d", "b"), ("d", "c")]), known, by)
    assert [entry.pseudonym for entry in found] == ["old-a", "new-b", "new-c"]
    assert asked == [("d", ["b", "c"])]
    silent = Making(by.plan, {}, KEY, "2026-11-24", lambda domain, originals: {})
    with pytest.raises(InputError, match="left out pseudonyms"):
        entries(pairs(tmp_path / "x", [("d", "z")]), (), silent)


def refused(paths: Sequence[Path], known: Sequence[Entry], by: Making) -> str:
    with pytest.raises(ConfigError) as caught:
        entries(paths, known, by)
    message = str(caught.value)
    assert "\n" not in message and "kestrel" not in message
    return message


def test_collisions_are_errors(tmp_path: Path) -> None:
    paths = pairs(tmp_path, [("d", f"kestrel{n}") for n in range(40)])
    assert "would share a pseudonym" in refused(paths, (), making(DomainPlan(alphabet="ab", length=4)))


def test_another_key_is_refused_where_a_mapping_is_kept(tmp_path: Path) -> None:
    paths = pairs(tmp_path, [("d", "kestrel")])
    keyed = making(DomainPlan())
    first = entries(paths, (), keyed)
    assert entries(paths, first, keyed) == first
    assert "give the job another name" in refused(paths, first, making(DomainPlan(), key="other"))
    assert "give the job another name" in refused(paths, first, making(DomainPlan(length=9)))


def test_mappings_that_contradict_one_another(tmp_path: Path) -> None:
    known = [Entry("d", "kestrel", "1", "2020-01-01"), Entry("d", "kestrel", "2", "2020-01-01")]
    assert "cannot be used together" in refused(pairs(tmp_path, [("d", "x")]), known, making())
    shared = [Entry("d", "kestrel", "00001", "2020-01-01"), Entry("d", "b", "00001", "2020-01-01")]
    assert "would share" in refused(pairs(tmp_path, [("d", "x")]), shared, making())


def test_digests_follow_what_a_shard_uses(tmp_path: Path) -> None:
    one, other = pairs(tmp_path, PATIENTS[:3], PATIENTS[3:6])
    names = {pair: str(number) for number, pair in enumerate(PATIENTS)}
    given = lambda domain, original: names[domain, original]  # noqa: E731
    before = digest_of([one], given), digest_of([other], given), digest_of([one, other], given)
    assert len(set(before)) == 3
    names[PATIENTS[0]] = "another"
    assert (digest_of([one], given) != before[0], digest_of([other], given) == before[1]) == (True, True)


# ---- the file --------------------------------------------------------------------------------------------------


@given(st.lists(st.builds(Entry, texts, texts, texts, st.just("2026-11-24"))))
def test_a_file_gives_back_what_went_in(tmp_path_factory: pytest.TempPathFactory, some: list[Entry]) -> None:
    path = tmp_path_factory.mktemp("m") / "mappings" / "mapping.ndjson"
    write_mapping(path, some)
    assert list(read_mapping(path)) == some
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        '{"domain":"kestrel"}',
        json.dumps({"domain": "d", "original": "o", "pseudonym": 1, "firstSeen": "x"}),
    ],
)
def test_lines_that_are_no_entries(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mapping.ndjson"
    write_mapping(path, [Entry("d", "o", "p", "2026-11-24")])
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(InputError, match=r"mapping\.ndjson:2: no entry of a mapping") as caught:
        list(read_mapping(path))
    assert "kestrel" not in str(caught.value)


def test_counts() -> None:
    some = [(Entry(domain, str(n), str(n), ""), True) for n, domain in enumerate("abab")]
    assert counts_of(some) == {"a": 2, "b": 2}
