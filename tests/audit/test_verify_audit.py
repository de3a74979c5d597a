"""scripts/verify_audit.py: what was changed after the audit is found, whatever and wherever it is, and named."""

import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit_jobs import AuditedJob, make_job
from canaries import surviving
from certificates import owner
from dimpflow.audit.chain.record import sums_of
from dimpflow.audit.signing import Signer, signature_fault
from dimpflow.errors import InputError
from dimpflow.jobs.listing import read_job
from dimpflow.jobs.removal import identifying, remove
from dimpflow.layout import JobFolder
from dimpflow.ndjson import file_sha256, write_json
from verify_audit import main

ROOT = Path(__file__).parents[2]
SITE, OTHER = owner("site"), owner("other")
SIGNER = Signer(SITE.certificate, SITE.key, None)
TRIES = {"plain": 100, "signed": 40}

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    job = make_job(tmp_path_factory.mktemp("plain"))
    job.audit()
    return job


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    """With a packed result, and signed."""
    job = make_job(tmp_path_factory.mktemp("signed"), compression="gz")
    job.audit(signer=SIGNER)
    return job


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "site.pem"
    path.write_bytes(SITE.certificate)
    return path


@pytest.fixture
def spoilt(plain: AuditedJob, tmp_path: Path) -> AuditedJob:
    """A copy that a test may change."""
    place = tmp_path / "jobs" / "study"
    shutil.copytree(plain.folder.path, place)
    return replace(plain, folder=JobFolder(place))


def verify(job: AuditedJob, *arguments: str | Path) -> tuple[int, str]:
    """Exit code, and all that is said."""
    stdout, stderr = io.StringIO(), io.StringIO()
    place = job.folder.path
    code = main([place.name, "--jobs-dir", str(place.parent), *map(str, arguments)], stdout, stderr)
    return code, stdout.getvalue() + stderr.getvalue()


def findings(job: AuditedJob, *arguments: str | Path) -> dict[str, str]:
    """What is said of each file."""
    code, text = verify(job, "--json", *arguments)
    verdict: dict[str, Any] = json.loads(text)
    assert verdict["as_recorded"] is (code == 0) is (not verdict["findings"])
    found: dict[str, str] = {}
    for one in verdict["findings"]:
        found[one["path"]] = f"{found.get(one['path'], '')} {one['what']}".strip()
    return found


def listed_files(job: AuditedJob) -> list[Path]:
    """Every file that the audit vouches for, and those of the audit itself."""
    place = job.folder.path
    audit = json.loads((place / "audit" / "audit.json").read_bytes())
    names = {one["path"] for one in audit["artefacts"] if not one["outside"]}
    names |= {f"audit/{path.name}" for path in (place / "audit").iterdir()}
    return [place / name for name in sorted(names)]


def changed_byte(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ draw.randrange(1, 256)]) + content[at + 1 :]


def test_untouched_is_as_recorded(plain: AuditedJob) -> None:
    code, text = verify(plain, "--input", plain.given)
    assert code == 0
    assert "study: all is as recorded" in text and "not signed" in text
    audit = json.loads((plain.folder.path / "audit" / "audit.json").read_bytes())
    assert f"({len(audit['artefacts']) - 1} files hashed)" in text  # all but the rule set


@needs_openssl
@pytest.mark.parametrize("kind", ["plain", "signed"])
def test_a_changed_byte_anywhere_is_found_and_named(
    kind: str, request: pytest.FixtureRequest, certificate: Path
) -> None:
    job: AuditedJob = request.getfixturevalue(kind)
    arguments = ["--certificate", certificate] if kind == "signed" else []
    draw = random.Random(f"{kind} audit")
    files = [path for path in listed_files(job) if path.stat().st_size]
    if kind == "signed":  # each try starts openssl; what is not as with the other job is enough
        files = [path for path in files if path.parent.name == "audit" or "_results" in path.name]
    tried: set[str] = set()
    for number in range(max(TRIES[kind], len(files))):
        # each file once, the rest of the tries drawn
        path = files[number] if number < len(files) else draw.choice(files)
        name = path.relative_to(job.folder.path).as_posix()
        content = path.read_bytes()
        path.write_bytes(changed_byte(content, draw))
        try:
            found = findings(job, *arguments)
        finally:
            path.write_bytes(content)
        assert named(name, found), f"try {number}: {name} is not named"
        tried.add(name)
    assert {"audit/audit.json", "audit/audit.sha256", "dimp_results.json"} <= tried
    assert ("audit/audit.json.p7s" in tried) is (kind == "signed")
    assert findings(job, *arguments) == {}


def named(name: str, found: dict[str, str]) -> bool:
    """Whether a file is named, and no innocent one: a result and its parts are told together, and of audit.json and the digest
    beside it nobody can tell which was changed."""
    if name == "audit/audit.sha256":
        return name in found or any(name in what for what in found.values())
    audit = {"audit/audit.json", "audit/audit.sha256", "audit/audit.json.p7s"}
    related = {name, *(audit if name in audit else ()), "dimp_results.ndjson", "import_results.ndjson"}
    return name in found and found.keys() <= related


@pytest.mark.parametrize(
    "name",
    [
        "dimp_results.ndjson",
        "dimp/Patient/001-of-001.ndjson",
        "import/Observation.ndjson",
        "report/dimp.html",
        "audit/provenance.ndjson",
    ],
)
@pytest.mark.parametrize("how", ["removed", "cut", "longer", "a line less", "emptied"])
def test_more_and_less_are_found(spoilt: AuditedJob, name: str, how: str) -> None:
    path = spoilt.folder.path / name
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    if how == "removed":
        path.unlink()
    else:
        spoil = {
            "cut": content[:-3],
            "longer": content + content[:first],
            "a line less": content[first:],
            "emptied": b"",
        }
        path.write_bytes(spoil[how])
    found = findings(spoilt)
    assert ("is missing" if how == "removed" else "than recorded") in found[name]
    assert verify(spoilt)[0] == 1


def test_the_line_that_differs_is_told(spoilt: AuditedJob) -> None:
    result = spoilt.folder.path / "dimp_results.ndjson"
    lines = result.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"resourceType"', b'"resourceTypo"')
    result.write_bytes(b"".join(lines))
    found = findings(spoilt)
    assert list(found) == ["dimp_results.ndjson"]
    assert "other content of the same size" in found["dimp_results.ndjson"]
    assert (
        "line 7 is the first that differs from line 7 of Condition/001-of-001.ndjson"
        in found["dimp_results.ndjson"]
    )


def test_two_shards_that_were_swapped_are_found(spoilt: AuditedJob) -> None:
    one, other = (spoilt.folder.shard("dimp", "Observation", f"00{n}-of-002") for n in (1, 2))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert {"dimp/Observation/001-of-002.ndjson", "dimp/Observation/002-of-002.ndjson"} <= findings(
        spoilt
    ).keys()


def rewritten(job: AuditedJob, change: Any) -> None:
    """audit.json changed by somebody who makes audit.sha256 fit."""
    place = job.folder.path / "audit"
    content = json.loads((place / "audit.json").read_bytes())
    change(content)
    write_json(place / "audit.json", content)
    names = [name for name in ("audit.json", "audit.json.p7s") if (place / name).exists()]
    (place / "audit.sha256").write_bytes(sums_of({name: file_sha256(place / name) for name in names}))


def test_a_result_that_is_not_its_parts_is_found_though_digests_were_made_to_fit(spoilt: AuditedJob) -> None:
    result = spoilt.folder.path / "dimp_results.ndjson"
    result.write_bytes(result.read_bytes().replace(b"female", b"famele"))

    def fit(audit: dict[str, Any]) -> None:
        one = next(one for one in audit["artefacts"] if one["path"] == result.name)
        one["sha256"] = one["content_sha256"] = file_sha256(result)

    rewritten(spoilt, fit)
    assert findings(spoilt) == {"dimp_results.ndjson": "is not what its parts are, one after another"}


def test_an_audit_of_another_form_and_a_broken_chain_are_named(spoilt: AuditedJob) -> None:
    rewritten(spoilt, lambda audit: audit["artefacts"][3].update(lines=10_000))
    assert any("lines" in what for what in findings(spoilt).values())
    rewritten(spoilt, lambda audit: audit["rules"].update(note="added"))
    assert findings(spoilt) == {"audit/audit.json": "is not of the form of audit.schema.json (at /rules)"}


def test_a_second_result_is_not_in_the_audit(spoilt: AuditedJob) -> None:
    (spoilt.folder.path / "dimp_results.ndjson.gz").write_bytes(b"")
    assert list(findings(spoilt)) == ["dimp_results.ndjson.gz"]


@pytest.mark.parametrize("name", ["audit.json", "audit.sha256"])
def test_without_an_audit_nothing_is_as_recorded(spoilt: AuditedJob, name: str) -> None:
    (spoilt.folder.path / "audit" / name).unlink()
    assert f"audit/{name}" in findings(spoilt)
    shutil.rmtree(spoilt.folder.path / "audit")
    assert verify(spoilt)[0] == 1


def test_what_the_configuration_lets_go_may_be_gone_and_what_is_there_is_checked(tmp_path: Path) -> None:
    job = make_job(tmp_path, keep_shards=False)
    audit = job.audit()
    split = next(one for one in audit["artefacts"] if one["kind"] == "split")
    assert split["path"] == "split/Condition/001-of-001.ndjson"
    whole = hashlib.sha256(job.folder.imported("Condition").read_bytes()).hexdigest()
    assert (split["sha256"], split["kept"]) == (whole, False)  # a copy, whose digest is known without it
    assert findings(job) == {}
    shard = job.folder.shard("dimp", "Patient", "001-of-001")
    shard.write_bytes(b"{}\n")
    assert list(findings(job)) == ["dimp/Patient/001-of-001.ndjson"]


def test_what_was_pruned_may_be_gone(spoilt: AuditedJob) -> None:
    status = spoilt.folder.path / "status.json"
    known = json.loads(status.read_bytes())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_json(status, known | {"state": "completed", "updated": now, "finished": now})
    job = read_job(spoilt.folder.path)
    assert job is not None
    remove(identifying(job))
    assert not spoilt.folder.imported("Patient").exists()
    code, text = verify(spoilt)
    assert code == 0 and "files were removed on purpose" in text
    (spoilt.folder.path / "pruned.json").unlink()
    assert "import/Patient.ndjson" in findings(spoilt)


def test_inputs_are_checked_where_they_are_given(plain: AuditedJob, tmp_path: Path) -> None:
    shutil.copytree(plain.given, tmp_path / "given")
    path = tmp_path / "given" / "Patient.ndjson"
    path.write_bytes(path.read_bytes() + b"\n")
    assert findings(plain, "--input", tmp_path / "given") == {
        "input/Patient.ndjson": "was changed after the audit: it is 1 bytes longer than recorded"
    }


def test_wrong_use(plain: AuditedJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = str(plain.folder.path.parent)
    for arguments in (
        ["nobody", "--jobs-dir", jobs],
        ["study", "--jobs-dir", jobs, "--certificate", str(tmp_path / "none.pem")],
        ["study", "--jobs-dir", jobs, "--certificate", str(ROOT / "README.md")],
    ):
        stderr = io.StringIO()
        assert main(arguments, io.StringIO(), stderr) == 2
        assert stderr.getvalue().count("\n") == 1
    with pytest.raises(SystemExit) as stop:
        main(["../study"], io.StringIO(), io.StringIO())
    assert stop.value.code == 2
    capsys.readouterr()
    assert (
        main(["study", "--jobs-dir", jobs, "--input", str(tmp_path / "none")], io.StringIO(), io.StringIO())
        == 1
    )


def test_nothing_of_the_data_is_shown(spoilt: AuditedJob, tmp_path: Path) -> None:
    for path in listed_files(spoilt):
        if path.suffix in (".ndjson", ".json") and "audit" not in path.parts:
            path.write_bytes(path.read_bytes()[::-1])
    said = tmp_path / "said"
    said.write_text(verify(spoilt)[1], encoding="utf-8")
    assert said.read_text(encoding="utf-8").count("\n") > 20
    assert surviving([said], spoilt.canaries) == set()


def test_it_runs_as_a_program(plain: AuditedJob) -> None:
    place = plain.folder.path
    command = [sys.executable, ROOT / "scripts" / "verify_audit.py", place.name, "--jobs-dir", place.parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_standard_tools_check_the_audit(signed: AuditedJob, certificate: Path) -> None:
    place = signed.folder.path / "audit"
    subprocess.run(
        ["sha256sum", "-c", "--strict", "audit.sha256"], cwd=place, check=True, capture_output=True
    )
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    command = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "audit.json.p7s",
        "-content",
        "audit.json",
    ]
    done = subprocess.run(
        [*command, "-purpose", "any", "-CAfile", str(certificate)], cwd=place, check=True, capture_output=True
    )
    assert done.stdout == (place / "audit.json").read_bytes()


@needs_openssl
def test_whose_signature_it_is_is_told(
    signed: AuditedJob, plain: AuditedJob, certificate: Path, tmp_path: Path
) -> None:
    code, text = verify(signed, "--certificate", certificate)
    assert code == 0 and "note" not in text
    code, text = verify(signed)
    assert code == 0 and "whose it is was not checked" in text
    other = tmp_path / "other.pem"
    other.write_bytes(OTHER.certificate)
    found = findings(signed, "--certificate", other)
    assert "not by this certificate" in found["audit/audit.json.p7s"]
    assert found["audit/audit.json"] == "names another certificate than the one given"
    assert findings(plain, "--certificate", certificate) == {
        "audit/audit.json.p7s": "is missing: the audit is not signed"
    }


@needs_openssl
def test_an_audit_made_to_fit_is_found_by_its_signature(
    signed: AuditedJob, certificate: Path, tmp_path: Path
) -> None:
    place = tmp_path / "jobs" / "study"
    shutil.copytree(signed.folder.path, place)
    job = replace(signed, folder=JobFolder(place))
    rewritten(job, lambda audit: audit["output"].update(lines=1))
    assert "does not fit" in findings(job, "--certificate", certificate)["audit/audit.json.p7s"]
    (place / "audit" / "audit.json.p7s").unlink()
    rewritten(job, lambda audit: None)
    assert findings(job)["audit/audit.json.p7s"] == "is missing, though the audit was signed"


def test_without_openssl_a_signature_is_not_passed_over(
    signed: AuditedJob, certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="the program openssl is not installed"):
        signature_fault(
            signed.folder.path / "audit" / "audit.json", signed.folder.path / "audit" / "audit.json.p7s", None
        )
    code, text = verify(signed, "--certificate", certificate)
    assert code == 1 and "openssl is not installed here" in text
