"""Whether the chain of an audit holds together: each link leads to a file that is listed, and no line is lost on the way."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Artefact = Mapping[str, Any]

Fault = tuple[str, str]
"""Path in the job's folder, and what is wrong."""


def link_faults(artefacts: Sequence[Artefact]) -> Iterator[Fault]:
    """What does not fit in a list that says `made_from` of every file: links that lead nowhere or in a circle, data from which no
    result was made, lines that got lost or came from nowhere."""
    known = {one["path"]: one for one in artefacts}
    if len(known) < len(artefacts):
        yield "audit/audit.json", "lists a file twice"
    seen: set[str] = set()
    for one in artefacts:
        for path in one["made_from"]:
            if path not in seen:
                where = "behind it" if path in known else "not at all"
                yield one["path"], f"was made from {path}, which the audit lists {where}"
        seen.add(one["path"])
    yield from _unused(artefacts)
    yield from _lines(artefacts, known)


def _unused(artefacts: Sequence[Artefact]) -> Iterator[Fault]:
    used = {path for one in artefacts for path in one["made_from"]}
    for one in artefacts:
        if one["kind"] in ("input", "import", "split", "de-identified") and one["path"] not in used:
            yield one["path"], "was used for nothing, says the audit"


def _lines(artefacts: Sequence[Artefact], known: Mapping[str, Artefact]) -> Iterator[Fault]:
    """Imported = split = de-identified + rejected; a result has the lines of its parts."""
    cut: dict[str, int] = {}
    for one in artefacts:
        parts = [known[path] for path in one["made_from"] if path in known]
        if one["kind"] == "split" and parts:
            cut[parts[0]["path"]] = cut.get(parts[0]["path"], 0) + one["lines"]
        elif one["kind"] == "de-identified" and parts:
            yield from _compared(one["path"], one["lines"] + one["rejected"], parts[0]["lines"])
        elif one["kind"] == "result":
            yield from _compared(one["path"], one["lines"], sum(part["lines"] for part in parts))
    for one in artefacts:
        if one["kind"] == "import" and one["path"] in cut:
            yield from _compared(one["path"], one["lines"], cut[one["path"]])


def _compared(path: str, here: int, there: int) -> Iterator[Fault]:
    if here != there:
        yield (
            path,
            f"has {here} lines with those set aside, but what it was made from, or what was made from it, has {there}",
        )
