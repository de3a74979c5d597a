"""A job's log file, and the guard of every entry script: one line for a person, no content, no traceback."""

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dimpflow.errors import DimpflowError, OutputError

_LOGGER = "dimpflow"


class _Formatter(logging.Formatter):
    """`2026-11-22T20:00:00Z INFO text`, one line: a line break in a file name must not forge a log line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        record.exc_info = record.exc_text = record.stack_info = None  # texts of exceptions may quote the data
        return _one_line(super().format(record))


class _FileHandler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written (disk full) is no reason for a traceback on the terminal."""


def setup(log_path: str | Path) -> logging.Logger:
    """Send the messages of the library, and nothing else, to a fresh file at `log_path`.

    Raises:
        OutputError: the file cannot be written.
    """
    logger = logging.getLogger(_LOGGER)
    try:
        Path(log_path).parent.mkdir(parents=True, exist_ok=True)
        handler = _FileHandler(log_path, mode="w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write log file {log_path}: {os.strerror(error.errno or 0)}") from None
    _detach(logger)
    handler.setFormatter(_Formatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


@contextmanager
def guard(log_path: str | Path) -> Iterator[logging.Logger]:
    """Run the body of an entry script; log to `log_path`.

    A DimpflowError becomes its message, in the log and on stderr, and exit code 1. Anything else is a bug:
    its type and frames go to the log, its text goes nowhere, since it may quote a resource. SIGTERM unwinds
    the stack, so that temporary files are removed.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(logging.NullHandler())  # without a log file, Python would print messages to stderr
    try:
        yield setup(log_path)
    except DimpflowError as error:
        for line in str(error).split("\n"):
            logger.error(line)
            print(f"ERROR {_one_line(line)}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        logger.error("interrupted")
        raise SystemExit(128 + signal.SIGINT) from None
    except SystemExit as stop:
        if stop.code == 128 + signal.SIGTERM:
            logger.error("terminated")
        raise
    except BaseException as error:
        _log_frames(logger, error)
        place = traceback.extract_tb(error.__traceback__)[-1]
        summary = f"internal error: {_kind(error)} at {Path(place.filename).name}:{place.lineno}"
        print(f"ERROR {_one_line(summary)}, details in {log_path}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        _detach(logger)


def _detach(logger: logging.Logger) -> None:
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        with suppress(OSError):  # the disk may be full
            handler.close()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _kind(error: BaseException) -> str:
    """Type of an exception; for one of the system also what happened, in the system's words."""
    name = type(error).__name__
    return f"{name} ({os.strerror(error.errno)})" if isinstance(error, OSError) and error.errno else name


def _log_frames(logger: logging.Logger, error: BaseException) -> None:
    cause: BaseException | None = error
    intro = "internal error"
    while cause is not None:
        logger.error("%s: %s", intro, _kind(cause))
        for frame in traceback.extract_tb(cause.__traceback__):
            logger.error("  %s:%s in %s", frame.filename, frame.lineno, frame.name)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        intro = "after"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
