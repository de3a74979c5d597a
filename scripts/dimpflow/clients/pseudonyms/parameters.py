"""FHIR Parameters as the services speak them: what a parameter or a part of it is called, and its one value as text."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["string", "identifier", "text"]
"""Which values count: `text` takes whatever stands there."""

Parameter: TypeAlias = Mapping[str, Any]


def string(name: str, value: str) -> dict[str, Any]:
    """A parameter with a string."""
    return {"name": name, "valueString": value}


def identifier(name: str, value: str, system: str = "") -> dict[str, Any]:
    """A parameter with an Identifier."""
    return {
        "name": name,
        "valueIdentifier": {"system": system, "value": value} if system else {"value": value},
    }


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    """The resource around parameters."""
    return {"resourceType": "Parameters", "parameter": list(given)}


def members(body: object, member: Literal["parameter", "part"] = "parameter") -> Iterator[Parameter]:
    """The parameters of a resource, or the parts of a parameter."""
    found = body.get(member) if isinstance(body, Mapping) else None
    return (one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else iter(())


def value_of(parameter: Parameter, kind: Kind = "text") -> str | None:
    """The value of a parameter; None where it has none of this kind."""
    text = parameter.get("valueString")
    if kind != "identifier" and isinstance(text, str):
        return text
    whole = parameter.get("valueIdentifier")
    text = whole.get("value") if isinstance(whole, Mapping) else None
    if kind != "string" and isinstance(text, str):
        return text
    if kind == "text":
        return next(
            (
                str(one)
                for key, one in parameter.items()
                if key.startswith("value") and isinstance(one, str | int)
            ),
            None,
        )
    return None


def named(found: Iterator[Parameter], name: str, kind: Kind = "text") -> list[str | None]:
    """The values of all with this name."""
    return [value_of(one, kind) for one in found if one.get("name") == name]


def single(found: Iterator[Parameter], name: str, kind: Kind = "text") -> str | None:
    """The value of the only one with this name; None where there is none, or more than one."""
    values = named(found, name, kind)
    return values[0] if len(values) == 1 else None
