"""What each rule did, by type of resource and element."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dimpflow.audit.pages.frame import (
    Html,
    Language,
    Said,
    code,
    heading,
    html,
    joined,
    number,
    paragraph,
    table,
)

_TITLE = Said("How often, rule by rule", "Wie oft, Regel für Regel")
_HEADER = Said(
    "Rule|Path|By type of resource: matched / changed, of which elements",
    "Regel|Pfad|Je Ressourcentyp: getroffen / geändert, davon welche Elemente",
)
_HOW = Said(
    "Counted in all lines. A resource in a Bundle, or in another resource, counts under its own type. Where a rule takes whole "
    "resources, the elements are those in which it changed something.",
    "In allen Zeilen gezählt. Eine Ressource in einem Bundle oder in einer anderen Ressource zählt unter ihrem eigenen Typ. Wo eine "
    "Regel ganze Ressourcen nimmt, stehen die Elemente da, in denen sie etwas geändert hat.",
)
_CHANGED_IN = Said("changed in", "geändert in")

Did = Sequence[Mapping[str, Any]]
"""`rules.did` of audit.json."""


def rule_counts_part(did: Did, language: Language = "en") -> list[Html]:
    """A table of the rules that took anything, with what is to be said of it."""
    rows = [
        (one["rule"], code(one["path"]), joined(_types(one, language), "; ")) for one in did if one["by_type"]
    ]
    if not rows:
        return []
    return [
        heading(_TITLE.by(language)),
        paragraph(_HOW.by(language), "small"),
        table(_HEADER.by(language).split("|"), rows, "dense by-rule"),
    ]


def _types(one: Mapping[str, Any], language: Language) -> Iterator[Html]:
    for type_, counts in one["by_type"].items():
        places = list(_places(one["by_path"], type_)) + list(_within(one["within"], type_, language))
        yield Html(f"{html(type_)} {_both(counts)}" + (f" ({joined(places)})" if places else ""))


def _places(by_path: Mapping[str, Mapping[str, int]], type_: str) -> Iterator[Html]:
    here = {path.partition(".")[2]: counts for path, counts in by_path.items() if _of(path, type_)}
    for place, counts in here.items():
        if place:
            yield Html(f"{code(place)} {_both(counts)}" if len(here) > 1 else code(place))


def _within(within: Mapping[str, int], type_: str, language: Language) -> Iterator[Html]:
    here = [
        f"{code(path.partition('.')[2])} {number(count)}"
        for path, count in within.items()
        if _of(path, type_)
    ]
    if here:
        yield Html(f"{html(_CHANGED_IN.by(language))} {', '.join(here)}")


def _both(counts: Mapping[str, int]) -> str:
    return f"{number(counts['matched'])}\u00a0/\u00a0{number(counts['changed'])}"


def _of(path: str, type_: str) -> bool:
    return path.partition(".")[0] == type_
