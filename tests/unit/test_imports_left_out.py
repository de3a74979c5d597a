"""What import leaves out on purpose: resources of some types and empty Bundles, and nothing else, however they are written."""

import gzip
import hashlib
import json
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest

from dimpflow.audit.balance import dimp_facts, import_facts, read_facts
from dimpflow.audit.pages.counts import CAME_IN, counts_page
from dimpflow.errors import InputError
from dimpflow.sources import find_sources
from dimpflow.steps.imports import import_source
from dimpflow.steps.results import join_results
from dimpflow.steps.sieve import BundlePolicy
from generate import generate
from page_reading import read_page

PROVENANCE = b'{"resourceType":"Provenance","id":"torch-Secret1","target":[{"reference":"Patient/Secret2"}]}'
PATIENT = b'{"resourceType":"Patient","id":"p","x":[1.10,-0,1E+2,"\\u00fc\\/"]}'
DROP = BundlePolicy(frozenset({"Provenance"}))
SKIP = BundlePolicy(skip_empty=True)
BOTH = BundlePolicy(frozenset({"Provenance"}), skip_empty=True)


def entry(resource: bytes) -> bytes:
    return b'{"resource":%s,"request":{"method":"PUT","url":"X/y"}}' % resource


def bundle(*entries: bytes) -> bytes:
    return b'{"resourceType":"Bundle","type":"transaction","entry":[%s],"id":"b"}' % b",".join(entries)


NO_ENTRY = b'{"resourceType":"Bundle","type":"transaction","id":"b"}'


def run(
    folder: Path,
    content: bytes,
    policy: BundlePolicy | None,
    name: str = "a.ndjson",
    on_invalid: Any = "fail",
) -> tuple[bytes, dict[str, Any]]:
    """Import `content`: the imported bytes, and the manifest, whose digests are right."""
    raw = gzip.compress(content) if name.endswith("gz") else content
    (folder / name).write_bytes(raw)
    (source,) = find_sources([str(folder / name)]).sources
    out, manifest = folder / "import" / "a.ndjson", folder / "import" / "a.json"
    import_source(source, out, manifest, folder / "import" / "bad", on_invalid, bundles=policy)
    facts = orjson.loads(manifest.read_bytes())
    done = out.read_bytes()
    assert facts["sha256_input"] == hashlib.sha256(raw).hexdigest()
    assert facts["sha256"] == hashlib.sha256(done).hexdigest()
    lines = done.splitlines()
    assert (facts["bytes"], facts["lines"]) == (len(done), len(lines)) and facts["lines"] == sum(
        facts["resources"].values()
    )
    assert facts["longest_line"] == max(map(len, lines), default=0)
    return done, facts


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_and_counts(tmp_path: Path, name: str, end: bytes) -> None:
    lines = [
        bundle(entry(PATIENT), entry(PROVENANCE), entry(PROVENANCE)),
        PROVENANCE,
        bundle(entry(PROVENANCE)),
        PATIENT,
        NO_ENTRY,
        bundle(),
    ]
    content = end.join(lines) + end
    left = [bundle(entry(PATIENT)), PATIENT]
    done, facts = run(tmp_path, content, BOTH, name)
    assert done == b"\n".join(left) + b"\n"
    assert (facts["dropped"], facts["empty_bundles"]) == ({"Provenance": 4}, 3)
    assert facts["resources"] == {"Bundle": 1, "Patient": 1}

    done, facts = run(tmp_path, content, DROP, name)
    assert done == b"\n".join([left[0], NO_ENTRY, PATIENT, NO_ENTRY, bundle()]) + b"\n"
    assert facts["dropped"] == {"Provenance": 4} and "empty_bundles" not in facts

    done, facts = run(tmp_path, content, SKIP, name)
    assert done == b"\n".join(lines[:4]) + b"\n"
    assert facts["empty_bundles"] == 2 and "dropped" not in facts


@pytest.mark.parametrize("policy", [None, BundlePolicy()])
def test_without_a_policy_all_is_as_ever(tmp_path: Path, policy: BundlePolicy | None) -> None:
    content = bundle(entry(PROVENANCE)) + b"\n" + NO_ENTRY + b"\n"
    done, facts = run(tmp_path, content, policy)
    assert done == content and not {"dropped", "empty_bundles"} & facts.keys()


def test_several_types_and_the_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    task = b'{"resourceType":"Task"}'
    policy = BundlePolicy(frozenset({"Provenance", "Task", "AuditEvent"}), skip_empty=True)
    done, facts = run(tmp_path, bundle(entry(task), entry(PATIENT), entry(PROVENANCE)) + b"\n" + task, policy)
    assert done == bundle(entry(PATIENT)) + b"\n"
    assert facts["dropped"] == {"AuditEvent": 0, "Provenance": 1, "Task": 2}
    told = "a.ndjson: left out: 0 x AuditEvent, 1 x Provenance, 2 x Task, 0 Bundles without entries"
    assert told in caplog.text and "Secret" not in caplog.text
    with pytest.raises(ValueError, match="not all of these are resource types"):
        BundlePolicy(frozenset({"provenance"}))


def test_a_document(tmp_path: Path) -> None:
    pretty = orjson.dumps(orjson.loads(bundle(entry(PATIENT), entry(PROVENANCE))), option=orjson.OPT_INDENT_2)
    done, facts = run(tmp_path, pretty, BOTH, "a.json")
    assert json.loads(done) == json.loads(bundle(entry(PATIENT))) and facts["dropped"] == {"Provenance": 1}
    assert run(tmp_path, bundle(entry(PROVENANCE)), BOTH, "a.json")[0] == b""


def test_the_last_line_without_an_end_and_changes_in_the_middle(tmp_path: Path) -> None:
    clean = (PATIENT + b"\n") * 4000
    many = bundle(entry(PROVENANCE), entry(PATIENT))
    done, facts = run(tmp_path, clean + many + b"\n" + clean + many, DROP)
    one = bundle(entry(PATIENT)) + b"\n"
    assert done == clean + one + clean + one and facts["dropped"] == {"Provenance": 2}
    with pytest.raises(InputError, match=r"a.ndjson:8003: not JSON"):
        run(tmp_path, clean + many + b"\n\n" + clean + b"?", DROP)
    with pytest.raises(InputError, match=r"a.ndjson:8002: not JSON"):
        run(tmp_path, clean + many + b"\n" + clean + b"?", DROP)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            b'{"resourceType":"Bundle","entry":[{"resource":%s}],"entry":[]}' % PROVENANCE,
            "a member is repeated",
        ),
        (b'{"resourceType":"Bundle","entry":{"resource":%s}}' % PROVENANCE, "entry is not an array"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_that_are_refused(tmp_path: Path, line: bytes, reason: str, end: bytes) -> None:
    content = end.join([bundle(entry(PATIENT), entry(PROVENANCE)), line, PROVENANCE, b""])
    with pytest.raises(InputError, match=rf"a.ndjson:2: not FHIR: {reason}[^;]*; mend the file, or") as error:
        run(tmp_path, content, DROP)
    assert "Secret" not in str(error.value)
    done, facts = run(tmp_path, content, DROP, on_invalid="quarantine")
    assert done == bundle(entry(PATIENT)) + b"\n"
    assert (facts["rejected"], facts["dropped"]) == (1, {"Provenance": 2})
    assert (tmp_path / "import" / "bad").read_bytes() == line + b"\n"


@pytest.mark.parametrize(
    "line", [b'{"name":"Secret"}', b"[]", b'{"resourceType":"Bundle","entry":[', b"\xff"]
)
def test_bad_lines_are_named_as_without_a_policy(tmp_path: Path, line: bytes) -> None:
    said = []
    for policy in (None, BOTH):
        with pytest.raises(InputError) as error:
            run(tmp_path, PATIENT + b"\n" + line + b"\n", policy)
        said.append(str(error.value))
    assert said[0] == said[1]


# ---- the balance of a job ----------------------------------------------------------------------------------------------


def test_the_balance_holds_and_shows_what_was_left_out(tmp_path: Path) -> None:
    contents = {
        "A": [bundle(entry(PATIENT), entry(PROVENANCE)), NO_ENTRY, bundle(entry(PATIENT))],
        "B": [PROVENANCE, bundle(entry(PROVENANCE))],
    }
    parts, manifests = [], []
    for name, lines in contents.items():
        (tmp_path / f"{name}.ndjson").write_bytes(b"\n".join(lines))
        (source,) = find_sources([str(tmp_path / f"{name}.ndjson")]).sources
        parts.append(tmp_path / "import" / source.path.name)
        manifest = tmp_path / "import" / f"{name}.json"
        import_source(source, parts[-1], manifest, tmp_path / "bad", "fail", bundles=BOTH)
        manifests.append(read_facts(manifest))
    digest = join_results(parts, tmp_path / "all.ndjson")
    facts = import_facts(manifests, digest)
    assert (facts["lines"], facts["dropped"], facts["empty_bundles"]) == (2, {"Provenance": 3}, 2)
    assert [(one["lines"], one["dropped"], one["empty_bundles"]) for one in facts["sources"]] == [
        (2, {"Provenance": 1}, 1),
        (0, {"Provenance": 2}, 1),
    ]
    rows = read_page(counts_page(CAME_IN, facts)).rows
    assert rows["Provenance: resources left out"] == ["3"] and rows["Bundles without entries, left out"] == [
        "2"
    ]

    part = {"lines": 2, "rejected": 0, "resources": {"Bundle": 2}, "rules": []}
    out = dimp_facts(manifests, {"A": [part], "B": [{**part, "lines": 0, "resources": {}}]}, digest)
    assert out["lines"] == 2 and not {"dropped", "empty_bundles"} & out.keys()


def test_manifests_of_earlier_imports_are_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    _, old = run(tmp_path / "old", PATIENT, None)
    done, new = run(tmp_path, PATIENT + b"\n" + PROVENANCE, DROP)
    (tmp_path / "part").write_bytes(done)
    digest = join_results([tmp_path / "part"], tmp_path / "all")
    facts = import_facts([old], digest)
    assert not {"dropped", "empty_bundles"} & {*facts, *facts["sources"][0]}
    assert "left out" not in read_page(counts_page(CAME_IN, facts)).text
    digest = join_results([tmp_path / "part", tmp_path / "part"], tmp_path / "all")
    assert import_facts([old, new], digest)["dropped"] == {"Provenance": 1}


# ---- much data ---------------------------------------------------------------------------------------------------------


def test_a_cohort_of_torch_s_shape(tmp_path: Path) -> None:
    """With Provenance as TORCH adds it to each line, import gives the cohort without it, byte for byte."""
    generate(tmp_path / "cohort", patients=40, seed=3, shape="torch")
    for source in find_sources([str(tmp_path / "cohort")]).sources:
        plain = source.path.read_bytes()
        added = b""
        for line in plain.splitlines():
            assert line.endswith(b"}]}")
            added += b"%s,%s]}\n" % (line[:-2], b",".join([entry(PROVENANCE)] * 3))
        done, facts = run(tmp_path, added, BOTH)
        assert done == plain and facts["dropped"] == {"Provenance": 3 * plain.count(b"\n")}


@pytest.mark.parametrize("spelled", [b"Provenance", b"\\u0050rovenance"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_bundle_of_many_megabytes_is_in_memory_three_times_at_most(
    tmp_path: Path, spelled: bytes, end: bytes
) -> None:
    provenance = PROVENANCE.replace(b"Provenance", spelled)
    filler = entry(b'{"resourceType":"Observation","note":[{"text":"%s"}]}' % (b"x" * 900))
    count = 20_000
    line = bundle(*[filler] * count, entry(provenance), entry(PATIENT), entry(provenance))
    run(tmp_path, line + end, BOTH)  # what is loaded once does not count
    tracemalloc.start()
    (source,) = find_sources([str(tmp_path / "a.ndjson")]).sources
    before = tracemalloc.get_traced_memory()[0]
    import_source(source, tmp_path / "o", tmp_path / "m", tmp_path / "r", "fail", bundles=BOTH)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 3 * len(line)
    assert (tmp_path / "o").read_bytes() == bundle(*[filler] * count, entry(PATIENT)) + b"\n"
