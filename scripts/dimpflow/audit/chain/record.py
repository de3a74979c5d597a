"""jobs/<job>/audit: audit.json, provenance.ndjson, audit.sha256, and a signature if the site signs."""

from collections.abc import Mapping
from typing import Any

from dimpflow.audit.chain.artefacts import described, listed_file
from dimpflow.audit.provenance import PROVENANCE, provenance_lines
from dimpflow.audit.signing import SIGNATURE, Signer, fingerprint_of, sign
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, file_sha256, write_json

FOLDER = "audit"
AUDIT, SUMS = "audit.json", "audit.sha256"
SIGNED = f"{AUDIT}{SIGNATURE}"


def write_audit(folder: JobFolder, facts: Mapping[str, Any], signer: Signer | None = None) -> dict[str, Any]:
    """Writes what `facts` (of collect_facts) say; gives them as they stand in audit.json. All may be handed out with the result.

    `sha256sum -c audit.sha256` checks audit.json and its signature, which vouches for all else. OutputError, ConfigError.
    """
    place = folder.path / FOLDER
    provenance = place / PROVENANCE
    with AtomicFile(provenance) as file:
        for line in provenance_lines(facts):
            file.write(line)
    made_from = [one["path"] for one in facts["artefacts"] if one["kind"] in ("rule set", "input", "result")]
    (listed,) = described(folder.path, [listed_file(f"{FOLDER}/{PROVENANCE}", "provenance", made_from)])
    signed_by = fingerprint_of(signer.certificate) if signer else None
    content = {**facts, "signed_by": signed_by, "artefacts": [*facts["artefacts"], listed]}
    write_json(place / AUDIT, content)
    names = [AUDIT]
    if signer:
        with AtomicFile(place / SIGNED) as file:
            file.write(sign((place / AUDIT).read_bytes(), signer))
        names.append(SIGNED)
    else:
        (place / SIGNED).unlink(missing_ok=True)
    with AtomicFile(place / SUMS) as file:
        file.write(sums_of({name: file_sha256(place / name) for name in names}))
    return content


def sums_of(digests: Mapping[str, str]) -> bytes:
    """Digests by file name, as `sha256sum` writes them."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()
