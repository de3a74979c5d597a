"""dimpflow.steps.imports: every byte of a good line passes, and a bad line is named without its content."""

import gzip
import hashlib
import json
import math
import stat
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dimpflow.errors import InputError
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.sources import find_sources
from dimpflow.steps.imports import import_source

PATIENT = b'{"resourceType":"Patient","id":"a","x":[1.10,-0,1E+2,"\\u00fc\\/",null]}'
UMLAUT = '{ "id":"ü😀" , "resourceType" : "Observation"\t}'.encode()
SECRET = "Mustermann"


def job_files(folder: Path) -> tuple[Path, Path, Path]:
    """Data, manifest and rejected lines."""
    zone = folder / "import"
    return zone / "a.ndjson", zone / "a.json", zone / "rejected" / "a.ndjson"


def run(
    folder: Path, content: bytes, name: str = "a.ndjson", on_invalid: Literal["fail", "quarantine"] = "fail"
) -> tuple[bytes, dict[str, Any], bytes | None]:
    """Import `content`; give the imported bytes, the manifest and the rejected bytes."""
    packers = {"gz": gzip.compress, "st": zstandard.ZstdCompressor().compress}
    raw = packers.get(name[-2:], bytes)(content)
    (folder / name).write_bytes(raw)
    (source,) = find_sources([str(folder / name)]).sources
    paths = out, manifest, rejected = job_files(folder)
    import_source(source, *paths, on_invalid)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.exists()} == {0o600}
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o700
    assert [path.name for path in out.parent.rglob(".*")] == []
    facts = orjson.loads(manifest.read_bytes())
    assert facts["sha256_input"] == hashlib.sha256(raw).hexdigest()
    assert facts["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert facts["bytes"] == out.stat().st_size
    return out.read_bytes(), facts, rejected.read_bytes() if rejected.exists() else None


def refused(folder: Path, content: bytes, name: str = "a.ndjson") -> str:
    with pytest.raises(InputError) as caught:
        run(folder, content, name)
    message = str(caught.value)
    assert SECRET not in message
    assert not [path for path in (folder / "import").rglob("*") if path.is_file()]
    return message


def test_manifest(tmp_path: Path) -> None:
    content = PATIENT + b"\n" + UMLAUT + b"\n" + PATIENT + b"\n"
    out, facts, rejected = run(tmp_path, content)
    assert (out, rejected) == (content, None)
    digest = hashlib.sha256(content).hexdigest()
    assert facts == {
        "source": "a",
        "lines": 3,
        "bytes": len(content),
        "longest_line": len(PATIENT),
        "resources": {"Observation": 1, "Patient": 2},
        "rejected": 0,
        "sha256_input": digest,
        "sha256": digest,
    }


line_ends = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\r\n"])


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.sampled_from([PATIENT, UMLAUT, b"  " + PATIENT + b" "]), max_size=6),
    ends=st.lists(line_ends, min_size=6, max_size=6),
    bom=st.booleans(),
    last_end=st.booleans(),
    name=st.sampled_from(["a.ndjson", "a.ndjson.gz", "a.NDJSON.zst"]),
)
@example([], [b"\n"] * 6, True, False, "a.ndjson")
def test_bom_crlf_blank_lines_and_a_missing_last_end_are_mended(
    lines: list[bytes], ends: list[bytes], bom: bool, last_end: bool, name: str
) -> None:
    content = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    content = (b"\xef\xbb\xbf" if bom else b"") + (content if last_end else content.rstrip(b"\r\n"))
    with tempfile.TemporaryDirectory() as folder:
        out, facts, _ = run(Path(folder), content, name)
    assert out == b"".join(line + b"\n" for line in lines)
    assert facts["lines"] == len(lines) == sum(facts["resources"].values())
    assert facts["longest_line"] == max(map(len, lines), default=0)


def test_many_blocks_with_mending_in_the_middle(tmp_path: Path) -> None:
    clean = (PATIENT + b"\n") * 5000
    out, facts, _ = run(tmp_path, clean + PATIENT + b"\r\n\n" + clean)
    assert out == clean + PATIENT + b"\n" + clean
    assert facts["lines"] == 10_001 and facts["resources"] == {"Patient": 10_001}


def test_lines_longer_than_blocks(tmp_path: Path) -> None:
    lines = [
        b'{"resourceType":"Binary","data":"' + b"A" * n + b'"}' for n in (5, 300_000, 131_072, 7, 131_037, 9)
    ]
    for end in (b"\n", b"\r\n"):
        out, facts, _ = run(tmp_path, end.join(lines))
        assert out == b"\n".join(lines) + b"\n"
        assert facts["longest_line"] == len(lines[1]) and facts["lines"] == 6


def test_all_resource_types_pass_and_other_types_do_not(tmp_path: Path) -> None:
    line = '{"resourceType":"%s"}\n'
    _, facts, _ = run(tmp_path, "".join(line % name for name in sorted(RESOURCE_TYPES)).encode())
    assert facts["lines"] == len(RESOURCE_TYPES) == 146
    for name in ("patient", "HumanName", "DomainResource", "Resource", "", SECRET):
        with pytest.raises(InputError, match=r"a.ndjson:1: not FHIR R4: unknown resourceType"):
            run(tmp_path, (line % name).encode())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (PATIENT[:40], "not JSON: the line ends too early, it seems cut off"),
        (PATIENT[:-1], "not JSON: the line ends too early, it seems cut off"),
        (b"[" + PATIENT + b"]", "not FHIR: JSON array, not an object"),
        (b'"Mustermann"', "not FHIR: JSON str, not an object"),
        (b"1234", "not FHIR: JSON int, not an object"),
        (b"null", "not FHIR: JSON null, not an object"),
        (b'{"name":"Mustermann"}', "not FHIR: no resourceType"),
        (b'{"resourceType":"Mustermann"}', "not FHIR R4: unknown resourceType"),
        (b'{"resourceType":{"Mustermann":1}}', "not FHIR: resourceType is not a string"),
        (b'{"resourceType":null}', "not FHIR: resourceType is not a string"),
        (b'{"resourceType":"Patient","name":"M\xfcstermann"}', "not UTF-8 at byte 36 of the line"),
        (b'{"resourceType":"M\xfcstermann"}', "not UTF-8 at byte 19 of the line"),
        (
            b'{"resourceType":"Patient"} Mustermann',
            "something follows the JSON object at byte 28 of the line",
        ),
        (PATIENT + PATIENT, f"something follows the JSON object at byte {len(PATIENT) + 1} of the line"),
        (b"Mustermann", "not JSON at byte 1 of the line"),
        (b'{"resourceType":"Patient","a":01}', "not JSON at byte 32 of the line"),
        (b'{"resourceType":"Patient","a":"x\ty"}', "not JSON at byte 33 of the line"),
        (b'{"resourceType":"Patient","a":' + b"[" * 5000 + b"]" * 5000 + b"}", "not FHIR: nested too deeply"),
        (b"\xef\xbb\xbf" + PATIENT, "not JSON at byte 1 of the line"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_bad_line_is_one_clear_line(tmp_path: Path, line: bytes, reason: str, end: bytes) -> None:
    ways_out = "mend the file, or set import.on_invalid: quarantine to set bad lines aside"
    good = PATIENT + b"\n\n" + PATIENT + b"\n"
    expected = f"{tmp_path}/a.ndjson:4: {reason}; {ways_out}"
    assert refused(tmp_path, good + line + end) == expected
    if end:
        assert refused(tmp_path, good + line + end + good) == expected


def test_the_first_20_bad_lines_and_their_number(tmp_path: Path) -> None:
    content = b"".join(PATIENT + b"\n" + b'{"name":"Mustermann"}\n' for _ in range(30))
    lines = refused(tmp_path, content).split("\n")
    assert lines[0].startswith(f"{tmp_path}/a.ndjson: 30 bad lines; mend") and "the first 20 are:" in lines[0]
    assert lines[1:] == [f"{tmp_path}/a.ndjson:{2 * i}: not FHIR: no resourceType" for i in range(1, 21)]


def test_quarantine(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = [b'{"name":"Mustermann"}', b"[1]", b"M\xfcller", PATIENT[:20]]
    content = b"".join(PATIENT + b"\n" + line + b"\n" for line in bad)
    out, facts, rejected = run(tmp_path, content, on_invalid="quarantine")
    assert out == (PATIENT + b"\n") * 4
    assert rejected == b"".join(line + b"\n" for line in bad)
    assert (facts["lines"], facts["rejected"]) == (4, 4)
    assert "a.ndjson:2: not FHIR: no resourceType; set aside" in caplog.text
    assert "4 bad lines set aside in" in caplog.text and SECRET not in caplog.text
    assert stat.S_IMODE((tmp_path / "import" / "rejected").stat().st_mode) == 0o700

    assert run(tmp_path, PATIENT, on_invalid="quarantine")[2] is None  # nothing is left of the earlier run


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.ndjson.zst"])
@pytest.mark.parametrize("on_invalid", ["fail", "quarantine"])
def test_a_truncated_archive_leaves_nothing(tmp_path: Path, name: str, on_invalid: Any) -> None:
    run(tmp_path, (PATIENT + b"\nbad\n") * 9, name, "quarantine")
    packed = (tmp_path / name).read_bytes()
    for file in ("a.ndjson", "a.json"):
        (tmp_path / "import" / file).unlink()
    (tmp_path / name).write_bytes(packed[:-6])
    (source,) = find_sources([str(tmp_path / name)]).sources
    with pytest.raises(InputError, match=rf"{name} is cut off: its end is missing"):
        import_source(source, *job_files(tmp_path), on_invalid)
    assert not [path for path in (tmp_path / "import").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.JSON.zst"])
def test_a_document_becomes_one_line(tmp_path: Path, name: str) -> None:
    pretty = b'\xef\xbb\xbf{\r\n  "resourceType" : "Bundle",\n  "entry" : [ {"x" : 1.10, "y":"a \\n b  \xc3\xbc"} ]\n}\n\n'
    out, facts, _ = run(tmp_path, pretty, name)
    assert out == b'{"resourceType":"Bundle","entry":[{"x":1.10,"y":"a \\n b  \xc3\xbc"}]}\n'
    assert facts["resources"] == {"Bundle": 1} and facts["longest_line"] == len(out) - 1


def test_a_document_on_one_line_keeps_its_bytes(tmp_path: Path) -> None:
    assert run(tmp_path, UMLAUT + b"\n", "a.json")[0] == UMLAUT + b"\n"
    assert run(tmp_path, b" \n", "a.json")[1]["lines"] == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[\n{"resourceType":"Patient"}\n]', "JSON array, not an object"),
        (b'{"resourceType":\n"Patient"', "the line ends too early"),
        (PATIENT + b"\n" + PATIENT + b"\n", "if the file has a resource on each line, name it .ndjson"),
        (b'{"name":\n"Mustermann"}', "no resourceType"),
    ],
)
def test_a_bad_document(tmp_path: Path, content: bytes, reason: str) -> None:
    message = refused(tmp_path, content, "a.json")
    assert f"{tmp_path}/a.json:1: " in message and reason in message and "\n" not in message
    out, facts, rejected = run(tmp_path, content, "a.json", "quarantine")
    assert (out, facts["rejected"], rejected) == (b"", 1, content + b"\n")


VALID = orjson.dumps({"resourceType": "Patient", "a": [1.5, -2e3, True, None, {"b": 'ü\n"\\'}], "c": {}})


def is_json(line: bytes) -> bool:
    """What RFC 8259 says, by Python's own parser; it lets through NaN and lone surrogates, and cannot nest deep."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        text = line.decode()
        json.dumps(json.loads(text, parse_constant=refuse), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


pieces = st.sampled_from(
    [
        b"\\",
        b'"',
        b"\\ud800",
        b"\\udc00\\u0041",
        b"\\ud83d\\ude00",
        b"-",
        b".",
        b"0",
        b"1e9",
        b",",
        b"]",
        b"}",
        b"\xc3",
        b" ",
    ]
)
changes = st.tuples(st.integers(26, len(VALID)), st.integers(0, 3), st.one_of(pieces, st.binary(max_size=2)))


@settings(max_examples=150, deadline=None)
@given(st.lists(changes, min_size=1, max_size=40))
def test_a_line_passes_if_and_only_if_it_is_json(changed: list[tuple[int, int, bytes]]) -> None:
    lines = [(VALID[:at] + insert + VALID[at + cut :]).replace(b"\n", b"") for at, cut, insert in changed]
    with tempfile.TemporaryDirectory() as folder:
        out, _, _ = run(Path(folder), b"".join(line + b"\n" for line in lines), on_invalid="quarantine")
    assert out.split(b"\n")[:-1] == [line.removesuffix(b"\r") for line in lines if is_json(line)]


def test_numbers_beyond_floats_pass_as_they_are(tmp_path: Path) -> None:
    line = b'{"resourceType":"Patient","x":[1e999,' + b"9" * 400 + b"]}\n"
    assert math.isinf(float("1e999"))
    assert run(tmp_path, line)[0] == line


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"])
@pytest.mark.parametrize("long", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str, long: bool) -> None:
    big = 30_000_000
    line = b'{"resourceType":"Binary","data":"' + b"A" * (big if long else 1000) + b'"}\n'
    content = line * (2 if long else big // 1000)
    (tmp_path / "warm").mkdir()
    run(tmp_path / "warm", PATIENT, name)
    packers = {"gz": lambda data: gzip.compress(data, 1), "st": zstandard.ZstdCompressor(level=1).compress}
    (tmp_path / name).write_bytes(packers.get(name[-2:], bytes)(content))
    (source,) = find_sources([str(tmp_path / name)]).sources
    del content
    tracemalloc.start()
    import_source(source, *job_files(tmp_path), "fail")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (1.2 * big if long else 0) + 8_000_000


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_the_shared_data_pass_unchanged(tmp_path: Path, shape: str) -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / shape
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/{shape} beside the project")
    for source in find_sources([str(folder)]).sources:
        out, manifest = tmp_path / f"{source.name}.ndjson", tmp_path / f"{source.name}.json"
        import_source(source, out, manifest, tmp_path / "rejected", "fail")
        assert out.read_bytes() == source.path.read_bytes()
