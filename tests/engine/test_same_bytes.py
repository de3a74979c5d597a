"""The same bytes in any order of lines, in one or many processes, with Bundles cut or whole."""

import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import orjson
import pytest
from rules import TODAY

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.steps.dimp import deidentify_shard
from dimpflow.steps.split import split_shard
from generate import generate

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS.parent / "scripts" / "deidentify.py"
NAMES = ["minimal", "mii-like", "hipaa-like", "general"]
MODES = ["compat", "strict"]

pytestmark = [pytest.mark.parametrize("name", NAMES), pytest.mark.parametrize("mode", MODES)]


def file_of(name: str) -> Path:
    return TESTS / "rulesets" / f"{name}.yaml"


def engine_of(name: str, mode: str) -> Engine:
    return Engine(load_rule_set(file_of(name), {}, Options(strict=mode == "strict", reference_date=TODAY)))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A cohort with, between its lines, some that are read leniently and some that are refused."""
    folder = tmp_path_factory.mktemp("cohort")
    generate(folder, patients=25, seed=12)
    found = [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    assert len(found) > 400
    sample = random.Random(1).sample(found, 60)
    lenient = [line.replace(b'"id":', b'"language":"","id":', 1) for line in sample]
    refused = [line.replace(b'"id":', b'"nickname":"x","id":', 1) for line in sample]
    return [*found, *lenient, *refused]


@cache
def answers(name: str, mode: str, lines: tuple[bytes, ...]) -> dict[bytes, str]:
    """What an engine says to each of the lines, in their order."""
    machine = engine_of(name, mode)
    return {line: answer(machine, line) for line in lines}


def answer(machine: Engine, line: bytes) -> str:
    try:
        return machine.deidentify(line).decode()
    except LineError as error:
        return f"refused: {error}"


def orders(lines: list[bytes]) -> list[list[bytes]]:
    shuffled = random.Random(2).sample(lines, len(lines))
    return [lines[::-1], shuffled, [line for line in shuffled for _ in (1, 2)]]


def test_in_any_order(name: str, mode: str, lines: list[bytes]) -> None:
    expected = answers(name, mode, tuple(lines))
    assert sum(text.startswith("refused") for text in expected.values()) == 60
    for order in orders(lines):
        machine = engine_of(name, mode)
        for line in order:
            assert answer(machine, line) == expected[line]
    for line in lines[::50]:
        assert answer(engine_of(name, mode), line) == expected[line]  # the first that an engine sees


def test_in_many_processes(name: str, mode: str, lines: list[bytes]) -> None:
    """Of which each has a hash seed of its own, so that no order of a set can show."""
    expected = answers(name, mode, tuple(lines))
    good = [line for line in lines if not expected[line].startswith("refused")]
    command = [
        sys.executable,
        SCRIPT,
        "--rules",
        file_of(name),
        "--mode",
        mode,
        "--reference-date",
        str(TODAY),
    ]
    for number in range(3):
        part = good[number::3]
        environ = {**os.environ, "PYTHONHASHSEED": str(number)}
        done = subprocess.run(command, input=b"\n".join(part), env=environ, capture_output=True, check=True)
        assert done.stdout.decode().splitlines() == [expected[line] for line in part]


def test_with_bundles_cut_or_whole(name: str, mode: str, lines: list[bytes], tmp_path: Path) -> None:
    """Dates are shifted by the id of the Bundle, strictly by that of the patient, whatever chunk they are in."""
    bundles = [
        line for line in lines if line.startswith(b'{"resourceType":"Bundle"') and b"nickname" not in line
    ]
    single = next(line for line in lines if line.startswith(b'{"resourceType":"Patient"'))
    entries = ",".join(
        f'{{"resource":{line.decode()}}}' for line in lines[:40] if b'"Bundle"' not in line[:30]
    )
    made = [
        f'{{"resourceType":"Bundle","id":"b{n}","type":"collection","entry":[{entries}]}}'.encode()
        for n in range(3)
    ]
    imported = tmp_path / "import.ndjson"
    imported.write_bytes(b"\n".join([*bundles, single, *made]) + b"\n")
    whole = dimp(imported, engine_of(name, mode), shards=1, limit=1 << 30)
    expected = answers(name, mode, (*bundles, single, *made))
    assert whole.decode().splitlines() == list(expected.values())
    contents = {orjson.dumps(orjson.loads(line)["entry"]) for line in whole.splitlines()[-3:]}
    assert len(contents) == (3 if (name, mode) == ("hipaa-like", "compat") else 1)
    for shards, limit in ((1, 3000), (4, 3000), (2, 1), (7, 20_000)):
        assert dimp(imported, engine_of(name, mode), shards=shards, limit=limit) == whole


def dimp(imported: Path, machine: Engine, *, shards: int, limit: int) -> bytes:
    """A file through split and dimp."""
    folder = imported.parent / f"{shards}-{limit}"
    folder.mkdir()
    manifest = folder / "import.json"
    size, longest = imported.stat().st_size, max(map(len, imported.read_bytes().splitlines()))
    manifest.write_bytes(orjson.dumps({"bytes": size, "longest_line": longest}))
    done = b""
    for k in range(1, shards + 1):
        shard, facts, out, counts = (folder / f"{k}.{end}" for end in ("in", "in.json", "out", "out.json"))
        split_shard(imported, manifest, k, shards, limit, shard, facts, remote=False)
        deidentify_shard(
            machine, shard, facts, imported, out, counts, on_invalid="fail", rejected=folder / "rejected"
        )
        done += out.read_bytes()
    return done
