"""Plain requests to a double of TORCH, each sent once."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from crtdl_documents import document
from doubles.torch.double import TorchDouble


def parameters(crtdl: object | None = None, patients: Sequence[str] = (), key: str = "valueString") -> bytes:
    """A body for the kick-off; crtdl: bytes go as they are."""
    raw = crtdl if isinstance(crtdl, bytes) else json.dumps(document() if crtdl is None else crtdl).encode()
    rows = [{"name": "crtdl", "valueBase64Binary": base64.b64encode(raw).decode()}]
    rows += [{"name": "patient", key: patient} for patient in patients]
    return json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()


class Asking:
    """Asks one double. headers: with every request."""

    def __init__(self, torch: TorchDouble, headers: Mapping[str, str] | None = None) -> None:
        self.torch = torch
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(headers or {})

    def api(self, method: str, path: str, *, timeout: float = 10, **more: Any) -> requests.Response:
        """path: below /fhir."""
        address = f"{self.torch.base_url}/fhir/{path}"
        return self.session.request(method, address, timeout=timeout, allow_redirects=False, **more)

    def kick_off(self, body: bytes | None = None, **more: Any) -> requests.Response:
        """POST $extract-data."""
        return self.api("POST", "$extract-data", data=parameters() if body is None else body, **more)

    def job(self, body: bytes | None = None) -> str:
        """A new job."""
        answer = self.kick_off(body)
        assert answer.status_code == 202, answer.text
        return answer.headers["Content-Location"].rpartition("/")[2]

    def status(self, job: str) -> requests.Response:
        """GET __status."""
        return self.api("GET", f"__status/{job}")

    def statuses(self, job: str, most: int = 30) -> list[str]:
        """What the job says of itself, request for request, until it is over: X-Progress, or the status code."""
        found: list[str] = []
        while len(found) < most:
            answer = self.status(job)
            found.append(answer.headers.get("X-Progress", str(answer.status_code)))
            if answer.status_code in (200, 404, 410, 500):
                break
        return found

    def manifest(self, job: str) -> dict[str, Any]:
        """Once it has finished."""
        while (answer := self.status(job)).status_code == 202:
            pass
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def file(self, job: str, name: str, method: str = "GET", **more: Any) -> requests.Response:
        """From the file server."""
        address = f"{self.torch.file_server_url}/{job}/{name}"
        return self.session.request(method, address, timeout=10, allow_redirects=False, **more)

    def results(self, job: str) -> dict[str, bytes]:
        """The files of the manifest, in its order."""
        names = [one["url"].rpartition("/")[2] for one in self.manifest(job)["output"]]
        return {name: self.file(job, name).content for name in names}


def bundles(content: bytes) -> list[dict[str, Any]]:
    """Of a file."""
    return [json.loads(line) for line in content.splitlines()]


def resources(content: bytes, kind: str) -> list[dict[str, Any]]:
    """Of one type, of a file."""
    found = [entry["resource"] for bundle in bundles(content) for entry in bundle.get("entry", [])]
    return [resource for resource in found if resource["resourceType"] == kind]


def ids(cohort: Path) -> list[str]:
    """The patients of the cohort, as they lie there."""
    files = sorted(
        path for path in cohort.glob("*.ndjson") if path.name != "core.ndjson" and "_consent" not in path.name
    )
    return [one["id"] for path in files for one in resources(path.read_bytes(), "Patient")]


def extension(manifest: dict[str, Any], name: str, key: str = "valueObject") -> Any:
    """The value of an extension of a manifest. name: the end of its url."""
    return next(one[key] for one in manifest["extension"] if one["url"].endswith(name) and key in one)
