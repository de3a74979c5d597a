"""FHIR R4 Provenance for a result (FHIR R4, section 6.3): what it was made from, by what, when. No ids of the data, no folders.

The files are no resources, so references to them are logical ones (FHIR R4, section 2.3.0.3): an identifier, which is the SHA-256 as
a URI (`nih:sha-256;<hex digits>`, RFC 6920, section 7), and the name of the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

PROVENANCE = "provenance.ndjson"
"""Name of the file in jobs/<job>/audit/."""

_URI = "urn:ietf:rfc:3986"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

Resource = dict[str, Any]


def provenance_lines(facts: Mapping[str, Any]) -> Iterator[bytes]:
    """Lines of NDJSON, with their ends: one resource for the result as a whole, one for what was made of each source. facts: what
    collect_facts gives."""
    output = facts["output"]
    sources = facts["input"]["sources"]
    whole = [_file(output["file_sha256"], output["file"])]
    yield _line(_provenance(facts, "", whole, sources))
    made: dict[str, list[Resource]] = {}
    for one in facts["artefacts"]:
        if one["kind"] == "de-identified":
            _, source, shard = one["path"].split("/")
            name = f"{source}, part {shard.partition('.')[0]}"
            made.setdefault(source, []).append(_file(one["sha256"], name))
    for source in sources:
        yield _line(_provenance(facts, source["source"], made[source["source"]], [source]))


def _provenance(
    facts: Mapping[str, Any], name: str, targets: Sequence[Resource], sources: Sequence[Mapping[str, Any]]
) -> Resource:
    """name: of the source, "" for the result as a whole."""
    rules, started, made = facts["rules"], facts["run"]["started"], facts["made"]
    found: Resource = {
        "resourceType": "Provenance",
        # the same file of the same job gets the same id again, so that a server takes it for a new version
        "id": str(uuid5(NAMESPACE_URL, f"{facts['output']['sha256']}/{name}")),
        "target": list(targets),
        "occurredPeriod": {**({"start": started} if started else {}), "end": made},
        "recorded": made,
    }
    if rules["sha256"]:
        found["policy"] = [_digest_uri(rules["sha256"])]
    found["activity"] = {
        "coding": [{"system": _LIFECYCLE, "code": "deidentify"}],
        "text": "De-identified: pseudonymised, not anonymous",
    }
    found["agent"] = list(_agents(facts))
    # The result is a transformation of the inputs (`derivation`); the rule set was used as it is (`source`).
    found["entity"] = [
        {"role": "derivation", "what": _file(one["sha256_input"], one["file"])} for one in sources
    ]
    if rules["sha256"]:
        found["entity"].append({"role": "source", "what": _file(rules["sha256"], rules["file"])})
    return found


def _agents(facts: Mapping[str, Any]) -> Iterator[Resource]:
    """This software; where a service has applied the rules, that too, without its address."""
    software = facts["software"]
    name, commit = f"dimpflow/{software['dimpflow']}", software["commit"]
    value = f"{name} (commit {commit})" if commit else name
    by_service = facts["rules"]["engine"] == "service"
    yield _agent(
        "assembler" if by_service else "performer", f"DIMP Workflow {software['dimpflow']}", {"value": value}
    )
    if by_service:
        yield _agent("performer", "FHIR Pseudonymizer, as a service", None)


def _agent(code: str, display: str, identifier: Resource | None) -> Resource:
    who = {"type": "Device", **({"identifier": identifier} if identifier else {}), "display": display}
    return {"type": {"coding": [{"system": _PARTICIPANT, "code": code}]}, "who": who}


def _file(sha256: str, name: str) -> Resource:
    return {
        "type": "Binary",
        "identifier": {"system": _URI, "value": _digest_uri(sha256)},
        "display": name,
    }


def _digest_uri(sha256: str) -> str:
    return f"nih:sha-256;{sha256}"


def _line(resource: Resource) -> bytes:
    return orjson.dumps(resource, option=orjson.OPT_APPEND_NEWLINE)
