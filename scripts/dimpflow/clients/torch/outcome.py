"""What TORCH, or a proxy before it, says in the body of an answer that is not the wished one (torch-crtdl.md 1.9)."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dimpflow.clients.torch.masking import cut, masked, one_line

Kind: TypeAlias = Literal["outcome", "spring", "html", "empty", "other"]

MOST_SHOWN = 300
"""Characters of a server's text that a message shows."""

_SEVERITIES = ("fatal", "error", "warning", "information")
_HTML = re.compile(r"\s*<(?:!doctype\s+html|!--|(?:html|head|body|title|center|h1|p)\b)", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_HEAD = 4096
"""Characters of a page in which its title is looked for."""
_TEMP_FAILED = re.compile(r"\bTEMP_FAILED\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a body says.

    kind: `outcome` is an OperationOutcome, `spring` an error of TORCH's framework, `html` a page of a proxy; job_outcome: it is
    TORCH's word about the job that was asked for; temp_failed: it names the state TEMP_FAILED; text: for a message, on one line, at
    most `MOST_SHOWN` characters, "" if there is nothing to show.
    """

    kind: Kind
    job_outcome: bool
    temp_failed: bool
    text: str


def read_outcome(
    body: bytes, content_type: str | None, job_id: str | None = None, *, mask: bool = True
) -> Outcome:
    """What `body` says; never an exception, whatever it holds.

    job_id: the job that was asked for. mask: hide all in the text that may be an id of a patient or resource; without it, only where
    TORCH has seen nothing but the CRTDL document: an answer to the kick-off.
    """

    def shown(text: str) -> str:
        return masked(text, job_id) if mask else one_line(text)

    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    if not text.strip():
        return Outcome("empty", False, False, "")
    found = _object(text)
    if found is not None and found.get("resourceType") == "OperationOutcome":
        issues = list(_issues(found))
        return Outcome(
            "outcome",
            job_outcome=job_id is not None and found.get("id") == f"job-{job_id}-outcome",
            temp_failed=any(_TEMP_FAILED.search(issue) for issue in issues),
            text=_joined(shown(issue) for issue in issues),
        )
    if found is not None:
        if found.keys() >= {"timestamp", "status", "error"}:
            parts = [
                str(found[name]) for name in ("status", "error", "message") if _is_plain(found.get(name))
            ]
            return Outcome("spring", False, False, cut(shown(" ".join(parts)), MOST_SHOWN))
        return Outcome("other", False, False, "")
    if "html" in (content_type or "").lower() or _HTML.match(text):
        title = _TITLE.search(text[:_HEAD])
        words = html.unescape(_TAG.sub(" ", title[2])) if title else ""
        return Outcome("html", False, False, cut(shown(words), MOST_SHOWN))
    if text.lstrip()[0] in "<[{\ufffd":  # made for a program, or no text at all
        return Outcome("other", False, False, "")
    return Outcome("other", False, False, cut(shown(text), MOST_SHOWN))


def issue_text(issue: Mapping[str, Any]) -> str:
    """What an issue of an OperationOutcome says to a person, as it came."""
    details = issue.get("details")
    texts = [details.get("text") if isinstance(details, Mapping) else None, issue.get("diagnostics")]
    return ": ".join(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))


def severity_rank(issue: Mapping[str, Any]) -> int:
    """For sorting: the worst first, what has no known severity last."""
    severity = str(issue.get("severity", "")).lower()
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _issues(outcome: Mapping[str, Any]) -> Iterator[str]:
    """The texts of the issues, the worst first."""
    issues = outcome.get("issue")
    known = [one for one in issues if isinstance(one, dict)] if isinstance(issues, list) else []
    for issue in sorted(known, key=severity_rank):
        if text := issue_text(issue):
            yield text


def _joined(texts: Iterator[str]) -> str:
    """Each text once, with `; ` between them, as far as there is room."""
    found: dict[str, None] = {}
    length = 0
    for text in texts:
        if text and text not in found:
            found[text] = None
            length += len(text) + 2
        if length > MOST_SHOWN:
            break
    return cut("; ".join(found), MOST_SHOWN)


def _is_plain(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""
