"""The page of the provenance: what the result was made from, by digests, and how anybody checks them."""

from collections.abc import Iterator

from dimpflow.audit.pages.frame import (
    NONE,
    Cell,
    Facts,
    Html,
    Page,
    code,
    heading,
    html,
    moment,
    paragraph,
    table,
)
from dimpflow.audit.pages.verifying import command_of

_HOW = (
    "A SHA-256 digest is a fingerprint of a file: if one byte of the file changes, the digest is another one, and nobody can make another file with the "
    "same. Each file of this job is listed in audit.json with its digest and the files it was made from, so that the result leads "
    "back to the input files, the rule set and the software, without a gap."
)
_WAY = (
    "input file → import (checked line by line, unchanged) → shards (parts of a size that can be worked on side by side) → "
    "de-identified shards (by the rule set) → result (the shards, one behind the other)"
)
_VERIFY = (
    "It makes all digests anew, looks whether each file was made from others that are listed and whether no line got lost between them, and says "
    "which file was changed, if one was. Only the digests are read here; no content is shown."
)
_SIGNED = (
    "audit.json was signed with a key of the site. With --certificate and the site’s certificate the command checks who signed it; "
    "the certificate has the SHA-256 fingerprint {}."
)
_NOT_SIGNED = (
    "audit.json was not signed. So whoever can write into the folder of the job could change a file and make audit.json anew: keep a "
    "copy of audit.sha256 elsewhere, or configure a key for signing."
)
_PROVENANCE = (
    "The same is told to machines by FHIR Provenance resources in audit/provenance.ndjson, which may go along with the result. They hold digests "
    "and versions, no id of the data."
)


def provenance_page(facts: Facts) -> Page:
    """The page."""
    return Page("Provenance: what the result was made from", list(_parts(facts)))


def _parts(facts: Facts) -> Iterator[Html]:
    rules, output = facts["rules"], facts["output"]
    yield paragraph(_HOW)
    yield paragraph(_WAY, "lead")
    yield heading("The result")
    yield table(("Fact", "Value"), list(_result(output)))
    yield heading("What it was made by")
    yield table(("Fact", "Value"), list(_made_by(facts, rules)))
    yield heading("What it was made from")
    yield table(
        ("Input file", "Imported lines", "Set aside", "SHA-256 of the input file"),
        [
            (code(one["file"]), one["lines"], one["rejected"], code(one["sha256_input"]))
            for one in facts["input"]["sources"]
        ],
        "dense",
    )
    yield heading("How to check it")
    yield Html(f"<pre>{html(command_of(facts['job']))}</pre>")
    yield paragraph(_VERIFY)
    yield paragraph("By hand, with the tool of any Linux system, in the folder of the job:")
    yield Html(
        f"<pre>sha256sum {html(output['file'])}\n{html(output['file_sha256'])}  {html(output['file'])}</pre>"
    )
    yield paragraph(_SIGNED.format(facts["signed_by"]) if facts["signed_by"] else _NOT_SIGNED)
    yield heading("All files")
    yield table(
        ("Kind of file", "Files", "Bytes", "Elsewhere", "Need not stay"), _artefacts(facts), "dense whole"
    )
    yield paragraph(
        "Elsewhere: files that lie outside the folder of the job, such as the input. Need not stay: those and what the "
        "configuration lets go. Each file with its digest stands in audit/audit.json.",
        "small",
    )
    yield paragraph(_PROVENANCE)


def _result(output: Facts) -> Iterator[tuple[Cell, ...]]:
    yield "File", code(output["file"])
    yield "SHA-256", code(output["file_sha256"])
    if output["sha256"] != output["file_sha256"]:
        yield "SHA-256 before compression", code(output["sha256"])
    yield "Bytes", html(output["file_bytes"])
    yield "Lines", html(output["lines"])


def _made_by(facts: Facts, rules: Facts) -> Iterator[tuple[Cell, ...]]:
    software = facts["software"]
    yield "Rule set", code(rules["file"]) if rules["file"] else "of the DIMP service, not known"
    yield "SHA-256 of the rule set", code(rules["sha256"]) if rules["sha256"] else NONE
    engine = (
        f"embedded engine, mode {rules['mode']}"
        if rules["engine"] == "embedded"
        else f"DIMP service {rules['service']}"
    )
    yield "Applied by", engine
    yield "Fingerprint of the key", code(rules["key_fingerprint"]) if rules["key_fingerprint"] else NONE
    yield "Software", f"DIMP Workflow {software['dimpflow']}"
    yield "Commit", code(software["commit"]) if software["commit"] else NONE
    yield "Run started", moment(facts["run"]["started"], "en") or NONE
    yield "These facts collected", moment(facts["made"], "en")


def _artefacts(facts: Facts) -> list[tuple[Cell, ...]]:
    """Files by their kind: how many, and their size as far as it is known."""
    kinds: dict[str, list[Facts]] = {}
    for one in facts["artefacts"]:
        kinds.setdefault(one["kind"], []).append(one)
    return [
        (
            kind,
            len(files),
            _bytes(files),
            sum(one["outside"] for one in files),
            sum(not one["kept"] for one in files),
        )
        for kind, files in kinds.items()
    ]


def _bytes(files: list[Facts]) -> Cell:
    known = [one["bytes"] for one in files if one["bytes"] is not None]
    return sum(known) if known else NONE
