"""The command that re-identifies, and what a crash of it leaves."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from certificates import owner
from dimpflow.pseudonyms.sealed import seal
from dimpflow.reidentify.chain import read_log
from reidentify import by_hand
from reidentifying import KEYS, REASON, Case, as_line, case

SCRIPT = Path(__file__).parents[2] / "scripts" / "reidentify.py"
PATIENT = as_line(
    {"resourceType": "Patient", "id": "p-4711", "identifier": [{"value": "4711"}], "birthDate": "1974-12-25"}
)


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def job(tmp_path: Path) -> Case:
    return case(tmp_path / "jobs" / "study-42", [PATIENT] * 3)


def arguments(made: Case, **changes: str) -> list[str]:
    given = {
        "job": "study-42", "jobs-dir": str(made.folder.parent), "input": str(made.results), "output": str(made.output),
        "reason": REASON, "rules": str(made.rules), **changes,
    }  # fmt: skip
    return [text for name, value in given.items() for text in (f"--{name}", value)]


def command(given: list[str], environ: dict[str, str] = KEYS) -> Result:
    out, err = io.StringIO(), io.StringIO()
    return Result(by_hand(given, out, err, environ), out.getvalue(), err.getvalue())


def test_it_puts_originals_back_and_says_how_many(job: Case) -> None:
    done = command(arguments(job))
    assert done.code == 0 and job.output.read_bytes() == job.originals.read_bytes()
    assert done.out == f"{job.output}: 3 lines, 9 values put back (1 of (encrypted), 1 of id, 1 of number)\n"
    assert [record["result"] for record in read_log(job.log)] == ["started", "ok"]


def test_a_sealed_mapping_of_the_job_is_found(job: Case, tmp_path: Path) -> None:
    ann = owner("ann", passphrase=b"open sesame")
    job.mapping.with_name("mapping.ndjson.cms").write_bytes(seal(job.mapping.read_bytes(), [ann.certificate]))
    job.mapping.unlink()
    paths = [tmp_path / "certificate.pem", tmp_path / "key.pem"]
    for path, content in zip(paths, ann, strict=True):
        path.write_bytes(content)
    with_certificate = arguments(job, certificate=str(paths[0]))
    for given, environ, reason in [
        (arguments(job), KEYS, "--certificate"),
        (with_certificate, KEYS, "DIMP_MAPPING_KEY_FILE is not set"),
        (with_certificate, {**KEYS, "DIMP_MAPPING_KEY_FILE": str(paths[1])}, "needs a passphrase"),
        (with_certificate, {**KEYS, "DIMP_MAPPING_KEY_FILE": "/none"}, "cannot be read"),
    ]:
        refused = command(given, environ)
        assert refused.code == 1 and reason in refused.err and job.nothing_came_out()
    opening = {"DIMP_MAPPING_KEY_FILE": str(paths[1]), "DIMP_MAPPING_KEY_PASSPHRASE": "open sesame"}
    assert command(with_certificate, {**KEYS, **opening}).code == 0
    assert job.output.read_bytes() == job.originals.read_bytes()


def test_a_further_log(job: Case, tmp_path: Path) -> None:
    central = tmp_path / "central" / "log.ndjson"
    assert command(arguments(job, log=str(central))).code == 0
    assert [record["job"] for record in read_log(central)] == ["study-42", "study-42"]


@pytest.mark.parametrize("changes", [{"job": "none"}, {"job": "../study-42"}, {"job": ".."}])
def test_a_job_that_is_not_there(job: Case, changes: dict[str, str]) -> None:
    done = command(arguments(job, **changes))
    assert done.code == 1 and "there is no such job" in done.err


def test_logs_are_verified(job: Case) -> None:
    command(arguments(job))
    assert command(["--verify-log", str(job.log)]) == Result(0, f"{job.log}: whole\n", "")
    job.log.write_bytes(job.log.read_bytes()[:-3])
    done = command(["--verify-log", str(job.log)])
    assert done.code == 1 and f"{job.log}: line 2: cut" in done.out


def run(given: list[str]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **KEYS}
    return subprocess.run([sys.executable, SCRIPT, *given], env=environ, capture_output=True, text=True)


def test_as_a_process(job: Case) -> None:
    assert run(arguments(job)).returncode == 0
    assert job.output.read_bytes() == job.originals.read_bytes()
    missing = run(arguments(job)[2:])
    assert missing.returncode == 2 and "--job is missing" in missing.stderr
    help_ = run(["--help"])
    assert help_.returncode == 0 and "on record" in help_.stdout


CRASH = """
import os, signal, sys
sys.path.insert(0, {scripts!r})
from dimpflow.reidentify import run
from reidentify import by_hand
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
run.{function} = die
by_hand({given!r}, sys.stdout, sys.stderr)
"""


@pytest.mark.parametrize("function", ["_write", "write"], ids=["before the output", "in the middle of it"])
def test_a_crash_between_intent_and_output_stays_on_record(job: Case, function: str) -> None:
    code = CRASH.format(scripts=str(SCRIPT.parent), function=function, given=arguments(job))
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, **KEYS}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not job.output.exists()
    assert [record["result"] for record in read_log(job.log)] == ["started"]
    assert command(arguments(job)).code == 0
    runs = [(record["run"], record["result"]) for record in read_log(job.log)]
    assert [result for _, result in runs] == ["started", "started", "ok"] and runs[0][0] != runs[1][0]
    assert os.listdir(job.output.parent) == [job.output.name]  # what the killed one left is gone


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_trust_centre_opens_the_mapping_without_us(job: Case, tmp_path: Path) -> None:
    ann = owner("ann")
    for name, content in [
        ("c.pem", ann.certificate), ("k.pem", ann.key), ("m.cms", seal(job.mapping.read_bytes(), [ann.certificate])),
    ]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
    given = [
        "openssl",
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        "m.cms",
        "-inkey",
        "k.pem",
        "-recip",
        "c.pem",
    ]
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, check=True)
    originals = {json.loads(line)["original"] for line in done.stdout.splitlines()}
    assert originals == {"p-4711", "4711"}
