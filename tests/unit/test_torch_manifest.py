"""The manifest of a TORCH job: which files, where, and whether all (torch-crtdl.md 1.4, 3.4)."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.clients.torch.manifest import Manifest, ManifestError, ResultFile, read_manifest
from torch_manifests import (
    BASE,
    BATCHES,
    FILES,
    JOB,
    OTHER_JOB,
    body,
    entry,
    extension,
    job,
    legacy,
    manifest,
)

HERE = f"https://torch.example/files/{JOB}"
NAMES = ("core.ndjson", *(f"{batch}.ndjson" for batch in sorted(BATCHES)))
B = BATCHES[0]


def read(found: object, *, files: str = "", base: str = BASE, legacy: bool = False) -> Manifest:
    raw = found if isinstance(found, bytes) else body(found)
    return read_manifest(raw, job_id=JOB, base_url=base, file_server_url=files, allow_legacy=legacy)


def fault(found: object, *, again: bool = False, **more: Any) -> str:
    """The message of the fault, checked for what all of them have to be."""
    with pytest.raises(ManifestError) as caught:
        read(found, **more)
    text = str(caught.value)
    assert text.startswith(f"TORCH job {JOB}: ") and text.isprintable() and caught.value.again is again
    assert "secret" not in text and "p-17" not in text and caught.value.__cause__ is None
    return text


def output(*entries: object) -> dict[str, Any]:
    """A manifest with other entries, for what is refused before their number is looked at."""
    return manifest(output=list(entries))


def test_all_is_there() -> None:
    found = read(manifest())
    assert found == Manifest(
        files=tuple(ResultFile(name, f"{HERE}/{name}") for name in NAMES),
        cohort_patients=12, final_patients=10, legacy=False, warnings=(), left_out=(),
    )  # fmt: skip


@pytest.mark.parametrize("server", [FILES, f"{FILES}/"])
@pytest.mark.parametrize(
    "folder", [f"http://localhost/{JOB}", f"https://user.example/{JOB}", f"/{JOB}", JOB, f"./{JOB}", f"localhost:80/x/{JOB}", f"//h/{JOB}"]
)  # fmt: skip
def test_with_a_file_server_only_names_count(folder: str, server: str) -> None:
    found = read(manifest(output=[entry(name, folder=folder) for name in NAMES]), files=server)
    assert found.files == tuple(ResultFile(name, f"{FILES}/{JOB}/{name}") for name in NAMES)


@pytest.mark.parametrize(
    ("folder", "address"),
    [
        (f"https://torch.example/files/{JOB}", f"https://torch.example/files/{JOB}"),
        (f"HTTPS://TORCH.example:443/files/{JOB}", f"https://torch.example/files/{JOB}"),
        (f"//torch.example/{JOB}", f"https://torch.example/{JOB}"),
        (f"/files/{JOB}", f"https://torch.example/files/{JOB}"),
        (f"/{JOB}", f"https://torch.example/{JOB}"),
        (JOB, f"{BASE}/{JOB}"),
        (f"./{JOB}", f"{BASE}/{JOB}"),
    ],
)
def test_without_a_file_server_files_lie_on_our_own(folder: str, address: str) -> None:
    found = read(manifest(output=[entry(name, folder=folder) for name in NAMES]), base=f"{BASE}/")
    assert [file.url for file in found.files] == [f"{address}/{name}" for name in NAMES]


@pytest.mark.parametrize(
    ("folder", "there"),
    [
        (f"http://localhost:8086/{JOB}", "http://localhost:8086"),
        (f"http://torch.example/{JOB}", "http://torch.example"),
        (f"https://torch.example:8443/{JOB}", "https://torch.example:8443"),
        (f"https://torch.example.evil/{JOB}", "https://torch.example.evil"),
        (f"//evil/{JOB}", "https://evil"),
    ],
)
def test_another_server_is_not_asked(folder: str, there: str) -> None:
    text = fault(output(entry("core.ndjson", folder=f"{folder}")))
    assert (
        f"files lie on {there}, not on https://torch.example;" in text
        and "set services.torch.file_server_url" in text
    )


@pytest.mark.parametrize("folder", [f"files/{JOB}", f"torch.example/{JOB}", f"torch.example:80/{JOB}", f"ftp://torch.example/{JOB}", f"https:///{JOB}", f"http://[::/{JOB}"])  # fmt: skip
def test_addresses_without_a_server_need_one(folder: str) -> None:
    assert "services.torch.file_server_url" in fault(output(entry("core.ndjson", folder=folder)))


@pytest.mark.parametrize("files", ["", FILES])
@pytest.mark.parametrize(
    "url",
    [
        f"{HERE}/../{JOB}/core.ndjson", f"https://torch.example/../{JOB}/core.ndjson", f"{HERE}/../core.ndjson", f"{HERE}/%2e%2e/core.ndjson",
        f"https://torch.example/x%2F{JOB}/core.ndjson", f"{HERE}/core%2endjson", f"https://torch.example\\@evil/{JOB}/core.ndjson",
        f"https://secret:secret@torch.example/{JOB}/core.ndjson", f"{HERE}/core.ndjson?token=secret", f"{HERE}/core.ndjson#secret",
        f"{HERE}/ core.ndjson", f"{HERE}/core.ndjson\n", f"https://torch.example/{JOB}\t/core.ndjson", f"https://törch.example/{JOB}/core.ndjson",
        f"{HERE}/..", f"../{JOB}/core.ndjson", f"{HERE}/core.ndjson\x00",
    ],
)  # fmt: skip
def test_tricks_in_an_address(url: str, files: str) -> None:
    assert "an address that TORCH does not make" in fault(
        output({"url": url, "type": "NDJSON Bundle"}), files=files
    )


@pytest.mark.parametrize("files", ["", FILES])
def test_the_folder_has_to_be_that_of_the_job(files: str) -> None:
    assert "another job" in fault(
        output(entry("core.ndjson", folder=f"https://torch.example/{OTHER_JOB}")), files=files
    )
    for folder in (
        "https://torch.example",
        "https://torch.example/secret",
        f"{HERE}/reports",
        f"https://torch.example/x{JOB}",
    ):
        assert "does not lie in the folder of the job" in fault(
            output(entry("core.ndjson", folder=folder)), files=files
        )


@pytest.mark.parametrize(
    "name",
    ["job.json", "secret.ndjson", "core.ndjson.gz", "Core.ndjson", "core.json", "", ".ndjson", f"{B}.ndjson.gz", f"{B.upper()}.ndjson",
     f"x{B}.ndjson", "..ndjson", f"{B}_secret.ndjson", B],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert "neither core.ndjson nor {uuid}.ndjson" in fault(output(entry(name)))


def test_what_is_listed_twice() -> None:
    assert "lists core.ndjson more than once" in fault(output(entry("core.ndjson"), entry("core.ndjson")))
    assert f"lists {B}.ndjson more than once" in fault(
        output(*(entry(f"{B}.ndjson", folder=f"/{x}/{JOB}") for x in "ab")), files=FILES
    )


@pytest.mark.parametrize(
    ("found", "reason", "again"),
    [
        (b"", "is empty", True), (b" \n", "is empty", True), (b'{"output": [', "not whole", True), (b"OK", "no JSON", True),
        (b'{"output": []} x', "no JSON", True), (b"\xff{}", "no JSON", True), (b"[" * 200_000, "no JSON", True), (b"\xff\xfe{\x00", "no JSON", True),
        (b"<html>secret</html>", "a page in HTML", True), (b"\n <!doctype html>secret", "a page in HTML", True),
        (b"[]", "not a JSON object", False), (b"null", "not a JSON object", False), (b'"secret"', "not a JSON object", False), (b"17", "not a JSON object", False),
        ({}, "has no `output`", False), ({"resourceType": "OperationOutcome"}, "has no `output`", False),
        (manifest(output="secret"), "not a list", False), (manifest(output=None), "not a list", False), (manifest(output={}), "not a list", False),
        (output("secret"), "output[0] of the manifest is not an object", False), (output(entry("core.ndjson"), None), "output[1]", False),
        (output({"type": "NDJSON Bundle"}), "output[0] of the manifest has no url", False), (output({"url": ""}), "has no url", False),
        (output({"url": ["secret"]}), "has no url", False), (output({"url": None}), "has no url", False),
        (manifest(error=[{"url": "secret"}]), "`error` of the manifest lists 1 files", False), (manifest(error="secret"), "unknown form", False),
        ({"resourceType": "Parameters"}, "`parameter` of the manifest is not a list", False),
    ],
)  # fmt: skip
def test_what_is_no_manifest(found: object, reason: str, again: bool) -> None:
    assert reason in fault(found, again=again)


def test_every_cut_of_a_manifest_may_be_read_again() -> None:
    whole = body(manifest())
    for end in range(0, len(whole), 7):
        fault(whole[:end], again=True)


def test_what_is_left_out() -> None:
    extra = [
        entry("errors.ndjson", type_="OperationOutcome", folder="http://evil"), {"url": "x", "type": "secret-1"}, {"url": "y", "type": 7},
        entry(f"{B}_consent.ndjson"), entry(f"{B}_consent.ndjson", type_="Consent"),
    ]  # fmt: skip
    found = read(manifest(output=[*extra, *manifest()["output"]], deleted=[{"url": "secret"}]))
    assert [file.name for file in found.files] == list(NAMES)
    assert found.left_out == (
        "output[0] of the manifest: left out, an entry of type OperationOutcome",
        "output[1] of the manifest: left out, an entry of unknown type",
        "output[2] of the manifest: left out, an entry of unknown type",
        f"{B}_consent.ndjson: left out, a consent audit file of TORCH",
        "output[4] of the manifest: left out, an entry of type Consent",
        "`deleted` of the manifest: left out, nothing is deleted here",
    )


def test_data_of_another_type_is_missed() -> None:
    entries = [
        entry(name, type_="OperationOutcome" if name == "core.ndjson" else "NDJSON Bundle") for name in NAMES
    ]
    assert "does not list core.ndjson" in fault(manifest(output=entries))


@pytest.mark.parametrize("change", [{"type": "Bundle"}, {"type": None}, {"extra": "x"}])
def test_types_that_are_data_too(change: dict[str, object]) -> None:
    assert len(read(manifest(output=[entry(name) | change for name in NAMES])).files) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": OTHER_JOB}, "that of another job"), ({"id": None}, "that of another job"),
        ({"status": "RUNNING_PROCESS_CORE"}, "is RUNNING_PROCESS_CORE, not COMPLETED"), ({"status": "secret"}, "is unknown, not COMPLETED"), ({"status": None}, "is unknown"),
        ({"batches": {}}, "0 batches are finished, but the manifest lists 2 files"), ({"batches": None}, "does not say which batches"), ({"batches": []}, "does not say"),
        ({"batches": job([*BATCHES, OTHER_JOB])["batches"]}, "3 batches are finished, but the manifest lists 2"),
        ({"batches": job([B, OTHER_JOB])["batches"]}, f"lists {BATCHES[1]}.ndjson, but no such batch"),
        ({"batches": job()["batches"] | {B: {"state": {"status": "SKIPPED"}}}}, "1 batches are finished, but the manifest lists 2"),
        ({"batches": job()["batches"] | {B: {"state": "FINISHED"}}}, "1 batches"), ({"batches": job()["batches"] | {B: "secret"}}, "1 batches"),
        ({"coreState": {"status": "SKIPPED"}}, "lists core.ndjson, but the core resources are not finished"), ({"coreState": None}, "are not finished"),
    ],
)  # fmt: skip
def test_results_that_are_not_complete(change: dict[str, object], reason: str) -> None:
    assert reason in fault(manifest(job() | change))
    assert reason in fault(
        manifest(job() | change), legacy=True
    )  # that setting is for servers that give no proof


def test_core_resources_that_are_missing() -> None:
    assert "does not list core.ndjson" in fault(manifest(output=manifest()["output"][:-1]))
    assert len(read(manifest(job(core="SKIPPED"), output=manifest()["output"][:-1])).files) == 2


def test_skipped_batches_have_no_file() -> None:
    skipped = job()["batches"] | {OTHER_JOB: {"state": {"status": "SKIPPED"}}}
    assert len(read(manifest(job() | {"batches": skipped})).files) == 3


def test_nobody_is_left() -> None:
    found = read(manifest(job([], core="SKIPPED"), output=[], cohort=0, final=0))
    assert found.files == () and found.final_patients == 0
    assert [file.name for file in read(manifest(job([]), output=[entry("core.ndjson")], final=0)).files] == [
        "core.ndjson"
    ]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (manifest(cohort=9), "counts 10 patients with results in a cohort of 9"),
        *((manifest(final=count), "Num-Final-Patients in the manifest is no count") for count in (-1, "7", 1.5, True, [])),
        (manifest(cohort="secret"), "Num-Cohort-Patients in the manifest is no count"),
        (manifest(extension=[extension("torch-job", job()), extension("torch-job-diagnostics-summary", [])]), "no count"),
        (manifest(extension=[extension("torch-job", job())] * 2), "torch-job more than once"),
        (manifest(extension=[extension("torch-job", "secret")]), "torch-job of the manifest is not an object"),
    ],
)  # fmt: skip
def test_extensions_that_cannot_be_right(found: object, reason: str) -> None:
    assert reason in fault(found)


def test_without_counts() -> None:
    for found in (manifest(extension=[extension("torch-job", job())]), manifest(final=None)):
        one = read(found)
        assert one.final_patients is None and "does not count the patients" in one.warnings[0]


def test_an_address_may_stand_beside_the_summary() -> None:
    """TORCH gives the summary as an address and as an object; our facts do not say whether in one extension or in two."""
    address = "https://torch.example/reports/job-summary.json"
    first, summary, *others = manifest()["extension"]
    apart = {"url": summary["url"], "valueUrl": address}
    for extensions in ([first, apart, summary, *others], [first, summary | {"valueUrl": address}, *others]):
        assert read(manifest(extension=extensions)).final_patients == 10


def test_short_addresses_of_extensions_count_too() -> None:
    short = [
        extension("torch-job", job(), ""),
        extension("torch-job-diagnostics-summary", {"Num-Final-Patients": 3}, ""),
    ]
    assert read(manifest(extension=[*short, None, "x", {"url": 7}])).final_patients == 3


@pytest.mark.parametrize("extensions", [[], None, "secret", {}, [extension("torch-job-issues", [])]])
def test_a_server_before_1_0(extensions: object) -> None:
    old = manifest(extension=extensions)
    text = fault(old)
    assert "services.torch.allow_legacy_torch: true" in text and "after a restart" in text
    found = read(old, legacy=True)
    assert found.legacy and found.final_patients is None and len(found.files) == 3
    assert len(found.warnings) == 1 and "services.torch.allow_legacy_torch" in found.warnings[0]


def test_manifests_of_old_servers() -> None:
    old = legacy(*(entry(name) for name in reversed(NAMES)), deleted=[{"url": "secret"}])
    found = read(old, legacy=True)
    assert [file.name for file in found.files] == list(NAMES) and len(found.left_out) == 1
    assert "lists 2 files of errors" in fault(legacy(error=[{}, {}]), legacy=True)
    assert "more than once" in fault(legacy(entry("core.ndjson"), entry("core.ndjson")), legacy=True)
    assert "does not make" in fault(legacy(entry("../core.ndjson")), legacy=True)


@pytest.mark.parametrize("member", ["valueUrl", "valueUri", "valueString"])
def test_manifests_that_are_parameters(member: str) -> None:
    parameters: list[object] = [{"name": "transactionTime", "valueInstant": "x"}, "x"]
    parameters += [
        {
            "name": "output",
            "part": [
                {"name": "type", "valueCode": "NDJSON Bundle"},
                {"name": "url", member: f"{HERE}/{name}"},
                1,
            ],
        }
        for name in NAMES
    ]
    parameters += [
        {
            "name": "output",
            "part": [{"name": "type", "valueCode": "OperationOutcome"}, {"name": "url", member: "x"}],
        }
    ]
    found = read({"resourceType": "Parameters", "parameter": parameters}, legacy=True)
    assert (
        found.files == tuple(ResultFile(name, f"{HERE}/{name}") for name in NAMES)
        and len(found.left_out) == 1
    )
    assert "allow_legacy_torch" in fault({"resourceType": "Parameters", "parameter": parameters})
    for part in ([], None, [{"name": "type"}], [{"name": "url"}]):
        assert "output[0] of the manifest has no url" in fault(
            {"resourceType": "Parameters", "parameter": [{"name": "output", "part": part}]}, legacy=True
        )


def test_warnings() -> None:
    issues = (
        {"severity": "information", "msg": "slow"}, {"severity": "WARNING", "msg": "Patient/p-17 without consent", "diagnostics": "x"},
        {"severity": "warning", "msg": "Patient/p-18 without consent"}, {"severity": "error", "diagnostics": "only\nthis"}, {"severity": "secret"}, None, "x",
    )  # fmt: skip
    assert read(manifest(issues=issues)).warnings == (
        "TORCH: error: only this", "TORCH: warning: Patient/… without consent (2 times)", "TORCH: information: slow", "TORCH: issue: no text",
    )  # fmt: skip
    many = tuple({"severity": "warning", "msg": f"text {'a' * number}"} for number in range(1, 26))
    lines = read(manifest(issues=many)).warnings
    assert (
        len(lines) == 11 and lines[10] == "TORCH: 15 more of 25 issues; see torch-job-issues in the manifest"
    )
    assert len(read(manifest(issues=({"msg": "word " * 1000},))).warnings[0]) < 330
    assert read(manifest(issues="secret")).warnings == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["FINISHED", "COMPLETED", JOB, f"/{JOB}/core.ndjson"]) | st.text(max_size=5),
    lambda sub: st.lists(sub, max_size=3) | st.dictionaries(st.sampled_from(["url", "type", "valueObject", "state", "status", "name", "part", "msg"]), sub),
    max_leaves=8,
)  # fmt: skip


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, sub in inner for place in places(sub, (*path, key)))]


@given(st.data(), json_values, st.booleans())
def test_nothing_in_a_manifest_is_trouble(data: st.DataObject, value: object, allow: bool) -> None:
    """Whatever stands anywhere, a manifest is read or refused with a line of ours, and all that is read is ours to fetch."""
    found: Any = json.loads(body(manifest(issues=({"severity": "error", "msg": "x"},))))
    *path, last = data.draw(st.sampled_from(places(found)[1:]))
    place = found
    for key in path:
        place = place[key]
    place[last] = value
    try:
        read_ = read(found, legacy=allow)
    except ManifestError as error:
        assert str(error).isprintable() and "p-17" not in str(error)
    else:
        assert all(
            re.fullmatch(rf"https://torch\.example/[a-z/]*{JOB}/[a-f0-9-]*(core)?\.ndjson", file.url)
            for file in read_.files
        )
        assert read_.legacy <= allow
