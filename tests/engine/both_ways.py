"""Rules on a resource, through compiled walks and through the tree, which have to agree."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from rules import engine, parse

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError

Resource = Mapping[str, Any] | str
"""As objects, or as JSON where the spelling of numbers matters."""


def engines(*rules: Mapping[str, Any], **settings: Any) -> Iterator[Engine]:
    for only_tree in (False, True):
        yield engine(*rules, only_tree=only_tree, **settings)


def data_of(resource: Resource) -> bytes:
    return (resource if isinstance(resource, str) else json.dumps(resource)).encode()


def outcome(resource: Resource, *rules: Mapping[str, Any], **settings: Any) -> Any:
    """What the rules make of a resource, parsed; numbers as text, so that their spelling counts."""
    compiled, tree = (machine.deidentify(data_of(resource)) for machine in engines(*rules, **settings))
    assert compiled == tree
    return parse(compiled)


def refusal(resource: Resource, *rules: Mapping[str, Any], **settings: Any) -> str:
    """Why the resource is refused."""
    messages = []
    for machine in engines(*rules, **settings):
        with pytest.raises(LineError) as error:
            machine.deidentify(data_of(resource))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    return messages[0]


def labels(resource: Resource, *rules: Mapping[str, Any], **settings: Any) -> list[str]:
    """Codes of the security labels."""
    done = outcome(resource, *rules, labels=True, **settings)
    return [label["code"] for label in done.get("meta", {}).get("security", [])]
