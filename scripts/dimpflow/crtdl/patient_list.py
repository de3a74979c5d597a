"""Reading a list of patients: whom to extract in place of the cohort of a CRTDL document."""

import re
from pathlib import Path

from dimpflow.errors import InputError

_LINE_END = re.compile(r"\r\n|\r|\n")


def read_patient_list(path: Path) -> tuple[str, ...]:
    """One item for each line of the file, "" where it is blank or a comment (`#`), so that the numbers of entries in the findings
    of `patient_ids` are line numbers. It is for `patient_ids` to say what is sent.

    InputError: it cannot be read, or is not UTF-8 (with the line). Source: torch-crtdl.md 1.2.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the list of patients: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(_LINE_END.findall(raw[: error.start].decode("utf-8", "replace"))) + 1
        raise InputError(f"{path}:{line}: not UTF-8; save the list of patients as UTF-8") from None
    return tuple(line.partition("#")[0].strip() for line in _LINE_END.split(text.rstrip()) if text.strip())
