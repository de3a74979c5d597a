"""dimpflow.joblog: what a person sees of an error, and what nobody sees."""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dimpflow
from dimpflow.errors import DimpflowError, InputError
from dimpflow.joblog import guard, setup

SECRET = "Erika Mustermann"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def exit_code(log: Path, error: BaseException | None) -> object:
    with pytest.raises(SystemExit) as caught, guard(log):
        if error is not None:
            raise error
        sys.exit(0)
    return caught.value.code


def test_lines_are_utc_iso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    logger = setup(tmp_path / "logs" / "a.log")
    logging.getLogger("dimpflow.steps.imports").warning("%d lines", 5)
    logging.getLogger("someone.else").warning("not ours")
    logger.debug("too much")
    text = (tmp_path / "logs" / "a.log").read_text()
    monkeypatch.undo()
    time.tzset()
    stamp, rest = text.split(" ", 1)
    assert rest == "WARNING 5 lines\n" and re.fullmatch(STAMP, stamp)
    assert abs(time.time() - time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 60


def test_success_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with guard(tmp_path / "a.log") as logger:
        logger.info("fine")
    assert capsys.readouterr() == ("", "")
    assert re.fullmatch(STAMP + " INFO fine\n", (tmp_path / "a.log").read_text())


def test_our_error_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(tmp_path / "a.log", InputError("a.ndjson:3: not UTF-8, 100 % sure")) == 1
    assert capsys.readouterr().err == "ERROR a.ndjson:3: not UTF-8, 100 % sure\n"
    assert re.fullmatch(
        STAMP + " ERROR a.ndjson:3: not UTF-8, 100 % sure\n", (tmp_path / "a.log").read_text()
    )


def test_a_list_of_bad_lines_is_a_log_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(tmp_path / "a.log", DimpflowError("2 bad lines:\na:1: x\na:2: y"))
    assert capsys.readouterr().err.splitlines() == ["ERROR 2 bad lines:", "ERROR a:1: x", "ERROR a:2: y"]
    assert len((tmp_path / "a.log").read_text().splitlines()) == 3


def test_control_characters_cannot_forge_lines_or_colours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with guard(tmp_path / "a.log") as logger:
        logger.info("file a\n2026-01-01T00:00:00Z ERROR forged \x1b[31m ü")
    assert "INFO file a\\n2026-01-01T00:00:00Z ERROR forged \\x1b[31m ü\n" in (tmp_path / "a.log").read_text()
    exit_code(tmp_path / "a.log", InputError("name \x1b[31m\r"))
    assert capsys.readouterr().err == "ERROR name \\x1b[31m\\r\n"


def test_an_unexpected_error_shows_type_and_frames_but_not_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def deep() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    with pytest.raises(SystemExit) as caught, guard(tmp_path / "a.log"):
        deep()
    assert caught.value.code == 1
    err, log = capsys.readouterr().err, (tmp_path / "a.log").read_text()
    place = deep.__code__.co_firstlineno + 4
    assert err == f"ERROR internal error: ValueError at test_joblog.py:{place}, details in {tmp_path}/a.log\n"
    assert f"{__file__}:{place} in deep" in log and "after: KeyError" in log
    assert SECRET not in err + log and "Erika" not in err + log


def test_an_error_of_the_system_says_what_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(tmp_path / "a.log", OSError(28, SECRET))
    assert "internal error: OSError (No space left on device) at " in capsys.readouterr().err


def test_exception_info_in_a_log_call_is_dropped(tmp_path: Path) -> None:
    with guard(tmp_path / "a.log") as logger:
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.exception("oops")
    assert SECRET not in (tmp_path / "a.log").read_text()


def test_interrupt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(tmp_path / "a.log", KeyboardInterrupt()) == 130
    assert "ERROR interrupted" in (tmp_path / "a.log").read_text()
    assert capsys.readouterr().err == ""


def test_an_exit_passes(tmp_path: Path) -> None:
    assert exit_code(tmp_path / "a.log", None) == 0


def test_a_log_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("")
    assert exit_code(tmp_path / "logs" / "a.log", None) == 1
    assert capsys.readouterr().err.startswith(f"ERROR cannot write log file {tmp_path}/logs/a.log: ")


def test_a_log_on_a_full_disk_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with guard("/dev/full") as logger:
        logger.info("this goes nowhere")
    assert exit_code(Path("/dev/full"), InputError("but this is said")) == 1
    assert capsys.readouterr().err == "ERROR but this is said\n"


TERMINATED = """
import sys, time
from pathlib import Path
from dimpflow.joblog import guard
from dimpflow.ndjson import AtomicFile
with guard(sys.argv[1] + "/a.log"), AtomicFile(Path(sys.argv[1]) / "a") as file:
    file.write(b"x")
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_unwind_and_remove_temporary_files(tmp_path: Path, number: signal.Signals, code: int) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(dimpflow.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINATED, str(tmp_path)],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "half\n"
    process.send_signal(number)
    assert process.communicate(timeout=10)[1] == ""
    assert process.returncode == code
    assert os.listdir(tmp_path) == ["a.log"]
