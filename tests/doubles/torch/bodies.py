"""The four kinds of bodies that come back beside results ("torch-crtdl", section 1.9), and ids that come from a seed."""

import json
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

FHIR_JSON = "application/fhir+json"
JSON = "application/json"
HTML = "text/html"

Issue = Mapping[str, str]


def seeded(*parts: object) -> random.Random:
    """Draws the same for the same parts."""
    return random.Random("/".join(map(str, parts)))


def drawn_uuid(draw: random.Random) -> str:
    """A random UUID (version 4)."""
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def is_uuid(text: str) -> bool:
    """Whether Java's UUID.fromString would take it in its usual form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def stamp(moment: datetime) -> str:
    """FHIR's instant, in milliseconds, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def dumped(content: object) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def issue(severity: str, code: str, diagnostics: str) -> dict[str, str]:
    """An issue of an OperationOutcome."""
    return {"severity": severity, "code": code, "diagnostics": diagnostics}


def outcome(*issues: Issue, **more: Any) -> bytes:
    """An OperationOutcome. more: `id`, `meta`."""
    return dumped({"resourceType": "OperationOutcome", **more, "issue": list(issues)})


def spring_error(status: int, path: str, moment: datetime) -> bytes:
    """What Spring WebFlux says where no route fits."""
    number = f"{seeded(path).getrandbits(32):08x}"
    return dumped(
        {
            "timestamp": stamp(moment),
            "path": path.partition("?")[0],
            "status": status,
            "error": HTTPStatus(status).phrase,
            "requestId": f"{number}-1",
        }
    )


def html_page(status: int) -> bytes:
    """A page of the proxy; with 200 a page to sign in."""
    title = "Sign in" if status == 200 else f"{status} {HTTPStatus(status).phrase}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
