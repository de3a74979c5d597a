"""Whether a rule set lets through the original ids that TORCH writes into its Provenance resources.

Found out by trying: a Provenance as TORCH writes it goes through the rules, with marks where real ones have ids.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec

from dimpflow.engine.engine import Engine
from dimpflow.ruleset.rules import RuleSet
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.terms import Terms

_PART = 12
"""Characters by which a mark is found: fewer than it has, since a rule may cut it short; more than another text has by chance."""
_TARGETS = ("Patient", "Observation", "Encounter", "Condition")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def leaks_of_provenance(deidentify: Callable[[bytes], bytes]) -> tuple[str, ...]:
    """The elements of a Provenance whose original ids are still in what `deidentify` makes of it, such as
    `Provenance.target.reference`; none if all is well. As an entry of a transaction Bundle, and as a line of its own (what TORCH
    writes: "TORCH and CRTDL", section 1.5).

    The id of the attribute group is no personal datum and may stay.

    Raises what `deidentify` raises: what is refused is not passed on, but so would be all that TORCH delivers.
    """
    marks = _Marks()
    provenance = _provenance(marks)
    url = marks.new("Bundle.entry.request.url")
    entry = {"resource": provenance, "request": {"method": "PUT", "url": f"Provenance/torch-{url}"}}
    bundle = {"resourceType": "Bundle", "id": str(uuid4()), "type": "transaction", "entry": [entry]}
    return marks.found_in([deidentify(_encode(line)) for line in (bundle, provenance)])


def embedded_leaks(rule_set: RuleSet) -> tuple[str, ...]:
    """The same for the embedded engine with this rule set; what it scrubs counts as clear, since no terms are known here. LineError if its rules refuse such a Provenance."""
    return leaks_of_provenance(Engine(rule_set, terms=lambda _: Automaton(Terms())).deidentify)


class _Marks:
    """Strings that stand nowhere else, each for one place."""

    def __init__(self) -> None:
        self._places: list[tuple[str, str]] = []

    def new(self, place: str) -> str:
        mark = str(uuid4())
        self._places.append((mark, place))
        return mark

    def found_in(self, resources: list[bytes]) -> tuple[str, ...]:
        """The places whose marks are there, whole or in part."""
        text = "\n".join(_texts([_decode(one) for one in resources])).lower()
        found = (place for mark, place in self._places if _is_in(mark, text))
        return tuple(dict.fromkeys(found))


def _is_in(mark: str, text: str) -> bool:
    return any(mark[at : at + _PART] in text for at in range(len(mark) - _PART + 1))


def _texts(value: Any) -> list[str]:
    """All strings in a JSON value, so that no escape hides one."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _provenance(marks: _Marks) -> dict[str, Any]:
    targets = [f"{name}/{marks.new('Provenance.target.reference')}" for name in _TARGETS]
    job = marks.new("Provenance.entity.what.identifier.value")
    return {
        "resourceType": "Provenance",
        "id": f"torch-{marks.new('Provenance.id')}",
        "target": [{"reference": target} for target in targets],
        "recorded": "2024-01-15T08:30:00Z",
        "agent": [{"who": {"display": "TORCH"}}],
        "entity": [_entity("attribute-group", "group-1"), _entity("extraction", job)],
    }


def _entity(kind: str, value: str) -> dict[str, Any]:
    identifier = {"system": f"https://torch.mii.de/fhir/sid/{kind}", "value": value}
    return {"role": "source", "what": {"identifier": identifier}}
