"""The cohort generator: valid, linked, reproducible, streaming; and the list of what it planted."""

import gzip
import re
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from canaries import find_canaries, surviving
from cohort import clinic
from cohort.names import kvnr
from dimpflow.fhir.model import decoder
from dimpflow.sources import find_sources
from generate import bytes_of, generate, main

KINDS = """birth_date city contact contained document email id kvnr mr name note order phone photo practitioner stranger
street visit"""
TYPES = """Patient RelatedPerson Encounter Condition Procedure Observation MedicationStatement ServiceRequest DocumentReference
Organization Practitioner"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("cohort")
    generate(folder / "c", 60, seed=5, canaries=folder / "canaries.jsonl")
    return folder / "c", folder / "canaries.jsonl"


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for path in sorted(folder.glob("*.ndjson")) for line in path.open("rb")]


def digest_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def references(node: object) -> list[str]:
    """All Reference.reference below a node."""
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if isinstance(node, dict):
        own = [node["reference"]] if isinstance(node.get("reference"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return []


def test_each_resource_is_strict_fhir_r4(cohort: tuple[Path, Path]) -> None:
    kinds: Counter[str] = Counter()
    for path in cohort[0].glob("*.ndjson"):
        for line in path.open("rb"):
            kind = orjson.loads(line)["resourceType"]
            decoder(kind).decode(line)
            for inner in orjson.loads(line).get("contained", []):
                decoder(inner["resourceType"]).decode(orjson.dumps(inner))
            kinds[kind] += 1
            assert path.stem == kind
    assert set(kinds) == set(TYPES.split())
    assert 15 <= (sum(kinds.values()) - kinds["Organization"] - kinds["Practitioner"]) / 60 <= 25


def test_ids_are_distinct_and_references_resolve(cohort: tuple[Path, Path]) -> None:
    resources = lines_of(cohort[0])
    keys = {f"{one['resourceType']}/{one['id']}" for one in resources}
    assert len({one["id"] for one in resources}) == len(keys) == len(resources)
    for one in resources:
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", one["id"])
        inner = {"#" + contained["id"] for contained in one.get("contained", [])}
        assert set(references(one)) <= keys | inner


def test_lines_are_as_long_as_real_ones(cohort: tuple[Path, Path]) -> None:
    sizes = [len(line) for path in cohort[0].glob("*.ndjson") for line in path.open("rb")]
    assert 1200 < sum(sizes) / len(sizes) < 2000


def test_patients_look_german(cohort: tuple[Path, Path]) -> None:
    text = (cohort[0] / "Patient.ndjson").read_text("utf-8")
    for wanted in (
        "ß",
        "ü",
        '"01',
        "Freiherr",
        '"maiden"',
        "humanname-own-prefix",
        "ADXP-streetName",
        "Postfach",
        '"photo"',
    ):
        assert wanted in text, wanted
    record = (cohort[0] / "Observation.ndjson").read_text("utf-8")
    assert re.search(r'"value":\d+\.\d0,', record), "decimals keep their last zero"


def test_same_seed_same_bytes_and_another_seed_other_patients(tmp_path: Path) -> None:
    for name, patients, seed in (("a", 12, 3), ("b", 12, 3), ("other", 12, 4), ("longer", 20, 3)):
        generate(tmp_path / name, patients, seed, canaries=tmp_path / f"{name}.jsonl")
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    longer = digest_of(tmp_path / "longer")
    for name, content in digest_of(tmp_path / "a").items():
        assert longer[name].startswith(content), "patient i hangs on seed and i only"
    ids = [{one["id"] for one in lines_of(tmp_path / name)} for name in ("a", "other")]
    assert not ids[0] & ids[1]


def test_torch_shape(tmp_path: Path) -> None:
    made = generate(tmp_path / "t", 230, seed=2, shape="torch")
    names = sorted(path.name for path in (tmp_path / "t").glob("*.ndjson"))
    batches = [name for name in names if re.fullmatch(r"[0-9a-f-]{36}\.ndjson", name)]
    consents = [name for name in names if name.endswith("_consent.ndjson")]
    assert (len(batches), len(consents), len(names)) == (3, 1, 5)
    found = find_sources([str(tmp_path / "t")])
    assert [source.path.name for source in found.sources] == ["core.ndjson", *batches]
    assert len(found.left_out) == 1
    core = orjson.loads((tmp_path / "t/core.ndjson").read_bytes())
    assert {entry["resource"]["resourceType"] for entry in core["entry"]} == {"Organization", "Practitioner"}
    sizes, resources = [], 0
    for name in batches:
        lines = (tmp_path / "t" / name).read_bytes().splitlines()
        sizes.append(len(lines))
        for line in lines:
            bundle = orjson.loads(line)
            decoder("Bundle").decode(line)
            entries = bundle["entry"]
            resources += len(entries)
            assert bundle["id"] and bundle["type"] == "transaction"
            assert [one["resource"]["resourceType"] for one in entries].count("Patient") == 1
            for one in entries:
                key = f"{one['resource']['resourceType']}/{one['resource']['id']}"
                assert one["request"] == {"method": "PUT", "url": key}
                assert one["fullUrl"].endswith("/" + key)
    assert sorted(sizes) == [30, 100, 100]
    assert made.resources.total() == resources + len(core["entry"])


def test_size_instead_of_patients(tmp_path: Path) -> None:
    made = generate(tmp_path / "c", size=2_000_000, seed=9)
    assert 2_000_000 <= made.bytes < 2_150_000
    assert made.bytes == sum(path.stat().st_size for path in made.files)
    assert [bytes_of(text) for text in ("500", "300k", "2M", "1.5G")] == [500, 300 << 10, 2 << 20, 3 << 29]


def test_many_files_hold_the_same_lines(tmp_path: Path) -> None:
    one = generate(tmp_path / "one", 40, seed=6)
    many = generate(tmp_path / "many", 40, seed=6, files=8)
    assert (one.lines, one.bytes, one.resources) == (many.lines, many.bytes, many.resources)
    assert len(list((tmp_path / "many").glob("Patient-*.ndjson"))) == 8
    joined = b"".join(path.read_bytes() for path in sorted((tmp_path / "many").glob("Condition-*.ndjson")))
    assert joined == (tmp_path / "one/Condition.ndjson").read_bytes()
    batches = generate(tmp_path / "batches", size=400_000, seed=6, files=5, shape="torch")
    assert len(batches.files) == 5 + 2, "five batches, core, consent"


def test_long_notes_make_large_bundles(tmp_path: Path) -> None:
    generate(tmp_path / "c", 4, seed=1, shape="torch", notes_kb=100)
    lines = [
        line
        for path in (tmp_path / "c").glob("*-*.ndjson")
        if "consent" not in path.name
        for line in path.open("rb")
    ]
    assert len(lines) == 4 and all(len(line) > 300_000 for line in lines)


@pytest.mark.parametrize("compress", ["gz", "zst"])
def test_compressed_files_hold_the_same_lines(tmp_path: Path, compress: Any) -> None:
    generate(tmp_path / "plain", 5, seed=1)
    for name in ("a", "b"):
        generate(tmp_path / name, 5, seed=1, compress=compress)
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b")
    packed = (tmp_path / f"a/Patient.ndjson.{compress}").read_bytes()
    opened = (
        gzip.decompress(packed)
        if compress == "gz"
        else zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    )
    assert opened == (tmp_path / "plain/Patient.ndjson").read_bytes()


def test_memory_does_not_grow_with_the_cohort(tmp_path: Path) -> None:
    peaks = []
    for patients in (20, 20, 120):  # the first fills caches
        tracemalloc.start()
        generate(tmp_path / "c", patients, canaries=tmp_path / "canaries.jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 500_000


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text("{}\n")
    with pytest.raises(SystemExit, match="did not make"):
        generate(tmp_path, 1)
    assert (tmp_path / "Patient.ndjson").read_text() == "{}\n"


def test_a_smaller_cohort_leaves_no_file_of_a_larger_one(tmp_path: Path) -> None:
    generate(tmp_path / "c", 20, files=4)
    generate(tmp_path / "c", 5)
    assert not list((tmp_path / "c").glob("*-*.ndjson"))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["--patients", "3", "--seed", "2", "--out", f"{tmp_path}/c", "--canaries", f"{tmp_path}/l.jsonl"]
        )
        == 0
    )
    assert "3 patients" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--out", f"{tmp_path}/c"])
    with pytest.raises(SystemExit):
        main(["--patients", "1", "--out", f"{tmp_path}/c", "--canaries", f"{tmp_path}/c/l.jsonl"])
    assert "must not lie in" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["A123456780", "T555558879"])
def test_health_insurance_numbers_have_a_right_check_digit(number: str) -> None:
    """The first is the official example of the German base profiles."""
    assert kvnr((ord(number[0]) - 65) * 10**8 + int(number[1:9])) == number


def test_each_canary_is_in_the_cohort(cohort: tuple[Path, Path]) -> None:
    folder, listed = cohort
    rows = [orjson.loads(line) for line in listed.open("rb")]
    wanted = {(row["kind"], row["value"]) for row in rows}
    assert {kind for kind, _ in wanted} == set(KINDS.split())
    assert all(len(value) >= 5 for _, value in wanted)
    assert surviving(sorted(folder.glob("*.ndjson")), listed) == wanted
    patients = {row["patient"] for row in rows}
    assert patients - {None} == {one["id"] for one in lines_of(folder) if one["resourceType"] == "Patient"}


def test_no_canary_occurs_in_what_may_stay(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    """Codes, displays, keys, dates of care, hashes: none of them looks like a canary by chance."""
    stays = [repr(value) for name, value in vars(clinic).items() if not name.startswith("_")]
    for one in lines_of(cohort[0]):
        stays += one.keys()
        stays += [
            one.get("recordedDate", ""),
            orjson.dumps(one.get("code")).decode() if "text" not in one.get("code", {}) else "",
        ]
        stays += [
            orjson.dumps(one.get(part)).decode()
            for part in ("period", "issued", "valueQuantity", "meta", "class")
        ]
    text = tmp_path / "stays.ndjson"
    text.write_text("\n".join(stays), "utf-8")
    assert len(text.read_bytes()) > 100_000
    assert find_canaries([text], cohort[1]) == []
