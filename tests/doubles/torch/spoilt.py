"""Manifests and result files that a client must refuse, or put up with ("torch-crtdl", section 3.4)."""

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from doubles.torch.bodies import drawn_uuid, dumped, html_page, seeded

Manifest = dict[str, Any]


def spoil(kind: str, manifest: Manifest, audits: list[str]) -> bytes:
    """A manifest after a fault; audits: addresses of consent audits that there are, or would be."""
    if kind == "html":
        return html_page(200)
    if kind == "invalid-json":
        return dumped(manifest).replace(b":", b"=", 1)
    if kind == "cut-json":
        return dumped(manifest)[:-10]
    if kind == "array":
        return dumped([manifest])
    changed = copy.deepcopy(manifest)
    _CHANGES[kind](changed, audits)
    return dumped(changed)


def _url(manifest: Manifest) -> str:
    """Of its first file."""
    return str(manifest["output"][0]["url"])


def _entry(url: str, kind: str = "NDJSON Bundle") -> dict[str, str]:
    return {"url": url, "type": kind}


def _swap(manifest: Manifest, old: str, new: str) -> None:
    first = manifest["output"][0]
    first["url"] = first["url"].replace(old, new)


def _folder(manifest: Manifest) -> str:
    return _url(manifest).rpartition("/")[0]


def _new_name(manifest: Manifest) -> str:
    """A batch that there is not, always the same for the same job."""
    return f"{drawn_uuid(seeded('other', _folder(manifest)))}.ndjson"


def _job(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one["valueObject"] for one in manifest["extension"] if one["url"].endswith("/torch-job")
    )
    return found


def _final_patients(manifest: Manifest, _: list[str]) -> None:
    for extension in manifest["extension"]:
        value = extension.get("valueObject")
        if isinstance(value, dict) and "Num-Final-Patients" in value:
            value["Num-Final-Patients"] = 0


def _core_twice(manifest: Manifest, _: list[str]) -> None:
    core = _entry(f"{_folder(manifest)}/core.ndjson")
    manifest["output"] = [*(one for one in manifest["output"] if one != core), core, dict(core)]


_CHANGES: dict[str, Callable[[Manifest, list[str]], object]] = {
    "no-output": lambda m, _: m.pop("output"),
    "output-string": lambda m, _: m.update(output=_url(m)),
    "entry-without-url": lambda m, _: m["output"][0].pop("url"),
    "duplicate-urls": lambda m, _: m["output"].insert(1, dict(m["output"][0])),
    "extra-entry": lambda m, _: m["output"].append(_entry(f"{_folder(m)}/outcome.ndjson", "OperationOutcome")),
    "dot-dot": lambda m, _: _swap(m, "/" + _url(m).rpartition("/")[2], "/../../" + _url(m).rpartition("/")[2]),
    "encoded-dot-dot": lambda m, _: _swap(m, "/" + _url(m).rpartition("/")[2], "/%2e%2e%2f" + _url(m).rpartition("/")[2]),
    "foreign-host": lambda m, _: m["output"][0].update(url="https://files.foreign.example/" + "/".join(_url(m).split("/")[-2:])),
    "other-job": lambda m, _: _swap(m, _url(m).split("/")[-2], _new_name(m).removesuffix(".ndjson")),
    "odd-name": lambda m, _: m["output"].append(_entry(f"{_folder(m)}/patients.ndjson")),
    "consent-listed": lambda m, audits: m["output"].append(_entry(audits[0])),
    "core-twice": _core_twice,
    "missing-file": lambda m, _: m["output"].insert(0, _entry(f"{_folder(m)}/{_new_name(m)}")),
    "unlisted-batch": lambda m, _: m["output"].pop(0),
    "no-extension": lambda m, _: m.pop("extension", None),
    "not-completed": lambda m, _: _job(m).update(status="RUNNING_PROCESS_CORE"),
    "too-many-lines": _final_patients,
}  # fmt: skip


# ---- lines ----------------------------------------------------------------------------------------------------------


def damage(path: Path, kind: str, value: int | None = None) -> None:
    """Make a finished file malformed. value: number of the line, from 1 (default: the last); MB for "huge-line"."""
    lines = path.read_bytes().splitlines(keepends=True)
    at = len(lines) if value is None or kind == "huge-line" else min(value, len(lines))
    line = lines[at - 1].rstrip(b"\n")
    lines[at - 1 : at] = list(_damaged(line, kind, value))
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(b"".join(lines))
    os.replace(part, path)


def _damaged(line: bytes, kind: str, value: int | None) -> Iterator[bytes]:
    """What stands in place of a line."""
    match kind:
        case "blank-line":
            yield line + b"\n"
            yield b"\n"
        case "crlf":
            yield line + b"\r\n"
        case "bom":
            yield b"\xef\xbb\xbf" + line + b"\n"
        case "non-bundle":
            yield dumped(json.loads(line)["entry"][0]["resource"]) + b"\n"
        case "searchset":
            yield line.replace(b'"transaction"', b'"searchset"', 1) + b"\n"
        case "no-line-end":
            yield line
        case "broken-json":
            yield line[:-2] + b"\n"
        case "invalid-utf8":
            yield line.replace(b'"type":"transaction"', b'"language":"\xff","type":"transaction"', 1) + b"\n"
        case "no-resource":
            yield _with(line, {"request": {"method": "PUT", "url": "Basic/1"}})
        case "duplicate":
            first = json.loads(line)["entry"][0]
            yield _with(line, {**first, "resource": {**first["resource"], "implicitRules": "urn:other"}})
        case "huge-line":
            text = "x" * ((value or 50) * 1_000_000)
            resource = {"resourceType": "Basic", "id": "huge", "code": {"text": text}}
            yield _with(line, {"resource": resource, "request": {"method": "PUT", "url": "Basic/huge"}})
        case _:
            raise ValueError(f"no such damage: {kind}")


def _with(line: bytes, entry: dict[str, Any]) -> bytes:
    """A Bundle with one entry more."""
    more = dumped(entry)
    if line.endswith(b"]}"):
        return line[:-2] + b"," + more + b"]}\n"
    return line[:-1] + b',"entry":[' + more + b"]}\n"
