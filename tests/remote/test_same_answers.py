"""A service gives what the embedded engine gives, however resources are sent: alone, packed, cut, with the rule set or without."""

from pathlib import Path

import pytest
from shards import RULESETS, TODAY, Shards, bundle, parsed, patient

from dimpflow.engine.packing import why_not_packed
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from doubles.dimp import DimpDouble
from generate import generate

PACKABLE = ["minimal", "mii-like"]
NOT_PACKABLE = ["hipaa-like", "general"]
"""They shift dates by the id of what comes as a whole."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("cohort")
    for shape in ("ndjson", "torch"):
        generate(folder / shape, patients=6, seed=21, shape=shape)  # type: ignore[arg-type]
    files = sorted(path for path in folder.rglob("*.ndjson") if not path.stem.endswith("_consent"))
    return [line for path in files for line in path.read_bytes().splitlines()]


WAYS = [
    *((name, pack, limit) for name in PACKABLE for pack in (1, 100) for limit in (1 << 30, 20_000)),
    *((name, 1, 1 << 30) for name in NOT_PACKABLE),
    ("hipaa-like", 1, 20_000),  # the rules of general look at Bundles as a whole
]


@pytest.mark.parametrize("name", [*PACKABLE, *NOT_PACKABLE])
def test_which_rule_sets_may_be_packed(name: str) -> None:
    rule_set = load_rule_set(RULESETS / f"{name}.yaml", {}, Options(reference_date=TODAY))
    assert (why_not_packed(rule_set) == "") == (name in PACKABLE)


@pytest.mark.parametrize(("name", "pack", "limit"), WAYS)
def test_equal_to_the_engine(tmp_path: Path, lines: list[bytes], name: str, pack: int, limit: int) -> None:
    rules = RULESETS / f"{name}.yaml"
    data = Shards(tmp_path / "x", lines, rules, shards=2, limit=limit)
    with DimpDouble(rules, reference_date=TODAY) as double:
        done = data.remote(double.url, pack=pack)
        assert parsed(done) == parsed(data.embedded())
        if pack > 1:
            assert len(double.posts) < len(lines)
        else:
            assert len(double.posts) >= len(lines)
        assert double.peak <= 4
    assert not data.journal(1).exists() and not data.journal(2).exists()
    counts = [data.counts(k) for k in (1, 2)]
    assert sum(count["lines"] for count in counts) == len(lines)
    assert sum(sum(count["resources"].values()) for count in counts) == len(lines)


def test_with_the_rule_set_in_each_request(tmp_path: Path, lines: list[bytes]) -> None:
    data = Shards(tmp_path, lines[:60], RULESETS / "mii-like.yaml")
    with DimpDouble(RULESETS / "minimal.yaml", reference_date=TODAY) as double:
        assert parsed(data.remote(double.url, along=True, pack=10, compress=True)) == parsed(data.embedded())
        assert all(seen.parameters == ("config", "resource") for seen in double.posts)
        heads = [(seen.headers["content-encoding"], seen.headers["accept-encoding"]) for seen in double.posts]
        assert set(heads) == {("gzip", "gzip, deflate")}
        data.remote(double.url, identity="plain")
        plain = double.posts[-1].headers
        assert "content-encoding" not in plain and plain["accept-encoding"] == "identity"


def test_with_settings(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "fhirVersion: R4\nparameters: {cryptoHashKey: k}\nfhirPathRules: [{path: Resource.id, method: pseudonymize}]\n"
    )
    data = Shards(tmp_path / "x", [patient(n) for n in range(5)], rules)
    with DimpDouble(rules, reference_date=TODAY) as double:
        plain = data.remote(double.url)
        other = data.remote(double.url, settings={"domain": "d", "domain-prefix": "s-"})
    assert parsed(plain) == parsed(data.embedded()) and len(parsed(other)) == 5 and plain != other


@pytest.mark.parametrize("ending", ["", "/", "/fhir", "/fhir/"])
def test_addresses(tmp_path: Path, ending: str) -> None:
    data = Shards(tmp_path, [patient(1)], RULESETS / "minimal.yaml")
    with DimpDouble(data.rules, reference_date=TODAY) as double:
        assert parsed(data.remote(double.url + ending)) == parsed(data.embedded())


def test_resources_of_the_type_parameters_are_no_request(tmp_path: Path) -> None:
    inner = b'{"name":"resource","resource":%s}' % patient(1)
    lines = [
        b'{"resourceType":"Parameters","id":"x","parameter":[%s]}' % inner,
        patient(2),
        b'{"id":"y", "resourceType" : "Parameters"}',
    ]
    data = Shards(tmp_path, lines, RULESETS / "minimal.yaml")
    with DimpDouble(data.rules, reference_date=TODAY) as double:
        done = parsed(data.remote(double.url, pack=10))
    assert done == parsed(data.embedded())
    assert [resource["resourceType"] for resource in done] == ["Parameters", "Patient", "Parameters"]


def test_what_the_service_refuses(tmp_path: Path) -> None:
    bad = b'{"resourceType":"Patient","id":"b","nickname":"Secret"}'
    lines = [patient(n) for n in range(50)]
    lines[17], lines[40] = bad, bad
    for pack in (1, 16):
        data = Shards(tmp_path / str(pack), lines, RULESETS / "minimal.yaml")
        with DimpDouble(data.rules, reference_date=TODAY) as double:
            with pytest.raises(Exception, match=r"import\.ndjson: 2 lines refused") as error:
                data.remote(double.url, pack=pack)
            message = str(error.value)
            assert (
                f"{data.imported}:18: the service fails on it (status 500)" in message and ":41: " in message
            )
            assert "Secret" not in message and "nickname" not in message
            assert not data.out(1).exists() and data.journal().exists()
            before = len(double.posts)
            done = data.remote(double.url, pack=pack, on_invalid="quarantine")
            assert len(double.posts) - before < before  # what was answered is not asked again
        assert parsed(done) == parsed(data.embedded("quarantine"))
        assert data.rejected(1).read_bytes() == (bad + b"\n") * 2
        assert (data.counts()["lines"], data.counts()["rejected"]) == (48, 2)


def test_a_bundle_is_cut_and_joined_where_the_service_finds_it_too_large(tmp_path: Path) -> None:
    data = Shards(tmp_path, [bundle(1, 40), patient(1), bundle(2, 3)], RULESETS / "mii-like.yaml")
    with DimpDouble(data.rules, reference_date=TODAY, limit=1500) as double:
        assert parsed(data.remote(double.url)) == parsed(data.embedded())
        assert sum(seen.status == "413" for seen in double.posts) >= 3


def test_what_is_too_large_and_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    data = Shards(tmp_path, [patient(1), bundle(1, 1)], RULESETS / "minimal.yaml")
    with (
        DimpDouble(data.rules, reference_date=TODAY, limit=150) as double,
        pytest.raises(Exception, match=r":2: larger than the service accepts \(status 413\)"),
    ):
        data.remote(double.url)
