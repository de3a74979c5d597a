"""From JSON to the tree: strictly, or leniently if only that works (2.1)."""

import json
from dataclasses import dataclass
from typing import Any

from . import references, table
from .errors import NotStrict, Refused
from .node import INTEGERS, Node, Value, decimal_value, normal_base64, to_json, whole_number
from .table import Row
from .temporal import normal_instant

Json = Any


@dataclass(frozen=True)
class Number:
    """A JSON number in its own words."""

    text: str


def read_resource(data: bytes) -> Node:
    """The tree of a top-level resource."""
    content = _parse(data)
    if not isinstance(content, dict):
        raise Refused("not a JSON object")
    try:
        return _resource(content, _type_of(content))
    except NotStrict:
        pass
    cleaned = _cleaned_resource(content)
    try:
        return _resource(cleaned, _type_of(cleaned))
    except NotStrict as problem:
        raise Refused(f"cannot be read: {problem}") from None


def read_replacement(text: str, pattern: Node) -> Node:
    """A node like `pattern` from a JSON object of its type, in strict form, its texts trimmed (2.1, 3.6)."""
    content = _trimmed(_parse(text.encode("utf-8", "surrogatepass")))
    if not isinstance(content, dict):
        raise Refused("the replacement is not a JSON object")
    if pattern.is_resource and "resourceType" in content:
        if content["resourceType"] != pattern.type_name:
            raise Refused("the replacement is another resource")
        del content["resourceType"]
    node = Node(pattern.name, pattern.type_key, pattern.type_name, is_resource=pattern.is_resource)
    try:
        _read_members(node, content)
    except NotStrict as problem:
        raise Refused(f"the replacement cannot be read: {problem}") from None
    return node


def _trimmed(content: Json) -> Json:
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list):
        return [_trimmed(item) for item in content]
    return {key: _trimmed(item) for key, item in content.items()} if isinstance(content, dict) else content


def _parse(data: bytes) -> Json:
    def no_constant(name: str) -> Json:
        raise ValueError(f"{name} is not JSON")

    def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        # Of several members of one name the last counts, but none may hold what is no text.
        for pair in pairs:
            _check_text(pair)
        return dict(pairs)

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=members,
            parse_int=Number,
            parse_float=Number,
            parse_constant=no_constant,
        )
    except ValueError:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Refused("not JSON in UTF-8") from None


def _check_text(content: Json) -> None:
    """ValueError for text with half a surrogate pair in it."""
    if isinstance(content, str):
        content.encode()
    elif isinstance(content, list | tuple):
        for item in content:
            _check_text(item)


# --- strict ---


def _type_of(content: Json) -> str:
    kind = content.get("resourceType") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in table.RESOURCES:
        raise NotStrict("no known resourceType")
    return kind


def _resource(content: dict[str, Json], name: str) -> Node:
    kind = _type_of(content)
    node = Node(name, kind, kind, is_resource=True)
    _read_members(node, {key: value for key, value in content.items() if key != "resourceType"})
    for child in node.named("id"):
        node.original_id = "" if child.value is None else str(child.value)
    node.original_owner = node.original_id if kind == "Patient" else references.patient_in(node)
    return node


def _complex(content: Json, row: Row, type_key: str) -> Node:
    if not isinstance(content, dict):
        raise NotStrict(f"{row.name} is not an object")
    if type_key == "Resource":
        return _resource(content, row.name)
    node = Node(row.name, type_key, table.type_name(type_key), came_empty=not content)
    _read_members(node, content)
    return node


def _read_members(node: Node, content: dict[str, Json]) -> None:
    known = table.members(node.type_key)
    for member in content:
        base = _base_name(member, node.type_key)
        if base not in known:
            raise NotStrict(f"unknown member in {node.type_name}")
    for row in table.rows(node.type_key):
        variants = [
            variant
            for variant in row.types
            if row.json_name(variant) in content or "_" + row.json_name(variant) in content
        ]
        if len(variants) > 1:
            raise NotStrict(f"{row.name} is there twice")
        for variant in variants:
            for child in _read_element(row, variant, content):
                node.add(child)


def _base_name(member: str, type_key: str) -> str:
    """`given` for `_given`: only primitives have an underscore member, but not those that are attributes in XML."""
    known = table.members(type_key)
    base = member[1:]
    is_attribute = (type_key, base) == ("Extension", "url") or (
        base == "id" and base in known and known[base][1] == "string"
    )
    if member.startswith("_") and base in known and known[base][1] in table.PRIMITIVES and not is_attribute:
        return base
    return member


def _read_element(row: Row, type_key: str, content: dict[str, Json]) -> list[Node]:
    name = row.json_name(type_key)
    if type_key not in table.PRIMITIVES:
        if not row.is_list:
            return [_complex(content[name], row, type_key)]
        return [_complex(item, row, type_key) for item in _full_list(content[name])]
    if not row.is_list:
        if (name in content and content[name] is None) or (
            "_" + name in content and content["_" + name] is None
        ):
            raise NotStrict(f"{name} is null")
        return [_primitive(content.get(name), content.get("_" + name), row, type_key)]
    values = _full_list(content[name]) if name in content else []
    others = _full_list(content["_" + name]) if "_" + name in content else []
    if any(items and all(item is None for item in items) for items in (values, others)):
        raise NotStrict(f"{row.name} is a list of nothing but null")
    length = max(len(values), len(others))
    values = values + [None] * (length - len(values))
    others = others + [None] * (length - len(others))
    return [_primitive(value, other, row, type_key) for value, other in zip(values, others, strict=True)]


def _full_list(content: Json) -> list[Json]:
    if not isinstance(content, list) or not content:
        raise NotStrict("not a list with something in it")
    return content


def _primitive(value: Json, other: Json, row: Row, type_key: str) -> Node:
    """A node from `x` and `_x`; None stands for a place that is empty or null."""
    node = Node(row.name, type_key, type_key, value_set=row.value_set)
    if value is None and other is None:
        raise NotStrict(f"{row.name} has an empty place")
    if value is not None:
        node.value, node.json = _read_value(value, row, type_key)
    if other is not None:
        if not isinstance(other, dict):
            raise NotStrict(f"_{row.name} is not an object")
        node.came_empty = not other
        _read_members(node, other)
    return node


def _read_value(value: Json, row: Row, type_key: str) -> tuple[Value, str]:
    if type_key == "boolean" and isinstance(value, bool):
        return value, "true" if value else "false"
    if type_key in INTEGERS and isinstance(value, Number):
        # A fraction or an exponent makes it another kind of number, even if it is whole.
        number = whole_number(value.text)
        if number is not None:
            return number, str(number)
    elif type_key == "decimal" and isinstance(value, Number):
        return decimal_value(value.text), value.text
    elif type_key not in {"boolean", "decimal"} | INTEGERS and isinstance(value, str):
        return _read_text(value, row, type_key)
    raise NotStrict(f"{row.name} is not a {type_key}")


def _read_text(value: str, row: Row, type_key: str) -> tuple[str, str]:
    """Rules see text trimmed; what no rule changes is written as it came."""
    if not value:
        raise NotStrict(f"{row.name} is empty")
    text = value.strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotStrict(f"{row.name} is not Unicode text") from None
    if type_key == "instant":
        instant = normal_instant(text)
        if instant is None:
            raise NotStrict(f"{row.name} is not an instant")
        return instant, to_json(instant)
    if type_key == "base64Binary":
        bare = normal_base64(text)
        if bare is None:
            raise NotStrict(f"{row.name} is not base64")
        return bare, to_json(bare)
    if row.value_set is not None and value not in table.CODES[row.value_set]:
        raise NotStrict(f"{row.name} is outside its value set")
    return text, to_json(value)


# --- lenient: bring JSON into the strict form, as far as that is a matter of form ---


def _is_nothing(content: Json) -> bool:
    return content is None or content == "" or content == [] or content == {}


def _cleaned(content: Json) -> Json:
    """A primitive value, or what stands where something else belongs: that is not looked into, and refused later."""
    return content.strip() if isinstance(content, str) else content


def _cleaned_resource(content: Json) -> Json:
    kind = content.get("resourceType") if isinstance(content, dict) else None
    if isinstance(kind, str) and kind.strip() in table.RESOURCES:
        return _cleaned_object(content, kind.strip())
    return _cleaned(content)


def _cleaned_complex(content: Json, type_key: str) -> Json:
    if type_key == "Resource":
        return _cleaned_resource(content)
    return _cleaned_object(content, type_key) if isinstance(content, dict) else _cleaned(content)


def _cleaned_object(content: dict[str, Json], type_key: str) -> dict[str, Json]:
    known = table.members(type_key)
    result: dict[str, Json] = {}
    for member, value in content.items():
        base = _base_name(member, type_key)
        row, variant = known.get(base, (None, ""))
        if row is None:
            result[member] = _cleaned(value)
        elif variant in table.PRIMITIVES:
            if base not in result:
                beside = "_" + base
                if _base_name(beside, type_key) == base:
                    result[base], result[beside] = _cleaned_pair(
                        content.get(base), content.get(beside), row, variant
                    )
                else:
                    result[base] = _cleaned_pair(content.get(base), None, row, variant)[0]
        elif row.is_list:
            items = [_cleaned_complex(item, variant) for item in _as_list(value)]
            result[base] = [item for item in items if not _is_nothing(item)]
        else:
            result[base] = _cleaned_complex(value, variant)
    return {member: value for member, value in result.items() if not _is_nothing(value)}


def _cleaned_pair(value: Json, other: Json, row: Row, type_key: str) -> tuple[Json, Json]:
    """`x` and `_x` together: in a list a place goes only if both have nothing there."""
    if not row.is_list:
        return _cleaned(value), _cleaned_complex(other, type_key)
    values = [_cleaned(item) for item in _as_list(value)]
    others = [_cleaned_complex(item, type_key) for item in _as_list(other)]
    length = max(len(values), len(others))
    values += [None] * (length - len(values))
    others += [None] * (length - len(others))
    pairs = [
        (None if _is_nothing(one) else one, None if _is_nothing(two) else two)
        for one, two in zip(values, others, strict=True)
        if not (_is_nothing(one) and _is_nothing(two))
    ]
    values = [one for one, _ in pairs]
    others = [two for _, two in pairs]
    return (
        values if any(one is not None for one in values) else None,
        others if any(two is not None for two in others) else None,
    )


def _as_list(content: Json) -> list[Json]:
    return content if isinstance(content, list) else [content]
